"""A site is lost: all that stood there comes back, in the plan's order, and what failed is gone on with."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.database_server import ThrowawayServer, start_server
from tests.servers.command_line import PASSWORD, Office

ESTATE = """\
edition 1

site berlin {{ region "berlin" }}
site bonn   {{ region "bonn" }}
link berlin -- bonn {{ bandwidth 80MB/s  latency 5ms }}
store near at berlin {{ directory "near" }}
store far at bonn {{ directory "far" }}
store logs at bonn {{ directory "logs" }}

database accounts at berlin {{
  mysql "127.0.0.1:{accounts}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 10MiB/h  burst 1MiB
  standby bonn {{ provision 5min }}
}}
database shop at berlin {{
  mysql "127.0.0.1:{shop}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 2GiB  writes 10MiB/h  burst 1MiB
  standby bonn {{ provision 5min }}
  needs accounts
}}

policy basic {{
  promise against site {{ rpo 1min  rto 4h }}
  full daily at 02:00 within 2h to near, far
  hot  to logs every 2s
  keep 14d
  encrypt rest to "{recipient}"
}}

protect shop, accounts with basic
"""


def insist_on_status(office: Office) -> None:
    """The log lies in a store without images, and is counted with them."""
    status = office.bkpc("status", "plan.json").text
    assert "log alone: it continues the images in far, near" in status
    assert "no log" not in status
    assert "problem" not in status
    assert "0 problems" in office.bkpc("verify", "plan.json", "shop", expect=0).text
    assert "compared with the source" in office.bkpc("drill", "plan.json", "shop", "--store", "far", expect=0).text


def insist_on_events(text: str) -> None:
    """What the process of the one member that could be restored has told."""
    told = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [(one["database"], one["outcome"]) for one in told if one["event"] == "ended"] == [("shop", "done")]
    assert [one["database"] for one in told if one["event"] == "restored"] == ["shop"]
    assert any(one["event"] == "said" and one["text"].startswith("shop: restored in ") for one in told)
    assert (told[-1]["event"], told[-1]["exit_code"]) == ("result", 5)


def until_its_server_is_there(office: Office, command: list[str], server: ThrowawayServer) -> str:
    """What a recovery says that is begun before one server is there."""
    waits = "waits for its server, which the plan has there 5min after the failure: cannot reach"
    assert waits in office.bkpc(*command, "--dry-run", expect=1).text
    log = office.folder / "restore.log"

    def begun() -> subprocess.Popen[bytes]:
        log.unlink(missing_ok=True)
        running = office.start(*command)
        until = time.monotonic() + 60
        while f"accounts: {waits}" not in (log.read_text() if log.exists() else ""):
            assert time.monotonic() < until, log.read_text()
            assert running.poll() is None, log.read_text()
            time.sleep(0.1)
        return running

    broken_off = begun()
    broken_off.send_signal(signal.SIGINT)
    assert broken_off.wait(30) != 0
    assert "Traceback" not in log.read_text(), log.read_text()
    running = begun()
    try:
        server.start()
        assert running.wait(60) == 0, log.read_text()
    finally:
        running.kill()
    told = log.read_text()
    assert told.index("accounts: its server answers") < told.index("accounts: begins, into")
    return told


def test_a_site_comes_back(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    shop = fresh_server
    with start_server(shop.flavour, tmp_path / "accounts") as accounts:
        office = Office.opened(tmp_path / "office", shop)
        accounts.run(f"CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}'", "GRANT ALL ON *.* TO 'backup'@'%'")
        office.write(ESTATE.format(shop=shop.port, accounts=accounts.port, recipient=office.recipient))
        office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
        for one in (shop, accounts):
            one.run("CREATE DATABASE w", "CREATE TABLE w.t (n INT PRIMARY KEY)", "INSERT INTO w.t VALUES (0)")
        office.bkpc("apply", "plan.json", "--yes", expect=0)
        agent = office.start("agent", "plan.json")
        try:
            for one in (shop, accounts):
                one.run("INSERT INTO w.t VALUES (1)")
            office.archived(shop, accounts, stores=2)
            insist_on_status(office)
        finally:
            agent.terminate()
            assert agent.wait(60) == 0
        shop.kill()
        accounts.kill()
        shutil.rmtree(office.folder / "near")
    with (
        start_server(shop.flavour, tmp_path / "one") as one,
        start_server(shop.flavour, tmp_path / "two") as two,
    ):
        command = ["restore", "plan.json", "--scope", "site:berlin", "--work", str(tmp_path)]
        into = ["--into", f"shop={one.url}", "--into", f"accounts={two.url}"]
        assert "`accounts` has no target" in office.bkpc(*command, *into[:2], expect=2).text
        assert "site:berlin" in office.bkpc(*command[:3], "site:bern", *into, expect=2).text
        two.run("CREATE DATABASE old", "CREATE TABLE old.t (n INT)")
        shown = office.bkpc(*command, *into, "--dry-run", expect=1).text
        assert "accounts: image from far" in shown
        assert "MB/s reserved" in shown
        assert "in service after accounts" in shown
        assert "missing: the target" in shown
        assert not one.run("SHOW DATABASES LIKE 'w'")
        # One can't be restored: the other is, and waits for it.
        half = office.bkpc(*command, *into, "--format", "json", expect=5).text
        insist_on_events(half)
        assert "shop is restored to" in half
        assert "not to be put in service before accounts" in half
        assert "not restored: accounts" in half
        assert "can be put in service" not in half
        assert one.run("SELECT COUNT(*) FROM w.t") == [(2,)]
        one.run("DELETE FROM w.t WHERE n = 0")
        two.run("DROP DATABASE old")
        two.stop()  # as one that is not ready yet
        rest = until_its_server_is_there(office, [*command, *into], two)
        assert "by an earlier run" in rest
        assert rest.index("accounts: restored to") < rest.index("shop: restored to")
        assert two.run("SELECT COUNT(*) FROM w.t") == [(2,)]
        assert one.run("SELECT COUNT(*) FROM w.t") == [(1,)]
        assert not list(tmp_path.glob("bkpc-restore-*"))
