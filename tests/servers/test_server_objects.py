"""What tables need of their server beside schemas comes back before them, or is named."""

from __future__ import annotations

from pathlib import Path

import pyrage
import pytest

from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.placement import used_tablespaces
from bkpc_runtime.mysql.preflight import _not_as_they_are
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
from tests.servers.test_backup_restore import image_of, restore
from tests.servers.whole import everything, same

GEOGRAPHY = (
    'GEOGCS["mine",DATUM["World Geodetic System 1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.017453292519943278],AXIS["Lat",NORTH],AXIS["Lon",EAST]]'
)
SERVERS = "SELECT server_name, host, db, username, password, port, wrapper FROM mysql.servers ORDER BY 1"
FEDERATED = (
    "CREATE SERVER `far ``away` FOREIGN DATA WRAPPER mysql "
    "OPTIONS (HOST 'h', USER 'it''s', DATABASE 'd', PASSWORD 'pw-\\\\far', PORT 7)"
)


def test_servers_come_back_with_their_passwords_or_without(
    fresh_server: ThrowawayServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(fresh_server.bin))
    identity = pyrage.x25519.Identity.generate()
    fresh_server.run("CREATE DATABASE d", FEDERATED)
    plain = image_of(fresh_server, [store], [])
    assert [one for one in plain.not_included if "the passwords of servers (CREATE SERVER): far `away" in one]
    sealed = image_of(fresh_server, [store], [str(identity.to_public())])
    assert not [one for one in sealed.not_included if "CREATE SERVER" in one]
    with start_server(fresh_server.flavour, tmp_path / "rescue") as rescue:
        restore(store, rescue, plain.id, [])
        ((*_, password, _, _),) = rescue.run(SERVERS)
        assert password == ""
        rescue.run("DROP DATABASE d", "DROP SERVER `far ``away`")
        restore(store, rescue, sealed.id, [Secret(str(identity))])
        assert rescue.run(SERVERS) == fresh_server.run(SERVERS)
        assert rescue.run(SERVERS)[0][4] == "pw-\\far"


def filled(server: ThrowawayServer) -> None:
    server.run(
        "CREATE DATABASE d",
        "CREATE TABLESPACE `gt``s`",
        "CREATE TABLE d.t (id INT PRIMARY KEY, c TEXT COMMENT ' /*!50100 TABLESPACE `no` */') TABLESPACE `gt``s`",
        "CREATE TABLESPACE small FILE_BLOCK_SIZE = 8192",
        "CREATE TABLE d.small (id INT PRIMARY KEY) TABLESPACE small ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 8",
        "CREATE TABLESPACE free ADD DATAFILE 'free.ibd'",
        "INSERT INTO d.t VALUES (1, 'image')",
        f"CREATE SPATIAL REFERENCE SYSTEM 990001 NAME 'it''s mine' ORGANIZATION 'me' IDENTIFIED BY 5 "
        f"DEFINITION '{GEOGRAPHY}' DESCRIPTION 'a \\\\ b'",
        "CREATE TABLE d.g (id INT PRIMARY KEY, g GEOMETRY NOT NULL SRID 990001, SPATIAL KEY (g))",
        "INSERT INTO d.g VALUES (1, ST_GeomFromText('POINT(1 2)', 990001))",
        "INSTALL PLUGIN keyring_udf SONAME 'keyring_udf.so'",
        "CREATE FUNCTION keyring_key_fetch RETURNS STRING SONAME 'keyring_udf.so'",
        "CREATE VIEW d.fetched AS SELECT keyring_key_fetch('a') AS k",
        "CREATE VIEW d.about_it AS SELECT k FROM d.fetched",
        "CREATE VIEW d.fine AS SELECT id FROM d.t",
    )


def went_on(server: ThrowawayServer) -> None:
    server.run(
        "INSERT INTO d.t VALUES (2, 'log')",
        "CREATE TABLE d.was_empty (id INT PRIMARY KEY) TABLESPACE free",
        "CREATE TABLESPACE later",
        "CREATE TABLE d.later (id INT PRIMARY KEY) TABLESPACE later",
        "INSERT INTO d.later VALUES (7)",
        f"CREATE SPATIAL REFERENCE SYSTEM 990002 NAME 'later' DEFINITION '{GEOGRAPHY}'",
        "CREATE TABLE d.g2 (id INT PRIMARY KEY, g GEOMETRY NOT NULL SRID 990002)",
    )


def elsewhere_too(server: ThrowawayServer) -> list[tuple[object, ...]]:
    return [
        *server.run("SELECT * FROM information_schema.st_spatial_reference_systems WHERE srs_id > 990000"),
        *server.run("SELECT * FROM mysql.func"),
    ]


@pytest.mark.skipif("mysql" not in FLAVOURS, reason="SERVERS leaves MySQL out")
def test_what_only_mysql_has(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with start_server("mysql", tmp_path / "source") as source, start_server("mysql", tmp_path / "rescue") as rescue:
        monkeypatch.setenv("BKPC_MYSQL_BIN", str(source.bin))
        filled(source)
        with Streaming(source, store) as stream:
            image = image_of(source, [store], [])
            went_on(source)
            wait_for(stream, position(source))
        assert [one for one in image.not_included if "the library keyring_udf.so of the loadable function" in one]
        with connect(parse_address(source.url)) as connection:
            told = [one.text for one in _not_as_they_are(connection)]
            assert [one for one in told if one.startswith("loadable functions: keyring_key_fetch (keyring_udf.so)")]
            # An account that may not see tablespaces still sees those that tables name.
            names = [("free", 0, False), ("gt`s", 0, False), ("later", 0, False), ("small", 8192, False)]
            assert used_tablespaces(connection) == names
        # What is there already is left as it is.
        rescue.run("CREATE TABLESPACE small FILE_BLOCK_SIZE = 8192")
        restore(store, rescue, "latest", [])
        wanted = everything(source)
        # Its library needs a plugin that the target lacks: that is told, and is no reason to stop.
        assert [wanted.pop(f"view d.{name}") for name in ("fetched", "about_it")]
        same(everything(rescue), wanted)
        assert "view d.fetched was broken before, or uses what is not here: it can't be made" in caplog.text
        assert elsewhere_too(rescue) == elsewhere_too(source)
        assert "what uses it can't be" not in caplog.text
        rescue.run("DROP TABLE d.later", "DROP TABLESPACE later")
        found = prepare(look_through(store, "shop", parse_point("latest"), []), [("d", "later")], store, [])
        target = Target(parse_address(rescue.url), Secret(""))
        bring_back(found, store, Destination(target), Means(work=tmp_path), Silent())
        assert rescue.run("SELECT * FROM d.later") == [(7,)]
        assert "d.later gets a file of its own: there is no tablespace later" in caplog.text
