"""The server of our own: it starts empty, as the source is, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bkpc_runtime.errors import ServerFailed, StepFailed
from bkpc_runtime.mysql.connection import connect, query
from bkpc_runtime.mysql.flavour import Flavour, read_facts
from bkpc_runtime.mysql.scratch_server import scratch_server
from tests.database_server.installation import find_mariadb, find_mysql
from tests.servers.conftest import FLAVOURS


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Flavour:
    installation = find_mariadb() if request.param == "mariadb" else find_mysql()
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(installation.bin))
    return installation.flavour


def test_it_is_empty_takes_over_what_matters_and_is_gone_afterwards(flavour: Flavour, tmp_path: Path) -> None:
    source = {"lower_case_table_names": "1", "character_set_server": "latin1", "collation_server": "latin1_bin"}
    with scratch_server(flavour, tmp_path, source) as server:
        assert server.folder.stat().st_mode & 0o077 == 0
        connection = connect(server.address)
        facts = read_facts(connection)
        schemas = {str(row[0]) for row in query(connection, "SHOW DATABASES")}
        connection.close()
        assert facts.flavour == flavour
        assert {name: facts.variable(name) for name in source} == source
        assert facts.variable("event_scheduler") == "OFF"
        assert facts.variable("skip_networking") in {"ON", "1"}
        assert schemas <= {"mysql", "sys", "performance_schema", "information_schema"}
        run = server.socket.parent
    assert server.process.poll() is not None
    assert list(tmp_path.iterdir()) == []
    assert not run.exists()


def test_temporary_tables_of_other_servers_are_not_touched(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MariaDB deletes what looks like one in its temporary folder as it starts: a drill beside a live server would."""
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("TMPDIR", str(shared))
    theirs = [shared / f"#sql-temptable-5ff7-3f-12.{kind}" for kind in ("MAI", "MAD", "frm")]
    for one in theirs:
        one.touch()
    with scratch_server(flavour, tmp_path, {}) as server:
        connection = connect(server.address)
        own = read_facts(connection).variable("tmpdir")
        connection.close()
    assert Path(own).parent == server.folder
    assert [one for one in theirs if not one.exists()] == []


def test_one_that_does_not_start_says_why_and_leaves_nothing(flavour: Flavour, tmp_path: Path) -> None:
    with (
        pytest.raises(ServerFailed, match="did not start"),
        scratch_server(flavour, tmp_path, {}, options={"innodb_page_size": "5"}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_begun_where_what_is_loaded_has_no_room(flavour: Flavour, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="bytes free"), scratch_server(flavour, tmp_path, {}, needed_bytes=10**18):
        pass
    assert list(tmp_path.iterdir()) == []


def test_it_ends_with_a_bkpc_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib\n"
        "from bkpc_runtime.mysql.scratch_server import scratch_server\n"
        "with scratch_server(sys.argv[2], pathlib.Path(sys.argv[1]), {}) as server:\n"
        "    print(server.process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    found = find_mariadb() if FLAVOURS[0] == "mariadb" else find_mysql()
    environ = {**os.environ, "BKPC_MYSQL_BIN": str(found.bin)}
    command = [sys.executable, "-c", script, str(tmp_path), FLAVOURS[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ) as ours:
        assert ours.stdout
        server = Path("/proc") / ours.stdout.readline().decode().strip()
        assert (server / "stat").exists()
        ours.kill()
    for _ in range(400):
        # Nobody may be there to take note of its end.
        if not (server / "stat").exists() or ") Z " in (server / "stat").read_text():
            return
        time.sleep(0.05)
    raise AssertionError("the server runs on")
