"""The contract of `engines/engine.py`, kept by every engine on its own server."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bkpc_runtime.engines.engine import Engine, Server, Taken
from bkpc_runtime.engines.inventory import read_contents
from bkpc_runtime.engines.picking import engine_called, lacking
from bkpc_runtime.errors import PolicyBroken, RuntimeFailure, StoreFull, ToolFailed
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.finding import Finding
from bkpc_runtime.mysql.flavour import read_facts
from bkpc_runtime.mysql.preflight_privileges import needed_privileges
from bkpc_runtime.repository import catalogue, manifest
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps import backup
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer
from tests.demo.shop import load
from tests.servers.streaming import position

NAMES: dict[str, tuple[manifest.Engine, ...]] = {"mariadb": ("logical", "mariabackup"), "mysql": ("logical", "clone")}
PROGRAMS = {"mariabackup": "mariadb-backup", "clone": "tar"}


@dataclass
class Kept:
    """A sink that counts, and fails after so many bytes."""

    room: int = 1 << 62
    encrypted: bool = True
    parts: list[tuple[str, str, str]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def begin(self, kind: manifest.PartKind, schema: str = "", table: str = "") -> None:
        self.parts.append((kind, schema, table))
        self.sizes.append(0)

    def write(self, chunk: bytes) -> None:
        self.sizes[-1] += len(chunk)
        if sum(self.sizes) > self.room:
            raise StoreFull("the disk is full")


@pytest.fixture
def shop(server: ThrowawayServer, monkeypatch: pytest.MonkeyPatch) -> ThrowawayServer:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(server.bin))
    if not server.run("SHOW DATABASES LIKE 'shop'"):
        load(server)
        if server.flavour == "mysql":
            server.run("INSTALL PLUGIN clone SONAME 'mysql_clone.so'")
    return server


def engines(server: ThrowawayServer) -> list[Engine]:
    return [engine_called(name) for name in NAMES[server.flavour]]


def physical(server: ThrowawayServer) -> Engine:
    return engines(server)[1]


def taken(server: ThrowawayServer, engine: Engine, sink: Kept, user: str = "root") -> Taken:
    address = parse_address(server.url.replace("user=root", f"user={user}"))
    with closing(connect(address)) as connection:
        return engine.take(Server(address, connection, read_facts(connection)), sink)


def seen(server: ThrowawayServer, user: str) -> tuple[manifest.Inventory, ...]:
    """What an account sees."""
    with closing(connect(parse_address(server.url.replace("user=root", f"user={user}")))) as connection:
        return read_contents(connection).schemas


def found(server: ThrowawayServer) -> list[Finding]:
    """What preflight says of physical images."""
    address = parse_address(server.url)
    with closing(connect(address)) as connection:
        return list(lacking(connection, read_facts(connection), address, {"physical"}))


def test_where_an_image_stands_and_what_it_holds(shop: ThrowawayServer) -> None:
    with closing(connect(parse_address(shop.url))) as connection:
        wanted = read_contents(connection)
    for engine in engines(shop):
        sink, here = Kept(), position(shop)
        result = taken(shop, engine, sink)
        assert (result.position, result.contents.schemas, result.loose) == (here, wanted.schemas, False)
        assert all(sink.sizes)
        assert len(set(sink.parts)) == len(sink.parts)
        assert {kind for kind, _, _ in sink.parts} >= ({"table"} if engine.name == "logical" else {"stream"})


def test_what_goes_wrong_behind_it_comes_out_as_it_is(shop: ThrowawayServer, tmp_path: Path) -> None:
    for engine in engines(shop):
        with pytest.raises(StoreFull):
            taken(shop, engine, Kept(room=1000))
    assert not list(shop.folder.glob("bkpc-clone-*"))


NOT_ALL = {
    "mariadb": [
        ("exit 3", "failed with status 3"),
        ('"$real" "$@" 2>/dev/null; exit 0', "did not say that it is done"),
        ("head -c 100000 /dev/zero; echo 'completed OK!' >&2", "lacks the tool's own note"),
    ],
    "mysql": [('"$real" "$@" | head -c 100000; exit 1', "failed with status 1")],
}
"""What a tool may do instead of its work, and what is said of it."""


def test_a_tool_that_does_not_do_all_is_found_out(
    shop: ThrowawayServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = physical(shop)
    real = next(str(path) for path in (shop.bin / PROGRAMS[engine.name], Path("/usr/bin/tar")) if path.exists())
    fake = tmp_path / "bin" / PROGRAMS[engine.name]
    fake.parent.mkdir()
    monkeypatch.setenv("BKPC_MYSQL_BIN", f"{fake.parent}:{shop.bin}")
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(backup, "_ATTEMPTS", 1)
    for behaves, says in NOT_ALL[shop.flavour]:
        version = f'case "$*" in *--version*) exec {real} --version;; esac'
        fake.write_text(f"#!/bin/sh\nreal={real}\n{version}\n{behaves}\n")
        fake.chmod(0o755)
        with pytest.raises(ToolFailed, match=says):
            backup.take_image(
                backup.Source("shop", parse_address(shop.url), Secret("")), [store], [], expected_size=1, engine=engine
            )
        assert catalogue.all_images(store, "shop") == []
        assert not list(shop.folder.glob("bkpc-clone-*"))


def test_it_asks_for_no_privilege_that_it_can_do_without(shop: ThrowawayServer) -> None:
    engine = physical(shop)
    shop.run("CREATE USER 'least'@'%'")
    try:
        with shop.connect() as connection:
            asked = needed_privileges(read_facts(connection), stream=False, engines=(engine.name,))
        shop.run(f"GRANT {', '.join(asked)} ON *.* TO 'least'@'%'")
        whole = seen(shop, "least")
        assert whole == seen(shop, "root")
        taken(shop, engine, Kept(), "least")
        for privilege in asked:
            shop.run(f"REVOKE {privilege} ON *.* FROM 'least'@'%'")
            if seen(shop, "least") == whole:
                with pytest.raises(RuntimeFailure):
                    taken(shop, engine, Kept(), "least")
            shop.run(f"GRANT {privilege} ON *.* TO 'least'@'%'")
    finally:
        shop.run("DROP USER 'least'@'%'")


def test_history_that_a_server_does_not_dump_is_told(shop: ThrowawayServer) -> None:
    if shop.flavour == "mysql":
        return
    address = parse_address(shop.url)
    with closing(connect(address)) as connection:
        old = replace(read_facts(connection), version=(10, 6, 23))
        assert list(lacking(connection, old, address, {"logical"})) == []
        shop.run("CREATE TABLE shop.told (id INT) WITH SYSTEM VERSIONING")
        try:
            (found,) = lacking(connection, old, address, {"logical"})
            assert found.text.startswith("shop.told: MariaDB")
            assert "by physical" in found.mend[0]
            told = list(lacking(connection, read_facts(connection), address, {"logical"}))
            assert bool(told) == (shop.series < (10, 11))
        finally:
            shop.run("DROP TABLE shop.told")


def test_what_a_physical_image_lacks_is_told_with_the_way_out(
    shop: ThrowawayServer, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert found(shop) == []
    address = parse_address(shop.url)
    with closing(connect(address)) as connection:
        facts = read_facts(connection)
        away = parse_address("mysql://root@db.example.com/")
        (elsewhere,) = lacking(connection, facts, away, {"physical"})
        assert "on the machine of the server" in elsewhere.text
        if shop.flavour == "mysql":
            (tool, *_) = lacking(connection, facts, address, {"incremental"})
            assert tool.text.startswith("incremental images need it: xtrabackup")
            assert "CLONE takes full images only" in tool.mend[0]
    if shop.flavour == "mysql":
        shop.run("CREATE TABLE shop.old (id INT) ENGINE = MyISAM")
        (others,) = found(shop)
        assert others.mend[0] == "ALTER TABLE `shop`.`old` ENGINE = InnoDB;"
        with pytest.raises(PolicyBroken, match="leaves out the rows"):
            backup.take_image(
                backup.Source("shop", address, Secret("")), [store], [], expected_size=1, engine=physical(shop)
            )
        shop.run(others.mend[0].rstrip(";"), "UNINSTALL PLUGIN clone")
        (plugin,) = found(shop)
        shop.run(plugin.mend[0].rstrip(";"))
        monkeypatch.setenv("BKPC_CLONE_FOLDER", str(tmp_path / "none"))
        assert "BKPC_CLONE_FOLDER" in found(shop)[0].mend[0]
        return
    other = tmp_path / "mariadb-backup"
    other.write_text("#!/bin/sh\necho mariabackup based on MariaDB server 10.5.1-MariaDB >&2\n")
    other.chmod(0o755)
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(tmp_path))
    (series,) = found(shop)
    assert "of version 10.5.1" in series.text
    monkeypatch.setenv("BKPC_MYSQL_BIN", "")
    monkeypatch.setenv("PATH", "")
    (missing,) = found(shop)
    assert missing.mend == ("apt-get install mariadb-backup, or name its folder in BKPC_MYSQL_BIN",)
