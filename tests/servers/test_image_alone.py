"""Where the plan brings back an image without its log, that is what is restored: the promised time counts no log."""

from __future__ import annotations

from pathlib import Path

from tests.database_server import ThrowawayServer, start_server
from tests.servers.command_line import Office

POLICY = """\
edition 1
site here {{ region "local" }}
site there {{ region "far" }}
link here -- there {{ bandwidth 1Gbit/s  latency 1ms }}
store disk at there {{ directory "backups" }}
database shop at here {{
  mysql "127.0.0.1:{shop}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 1GiB/h  burst 1MiB  replays 1MiB/s
  standby there {{ provision 1min }}
}}
policy basic {{
  promise against site {{ rpo 26h  rto 30min }}
  full daily at 02:00 within 1h to disk
  hot  to disk every 2s
  keep 14d
  encrypt rest to "{recipient}"
}}
protect shop with basic
"""
TABLE = "CREATE TABLE w.t (n INT)"


def test_the_image_alone_comes_back_unless_the_log_is_asked_for(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    shop = fresh_server
    office = Office.opened(tmp_path / "office", shop)
    office.write(POLICY.format(shop=shop.port, recipient=office.recipient))
    assert "from the image alone; with the log ≤ 7h" in office.bkpc("check", "shop.bkp", expect=0).text
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    shop.run("CREATE DATABASE w", TABLE, "INSERT INTO w.t VALUES (0)")
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    agent = office.start("agent", "plan.json")
    try:
        shop.run("INSERT INTO w.t VALUES (1)")
        end = office.archived()
    finally:
        agent.terminate()
        assert agent.wait(60) == 0
    scope = ["restore", "plan.json", "--scope", "site:here", "--work", str(tmp_path)]
    with start_server(shop.flavour, tmp_path / "new") as new:
        into = f"shop={new.url}"
        shown = office.bkpc(*scope, "--into", into, "--dry-run", expect=0).text
        assert "the plan brings back its image without the log, at most 24h" in shown
        assert "--to latest goes on with the log" in shown
        assert "log from" not in shown
        one = ["restore", "plan.json", "shop", "--store", "disk", "--to", "image", "--into", new.url]
        assert end not in office.bkpc(*one, "--dry-run", expect=0).text
        for command, rows in (
            ([*scope, "--into", into], 1),
            ([*scope, "--into", into, "--to", "latest"], 2),
        ):
            office.bkpc(*command, expect=0)
            assert new.run("SELECT COUNT(*) FROM w.t") == [(rows,)], command
            new.run("DROP DATABASE w")
