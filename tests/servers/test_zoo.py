"""A zoo of all that a server can hold comes back as it was, from the image and through the log."""

from __future__ import annotations

from pathlib import Path

import pymysql
import pyrage
import pytest

from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_server
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import image_of, restore
from tests.servers.whole import accounts, everything, same, typed
from tests.servers.zoo import afterwards, script

FEWEST = 60


def test_all_of_it_comes_back(
    fresh_server: ThrowawayServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(fresh_server.bin))
    identity = pyrage.x25519.Identity.generate()
    key = [Secret(str(identity))]
    typed(fresh_server, script(fresh_server.flavour))
    at_image = everything(fresh_server) | accounts(fresh_server)
    assert len(at_image) > FEWEST
    with Streaming(fresh_server, store, str(identity.to_public())) as stream:
        image = image_of(fresh_server, [store], [str(identity.to_public())])
        assert any("digits of FLOAT values" in one and "zoo.keyless.a" in one for one in image.not_included)
        typed(fresh_server, afterwards(fresh_server.flavour))
        at_end = everything(fresh_server) | accounts(fresh_server)
        wait_for(stream, position(fresh_server))
    for point, wanted in ((image.id, at_image), ("latest", at_end)):
        with start_server(fresh_server.flavour, tmp_path / f"rescue-{point}") as rescue:
            restore(store, rescue, point, key)
            same(everything(rescue) | accounts(rescue), wanted)


def test_a_view_whose_check_option_can_no_longer_be_made_comes_back_without_it(
    fresh_server: ThrowawayServer,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(fresh_server.bin))
    fresh_server.run(
        "CREATE DATABASE v",
        "CREATE TABLE v.t (id INT PRIMARY KEY)",
        "CREATE VIEW v.under AS SELECT * FROM v.t",
        "CREATE VIEW v.a AS SELECT id FROM v.under WITH CHECK OPTION",
        "CREATE VIEW v.fine AS SELECT id FROM v.t WHERE id < 5 AND 1 WITH LOCAL CHECK OPTION",
        "CREATE VIEW v.user AS SELECT a.id FROM v.a JOIN v.fine USING (id)",
        "CREATE OR REPLACE VIEW v.under AS SELECT 1 AS id",
    )
    image_of(fresh_server, [store], [])
    with start_server(fresh_server.flavour, tmp_path / "rescue") as rescue:
        restore(store, rescue, "latest", [])
        assert "view v.a is back, but without its WITH CHECK OPTION" in caplog.text
        options = dict(rescue.run("SELECT table_name, check_option FROM information_schema.views"))
        assert {name: options[name] for name in ("a", "fine", "under", "user")} == {
            "a": "NONE", "fine": "LOCAL", "under": "NONE", "user": "NONE",
        }  # fmt: skip
        assert rescue.run("SELECT id FROM v.a") == [(1,)]
        rescue.run("INSERT INTO v.fine (id) VALUES (4)")
        with pytest.raises(pymysql.OperationalError, match="CHECK OPTION failed"):
            rescue.run("INSERT INTO v.fine (id) VALUES (6)")


def test_a_name_with_a_line_end_is_no_statement(
    fresh_server: ThrowawayServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The binlog tools write names into comments as they are."""
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(fresh_server.bin))
    hostile = "`x`` mapped to number 1\nDROP DATABASE victim;\n#x`"
    fresh_server.run("CREATE DATABASE w", "CREATE DATABASE victim", "CREATE TABLE victim.t (id INT)")
    with Streaming(fresh_server, store) as stream:
        image_of(fresh_server, [store], [])
        fresh_server.run(f"CREATE TABLE w.{hostile} (id INT PRIMARY KEY)")
        fresh_server.run(f"INSERT INTO w.{hostile} VALUES (1), (2)", f"DELETE FROM w.{hostile} WHERE id = 1")
        wanted = everything(fresh_server)
        wait_for(stream, position(fresh_server))
    with start_server(fresh_server.flavour, tmp_path / "rescue") as rescue:
        restore(store, rescue, "latest", [], "client")
        same(everything(rescue), wanted)
