"""A command told to stop in the middle leaves no password, no half object, and no image."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.database_server import ThrowawayServer
from tests.servers.command_line import Office


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_backup_told_to_stop(server: ThrowawayServer, tmp_path: Path, number: signal.Signals) -> None:
    server.run(
        "DROP DATABASE IF EXISTS big", "DROP USER IF EXISTS 'backup'@'%'", "CREATE DATABASE big",
        "CREATE TABLE big.t (body LONGBLOB)", *["INSERT INTO big.t VALUES (REPEAT(UUID(), 500000))"] * 6,
    )  # fmt: skip
    office = Office.opened(tmp_path / "office", server)
    office.begin()
    office.environ["TMPDIR"] = str(tmp_path / "temporary")
    (tmp_path / "temporary").mkdir()
    command = ["prlimit", "--nofile=1024", *office.command("run", "plan.json", "shop/full/disk")]
    running = subprocess.Popen(
        command, cwd=office.folder, env=office.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    backups = office.folder / "backups"
    for _ in range(2000):
        if list(backups.glob("shop/*/images/*/*")):
            break
        time.sleep(0.005)
    running.send_signal(number)
    told = running.communicate(timeout=60)[0].decode()
    assert running.returncode == 128 + number, told
    assert "Traceback" not in told
    assert list((tmp_path / "temporary").iterdir()) == []
    left = [name for _, _, names in os.walk(backups) for name in names]
    assert not [name for name in left if name.startswith(".") or name == "MANIFEST.json"]
    office.bkpc("run", "plan.json", "shop/full/disk", expect=0)
    office.bkpc("verify", "plan.json", expect=0)
