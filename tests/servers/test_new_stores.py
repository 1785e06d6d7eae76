"""A directory that holds nothing: new, or the mountpoint of a disk that is away."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.database_server import ThrowawayServer
from tests.servers.command_line import Office

TWO = "full daily at 02:00 within 1h to disk, away\n"


def opened(folder: Path, server: ThrowawayServer) -> Office:
    server.run("DROP USER IF EXISTS 'backup'@'%'", "CREATE DATABASE IF NOT EXISTS shop")
    server.run("CREATE TABLE IF NOT EXISTS shop.t (id INT PRIMARY KEY)")
    office = Office.opened(folder, server)
    text = (
        (folder / "shop.bkp").read_text().replace('"backups" }', '"backups" }\nstore away at here { directory "away" }')
    )
    for old, new in (("full daily at 02:00 within 1h to disk\n", TWO), ("rpo 10s", "rpo 26h"), ("timepoint, ", "")):
        text = text.replace(old, new)
    office.write(text.replace("  hot  to disk every 2s\n", ""))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    return office


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_only_apply_begins_a_store(server: ThrowawayServer, tmp_path: Path) -> None:
    office = opened(tmp_path / "office", server)
    told = office.bkpc("run", "plan.json", "shop/full/disk", expect=4).text
    assert "holds nothing of bkpc: it is new, or its disk is not mounted" in told
    assert "`bkpc apply` begins it" in told
    agent = office.start("agent", "plan.json")
    for _ in range(100):
        if "holds nothing of bkpc" in (office.folder / "agent.log").read_text():
            break
        time.sleep(0.1)
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(30) in {0, 4}
    assert "shop/full/disk failed" in (office.folder / "agent.log").read_text()
    assert files(office.folder / "backups") + files(office.folder / "away") == []
    assert "store `away` is new: " in office.bkpc("apply", "plan.json", "--yes", expect=0).text
    office.bkpc("run", "plan.json", "shop/full/disk", expect=0)


def test_a_mountpoint_is_no_new_store(server: ThrowawayServer, tmp_path: Path) -> None:
    office = opened(tmp_path / "office", server)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    away, mounted = office.folder / "away", office.folder / "mounted"
    away.rename(mounted)
    away.mkdir()
    told = office.bkpc("apply", "plan.json", "--yes", expect=5).text
    assert "store `away` holds nothing, and store `disk` knows that a plan was applied to it" in told
    assert "--new-store away" in told
    told = office.bkpc("status", "plan.json", expect=1).text
    assert "problem: away holds nothing: store `away` holds nothing, and store `disk` knows" in told
    assert "overdue" not in told
    office.bkpc("run", "plan.json", "shop/full/away", expect=4)
    assert files(away) == []
    away.rmdir()
    mounted.rename(away)
    office.bkpc("run", "plan.json", "shop/full/away", expect=0)
    away.rename(mounted)
    assert "store `away` is new" in office.bkpc("apply", "plan.json", "--yes", "--new-store", "away", expect=0).text
    office.bkpc("verify", "plan.json", expect=0)
