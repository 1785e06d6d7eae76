"""One of everything comes back as it was, from the image and through the log."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bkpc_runtime.stores.directory import DirectoryStore
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import SYSTEM, digest, quoted, tables
from tests.servers.kinds import AFTERWARDS, script
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import image_of, restore


@pytest.fixture
def kinds(fresh_server: ThrowawayServer, monkeypatch: pytest.MonkeyPatch) -> ThrowawayServer:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(fresh_server.bin))
    typed(fresh_server, script(fresh_server.flavour))
    return fresh_server


def typed(server: ThrowawayServer, text: str) -> None:
    """Through the client, as a person would."""
    client = server.client_command("--comments", "--default-character-set=utf8mb4")
    done = subprocess.run(client, input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def everything(server: ThrowawayServer) -> dict[str, object]:
    """All definitions and rows, by name."""
    found: dict[str, object] = {}
    for schema, table in tables(server):
        found[f"table {schema}.{table}"] = (
            server.run(f"SHOW CREATE TABLE {quoted(schema, table)}"),
            digest(server, schema, table),
        )
    asked = {
        "schema": "SELECT schema_name, default_character_set_name, default_collation_name FROM "
        f"information_schema.schemata WHERE schema_name NOT IN {SYSTEM}",
        "view": "SELECT table_schema, table_name, view_definition, check_option, definer, security_type, "
        f"character_set_client, collation_connection FROM information_schema.views WHERE table_schema NOT IN {SYSTEM}",
        "trigger": "SELECT trigger_schema, trigger_name, action_statement, definer, sql_mode, action_timing FROM "
        f"information_schema.triggers WHERE trigger_schema NOT IN {SYSTEM}",
        "routine": "SELECT routine_schema, routine_name, routine_type, routine_definition, definer, sql_mode, "
        "security_type, character_set_client, collation_connection, database_collation FROM "
        f"information_schema.routines WHERE routine_schema NOT IN {SYSTEM}",
        "event": "SELECT event_schema, event_name, event_definition, definer, status, starts, sql_mode, time_zone "
        f"FROM information_schema.events WHERE event_schema NOT IN {SYSTEM}",
    }
    if server.flavour == "mariadb":
        found["sequence"] = server.run("SHOW CREATE SEQUENCE kinds.numbers")
        history = server.run("SELECT *, ROW_START, ROW_END FROM kinds.told FOR SYSTEM_TIME ALL ORDER BY ROW_START")
        assert [row[:2] for row in history] == [(1, 1), (1, 2), (1, 3)]
        found["history"] = history
        found["sequence state"] = server.run("SELECT next_not_cached_value, cycle_count FROM kinds.numbers")
    for kind, statement in asked.items():
        for row in server.run(statement):
            found[f"{kind} {row[:2]}"] = row
    return found


def same(one: dict[str, object], other: dict[str, object]) -> None:
    assert one.keys() == other.keys()
    differing = {name: (one[name], other[name]) for name in one if one[name] != other[name]}
    assert differing == {}


def test_the_image(kinds: ThrowawayServer, tmp_path: Path) -> None:
    store = DirectoryStore("disk", tmp_path / "backups")
    wanted = everything(kinds)
    assert len(wanted) > 20
    image_of(kinds, [store], [])
    with start_server(kinds.flavour, tmp_path / "rescue") as rescue:
        restore(store, rescue, "latest", [])
        same(everything(rescue), wanted)


def test_the_log(kinds: ThrowawayServer, tmp_path: Path) -> None:
    store = DirectoryStore("disk", tmp_path / "backups")
    with Streaming(kinds, store) as stream:
        image_of(kinds, [store], [])
        typed(kinds, AFTERWARDS)
        wanted = everything(kinds)
        wait_for(stream, position(kinds))
    with start_server(kinds.flavour, tmp_path / "rescue") as rescue:
        restore(store, rescue, "latest", [])
        same(everything(rescue), wanted)
