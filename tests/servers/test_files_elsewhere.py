"""Tables whose files lie outside the data directory come back within it, and leave those of a live source alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from bkpc_grammar.plan import Preflight
from bkpc_runtime.engines.page_copy import PageCopy
from bkpc_runtime.engines.picking import lacking
from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.flavour import read_facts
from bkpc_runtime.mysql.preflight import look
from bkpc_runtime.recovery import pages
from bkpc_runtime.recovery.choice import choose
from bkpc_runtime.recovery.into_data_folder import restore_into_folder, try_out
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.manifest import Engine, Manifest
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_mariadb, start_server
from tests.database_server.installation import find_mariadb
from tests.database_server.throwaway import start_over
from tests.servers.conftest import FLAVOURS
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import image_of, restore

TABLES = ("ext", "halves", "later")


def filled(server: ThrowawayServer, elsewhere: Path) -> None:
    server.run(
        "CREATE DATABASE dd",
        f"CREATE TABLE dd.ext (id INT PRIMARY KEY, v VARCHAR(20)) DATA DIRECTORY='{elsewhere}'",
        "INSERT INTO dd.ext VALUES (1, 'image')",
        "CREATE TABLE dd.halves (id INT PRIMARY KEY) PARTITION BY HASH (id) "
        f"(PARTITION a DATA DIRECTORY = '{elsewhere}', PARTITION b)",
        "INSERT INTO dd.halves VALUES (1), (2)",
    )


def went_on(server: ThrowawayServer, elsewhere: Path) -> None:
    server.run(
        "INSERT INTO dd.ext VALUES (2, 'log')",
        f"CREATE TABLE dd.later (id INT PRIMARY KEY) COMMENT='a', DATA DIRECTORY='{elsewhere}', MAX_ROWS=9",
        "INSERT INTO dd.later VALUES (7)",
    )


def of_mysql(server: ThrowawayServer, elsewhere: Path, name: str) -> None:
    """A table in a tablespace whose file lies elsewhere."""
    server.run(
        f"CREATE TABLESPACE {name} ADD DATAFILE '{elsewhere}/{name}.ibd'",
        f"CREATE TABLE dd.in_{name} (id INT PRIMARY KEY) TABLESPACE {name}",
        f"INSERT INTO dd.in_{name} VALUES (1)",
    )


def rows(server: ThrowawayServer) -> dict[str, object]:
    return {name: server.run(f"SELECT * FROM dd.{name} ORDER BY id") for name in TABLES}


def lie_within(server: ThrowawayServer) -> bool:
    shown = [server.run(f"SHOW CREATE TABLE dd.{name}")[0][1] for name in TABLES]
    files = {one.name.partition(".")[0].partition("#")[0] for one in (server.datadir / "dd").glob("*.ibd")}
    return "DIRECTORY" not in "".join(shown) and files == set(TABLES) and not [*server.datadir.rglob("*.isl")]


def told(server: ThrowawayServer, engine: Engine = "logical") -> list[tuple[str, str]]:
    """What preflight says of files outside the data directory."""
    wanted = Preflight(database="shop", binlog=False, binlog_expiry_ms=0, require_tls=False)
    with connect(parse_address(server.url)) as connection:
        found = look(connection, read_facts(connection), wanted, [engine])
    return [(one.kind, one.text.split(": ")[1][:57]) for one in found if "DATA DIRECTORY" in one.text]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere"
    path.mkdir()
    return path


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_from_a_dump_and_the_log_beside_the_source(
    flavour: str, store: Store, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"innodb_directories": str(elsewhere)} if flavour == "mysql" else {}
    with start_server(flavour, tmp_path / "source", **options) as source:
        monkeypatch.setenv("BKPC_MYSQL_BIN", str(source.bin))
        filled(source, elsewhere)
        with Streaming(source, store) as stream:
            if flavour == "mysql":
                of_mysql(source, elsewhere, "first")
            image = image_of(source, [store], [])
            went_on(source, elsewhere)
            if flavour == "mysql":
                of_mysql(source, elsewhere, "second")
            wait_for(stream, position(source))
        assert [one for one in image.not_included if "DATA DIRECTORY" in one and "dd.ext, dd.halves" in one]
        assert ("warning", "dd.ext, dd.halves, dd.later; they come back in the data d") in told(source)
        if flavour == "mysql":
            assert ("problem", "dd.ext, dd.halves, dd.later; images by clone can't hold t") in told(source, "clone")
        with start_server(flavour, tmp_path / "rescue", **options) as rescue:
            restore(store, rescue, "latest", [], "client" if flavour == "mysql" else "applier")
            assert rows(rescue) == rows(source)
            assert lie_within(rescue)
            if flavour == "mysql":
                assert [rescue.run(f"SELECT * FROM dd.in_{name}") for name in ("first", "second")] == [[(1,)], [(1,)]]
                beyond = "SELECT name FROM information_schema.innodb_tablespaces_brief WHERE path LIKE '/%'"
                assert not rescue.run(beyond)
                with connect(parse_address(source.url)) as connection:
                    facts = read_facts(connection)
                    found = [one.text for one in lacking(connection, facts, parse_address(source.url), ["physical"])]
                assert [one for one in found if one.endswith("outside the data directory: first, second")]


def physical(server: ThrowawayServer, store: Store, parent: Manifest | None = None) -> Manifest:
    source, engine = Source("shop", parse_address(server.url), Secret("")), PageCopy("mariabackup", parent)
    return take_image(source, [store], [], expected_size=1 << 20, engine=engine)


@pytest.mark.skipif("mariadb" not in FLAVOURS, reason="SERVERS leaves MariaDB out")
def test_from_pages_and_the_log_beside_the_source(
    store: Store, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_mariadb(tmp_path / "source") as source:
        monkeypatch.setenv("BKPC_MYSQL_BIN", str(source.bin))
        filled(source, elsewhere)
        with Streaming(source, store) as stream:
            full = physical(source, store)
            source.run("INSERT INTO dd.halves VALUES (4), (5)", "UPDATE dd.ext SET v = 'increment'")
            physical(source, store, full)
            went_on(source, elsewhere)
            wait_for(stream, position(source))
        wanted = rows(source)
        start = choose(store, "shop", "latest", [], physical=True).start
        restore_into_folder(start, store, tmp_path / "back", [], lambda _: None)
        with start_over(find_mariadb(), tmp_path / "back") as rescue:
            assert rows(rescue) == wanted
            assert lie_within(rescue)
            rescue.run("INSERT INTO dd.ext VALUES (99, 'rescue')")
        assert rows(source) == wanted
        # What comes back so that it can't be read is no success. The server finds two files of one number.
        source.run("FLUSH TABLES dd.ext FOR EXPORT")
        chain = catalogue.chain(start.image, catalogue.all_images(store, "shop"))
        (tmp_path / "tried").mkdir()
        monkeypatch.setattr(pages, "_forget_links", lambda _: None)
        with pytest.raises(DamagedBackup, match=r"no row can be read of dd\.ext \("):
            try_out(chain, store, tmp_path / "tried", [], lambda _: None)
