"""Single tables that others are needed for, and a target that would call them otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bkpc_runtime.errors import Refused, ToolFailed
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.recovery.copied import Destination
from bkpc_runtime.recovery.point import parse_point
from bkpc_runtime.recovery.recover import Means, Silent
from bkpc_runtime.recovery.some_tables import bring_back, look_through, prepare
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_server
from tests.servers.conftest import FLAVOURS
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import image_of

MERGED = ("merged", "one", "two")


def test_merged_tables_and_sequences(
    fresh_server: ThrowawayServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, mariadb = fresh_server, fresh_server.flavour == "mariadb"
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(server.bin))
    server.run(
        "CREATE DATABASE z", "CREATE TABLE z.plain (id INT)",
        "CREATE TABLE z.one (id INT) ENGINE = MyISAM", "CREATE TABLE z.two (id INT) ENGINE = MyISAM",
        "CREATE TABLE z.merged (id INT) ENGINE = MERGE UNION = (z.one, z.two)", "INSERT INTO z.one VALUES (1)",
    )  # fmt: skip
    if mariadb:
        server.run("CREATE SEQUENCE z.z_of", "CREATE TABLE z.numbered (id INT DEFAULT NEXTVAL(z.z_of))")
        server.run("INSERT INTO z.numbered VALUES ()")
    with Streaming(server, store) as stream:
        image_of(server, [store], [])
        server.run("INSERT INTO z.two VALUES (2)")
        wait_for(stream, position(server))
    with start_server(server.flavour, tmp_path / "held") as held:
        destination = Destination(Target(parse_address(held.url), Secret("")), "", frozenset({"z"}))

        def back(*names: str) -> None:
            found = prepare(look_through(store, "shop", parse_point("latest"), []), _of_z(names), store, [])
            bring_back(found, store, destination, Means(work=tmp_path), Silent())

        with pytest.raises(ToolFailed, match=r"z\.merged can't be copied, and is as it was: ") as refused:
            back("merged", "plain")
        assert "it merges tables that the target must have: name them as well" in refused.value.help
        assert "copied before it: z.plain; nothing else was touched" in refused.value.help
        back(*MERGED, *(("numbered", "z_of") if mariadb else ()))
        assert held.run("SELECT id FROM z.merged ORDER BY 1") == [(1,), (2,)]
        if mariadb:
            next_ = "SELECT next_not_cached_value, start_value FROM z.z_of"
            assert held.run(next_) == server.run(next_)
            held.run("INSERT INTO z.numbered VALUES ()")


def _of_z(names: Sequence[str]) -> list[tuple[str, str]]:
    return [("z", name) for name in names]


@pytest.mark.skipif("mariadb" not in FLAVOURS, reason="SERVERS leaves MariaDB out")
def test_a_target_that_would_call_them_otherwise(tmp_path: Path) -> None:
    with start_server("mariadb", tmp_path / "held", lower_case_table_names=1) as held:
        target = Target(parse_address(held.url), Secret(""))
        Destination(target).check([("w", "orders")], "mariadb", 0)
        for beside, out in (("", "restore into a server with lower_case_table_names = 0"), ("Back", "lower_case")):
            with pytest.raises(Refused, match=r"Orders would be \w+\.orders there") as refused:
                Destination(target, beside).check([("w", "orders"), ("w", "Orders")], "mariadb", 0)
            assert out in refused.value.help
        with pytest.raises(Refused, match=r"Back\.orders would be back\.orders there") as refused:
            Destination(target, "Back").check([("w", "orders")], "mariadb", 0)
        assert refused.value.help == "--as back; nothing was changed"
