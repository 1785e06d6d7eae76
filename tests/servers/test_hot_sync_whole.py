"""`hot sync` from the policy to the recovery: what has returned comes back, though server and agent die together."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest

from tests.database_server import ThrowawayServer, start_server
from tests.servers.command_line import Office
from tests.servers.streaming import wait_until
from tests.servers.test_torture import Clerk

POLICY = """\
edition 1

site here {{ region "local" }}
store near at here {{ directory "near" }}
store far  at here {{ directory "far" }}

database shop at here {{
  mysql "127.0.0.1:{port}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h  burst 8MiB
}}

policy nothing_lost {{
  promise against corruption {{ rpo 10s  rto 30min }}
  full daily at 02:00 within 1h to near, far
  hot sync to near, far {outage}
  encrypt rest to "{recipient}"
}}

protect shop with nothing_lost
"""
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # refused connections of PyMySQL


def opened(folder: Path, server: ThrowawayServer, outage: str) -> Office:
    office = Office.opened(folder, server)
    office.write(POLICY.format(port=server.port, recipient=office.recipient, outage=outage))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    return office


def mended(office: Office, server: ThrowawayServer) -> list[str]:
    """Does what preflight says until it is content; what it said."""
    said: list[str] = []
    for _ in range(4):
        done = office.bkpc("preflight", "plan.json")
        if done.code == 0:
            return said
        found = [line.strip() for line in done.text.splitlines() if re.match(r"\s+(SET|INSTALL|GRANT) .*;$", line)]
        statements = [one for one in found if "_enabled" not in one]
        assert statements, done.text
        said += statements
        server.run(*statements)
    raise AssertionError(said)


def least_privileges(office: Office, server: ThrowawayServer) -> None:
    """No more than what preflight asks for, word by word."""
    server.run("REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'backup'@'%'")
    mended(office, server)


def switched_on_when_the_agent_streams(office: Office, server: ThrowawayServer) -> None:
    """Not before: commits would wait for nobody to come."""
    wait_until(lambda: "streaming shop" in (office.folder / "agent.log").read_text())
    shown = office.bkpc("preflight", "plan.json", expect=0).text
    assert "when `bkpc agent` streams, and not before" in shown
    (statement,) = [line.strip() for line in shown.splitlines() if "_enabled = 'ON';" in line]
    server.run(statement)


def the_servers_fall_back_is_an_alarm(office: Office, server: ThrowawayServer) -> None:
    """Somebody switches it off, and on again."""
    enabled = "rpl_semi_sync_source_enabled" if server.flavour == "mysql" else "rpl_semi_sync_master_enabled"
    log = office.folder / "agent.log"
    server.run(f"SET GLOBAL {enabled} = OFF", "INSERT INTO w.t VALUES (-1, 'waits for nobody')")
    wait_until(lambda: "ALARM: COMMITS DO NOT WAIT FOR STORES" in log.read_text())
    shown = office.bkpc("status", "plan.json", expect=1)
    assert "switched off" in shown.text
    server.run(f"SET GLOBAL {enabled} = ON")
    wait_until(lambda: "commits wait for stores again" in log.read_text())
    server.run("INSERT INTO w.t VALUES (-2, 'waits')")


def test_what_has_returned_can_be_restored_from_either_store(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    server = fresh_server
    server.run("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY, body TEXT)")
    office = opened(tmp_path / "office", server, "on outage hold")
    before = office.bkpc("status", "plan.json", expect=1)
    assert "commits do not wait for 2 of far, near" in before.text
    said = mended(office, server)
    least_privileges(office, server)
    assert any("_timeout = 4294967295" in one for one in said)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    agent = office.start("agent", "plan.json")
    try:
        switched_on_when_the_agent_streams(office, server)
        for _ in range(300):
            shown = office.bkpc("status", "plan.json")
            if shown.code == 0 and "agent: lag" in shown.text:
                break
            time.sleep(0.2)
        assert "commits wait for 2 of far, near" in shown.text, shown.text + (office.folder / "agent.log").read_text()
        the_servers_fall_back_is_an_alarm(office, server)
        with Clerk(server) as clerk:
            time.sleep(2)
            server.kill()
            agent.kill()
            agent.wait()
            returned = set(clerk.acknowledged)
            clerk.give_up()
    finally:
        agent.kill()
        agent.wait()
    assert len(returned) > 20
    assert "agent: NOT RUNNING" in office.bkpc("status", "plan.json").text
    # As if `near` had been away at the end: its image is the newest, and what its log lacks comes from the other.
    for last in sorted((office.folder / "near").glob("shop/*/logs/*/*/*.zst.age"))[-3:]:
        last.unlink()
    with start_server(server.flavour, tmp_path / "rescue") as rescue:
        done = office.bkpc("restore", "plan.json", "shop", "--into", rescue.url, expect=0)
        assert returned <= {row[0] for row in rescue.run("SELECT id FROM w.t")}, done.text
    assert "log is read from store `far`" in done.text
    shutil.rmtree(office.folder / "near")
    (office.folder / "near").write_text("lost")
    dark = office.bkpc("status", "plan.json", expect=1).text
    assert dark.count("agent: NOT RUNNING") == 2, "what the agent last said is told, whatever stores answer"
    assert "problem: near does not answer: " in dark
    assert "1 image, " in dark, "far still answers"
    again = ("restore", "plan.json", "shop", "--into", "mysql://nobody@127.0.0.1:1/", "--dry-run")
    assert "--without-store near goes on without what only that store has" in office.bkpc(*again, expect=4).text
    assert "it may have what no other store has" not in office.bkpc(*again, "--without-store", "near").text
