"""A group goes back to one point that all have."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from bkpc_runtime.mysql.connection import query
from tests.database_server import ThrowawayServer, start_server
from tests.servers.command_line import PASSWORD, Office

ESTATE = """\
edition 1

site here {{ region "local" }}
store disk at here {{ directory "backups" }}

database shop at here {{
  mysql "127.0.0.1:{shop}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 10MiB/h  burst 1MiB
}}
database stock at here {{
  mysql "127.0.0.1:{stock}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 10MiB/h  burst 1MiB
}}
group sales {{ shop, stock }}

policy basic {{
  promise against corruption {{ rpo 10s  rto 4h }}
  full daily at 02:00 within 2h to disk
  hot  to disk every 2s
  keep 14d
  encrypt rest to "{recipient}"
}}

protect shop, stock with basic
"""

IMAGES_ONLY = (
    ESTATE.replace("rpo 10s", "rpo 26h")
    .replace("protect shop, stock with basic", "protect shop with basic\nprotect stock with plain")
    .replace(
        "policy basic {{",
        """policy plain {{
  promise against corruption {{ rpo 26h  rto 4h }}
  full daily at 02:00 within 2h to disk
  keep 14d
  encrypt rest to "{recipient}"
}}

policy basic {{""",
    )
)
"""`stock` has no log."""


def counted(server: ThrowawayServer) -> int:
    return int(server.run("SELECT MAX(n) FROM w.t")[0][0])


def proved_seconds(office: Office) -> float:
    """What the plan says that a corruption costs at most."""
    plan = json.loads((office.folder / "plan.json").read_text())
    return max(int(one["rpo_proved_ms"]) for one in plan["objectives"]) / 1000


def committing(server: ThrowawayServer, first: int, seconds: float) -> dict[int, float]:
    """Commits `first` and so on for a while; when each had returned."""
    found: dict[int, float] = {}
    until = time.time() + seconds
    with server.connect() as connection:
        while time.time() < until:
            query(connection, f"INSERT INTO w.t VALUES ({first + len(found)})")
            found[first + len(found)] = time.time()
            time.sleep(0.1)
    return found


def test_one_point_for_all(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    shop = fresh_server
    with start_server(shop.flavour, tmp_path / "stock") as stock:
        office = Office.opened(tmp_path / "office", shop)
        stock.run(f"CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}'", "GRANT ALL ON *.* TO 'backup'@'%'")
        office.write(ESTATE.format(shop=shop.port, stock=stock.port, recipient=office.recipient))
        for one in (shop, stock):
            one.run("CREATE DATABASE w", "CREATE TABLE w.t (n INT PRIMARY KEY)", "INSERT INTO w.t VALUES (0)")
        assert "warning" not in office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0).text
        office.bkpc("apply", "plan.json", "--yes", expect=0)
        agent = office.start("agent", "plan.json")
        try:
            for number in (1, 2, 3):
                # MariaDB's log tells whole seconds.
                time.sleep(2.1)
                for one in (shop, stock):
                    one.run(f"INSERT INTO w.t VALUES ({number})")
                    time.sleep(0.05)
                if number == 1:
                    time.sleep(1.1)
                    middle = datetime.now(UTC).isoformat()
            # `shop` alone goes on, for longer than may be lost. A log does not tell that nothing was committed.
            commits = committing(shop, 4, proved_seconds(office) + 4)
        finally:
            agent.kill()
            died = time.time()
            agent.wait()
        with (
            start_server(shop.flavour, tmp_path / "one") as one,
            start_server(shop.flavour, tmp_path / "two") as two,
        ):
            into = ["--into", f"shop={one.url}", "--into", f"stock={two.url}"]
            command = ["restore", "plan.json", "--group", "sales"]
            assert "`stock` has no target" in office.bkpc(*command, *into[:2], expect=2).text
            assert "no group `sale`" in office.bkpc(*command[:-1], "sale", *into, expect=2).text
            late = office.bkpc(*command, *into, "--to", datetime.now(UTC).isoformat(), expect=1).text
            assert re.search("the log of (shop|stock) is known only until", late)
            shown = office.bkpc(*command, *into, "--to", middle, "--dry-run", expect=0).text
            assert f"sales to {middle}" in shown
            assert "the plan expects" in shown
            assert not one.run("SHOW DATABASES LIKE 'w'")
            office.bkpc(*command, *into, "--to", middle, expect=0)
            assert (counted(one), counted(two)) == (1, 1)
            one.run("DROP DATABASE w")
            two.run("DROP DATABASE w")
            # The latest that both have, by what the agent noted of `stock`: what was committed later than that is lost.
            office.bkpc(*command, *into, expect=0)
            last = counted(one)
            lost = [at for number, at in commits.items() if number > last]
            assert died - min(lost, default=died) <= proved_seconds(office)
            assert counted(two) == 3
            one.run("DROP DATABASE w")
            two.run("DROP DATABASE w")
            office.bkpc(*command, *into, "--idle", "stock", expect=0)
            assert counted(one) >= last
            assert counted(two) == 3


def test_a_member_without_a_log_brings_others_to_its_snapshot(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    shop = fresh_server
    with start_server(shop.flavour, tmp_path / "stock") as stock:
        office = Office.opened(tmp_path / "office", shop)
        stock.run(f"CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}'", "GRANT ALL ON *.* TO 'backup'@'%'")
        office.write(IMAGES_ONLY.format(shop=shop.port, stock=stock.port, recipient=office.recipient))
        for one in (shop, stock):
            one.run("CREATE DATABASE w", "CREATE TABLE w.t (n INT PRIMARY KEY)", "INSERT INTO w.t VALUES (0)")
        office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
        office.bkpc("apply", "plan.json", "--yes", expect=0)
        agent = office.start("agent", "plan.json")
        try:
            for number in (1, 2, 3):
                for one in (shop, stock):
                    one.run(f"INSERT INTO w.t VALUES ({number})")
                # MariaDB's log tells whole seconds.
                time.sleep(1.1)
                if number == 2:
                    office.bkpc("run", "plan.json", "stock/full/disk", expect=0)
                    time.sleep(1.1)
            office.archived()
        finally:
            agent.terminate()
            assert agent.wait(60) == 0
        with (
            start_server(shop.flavour, tmp_path / "one") as one,
            start_server(shop.flavour, tmp_path / "two") as two,
        ):
            into = ["--into", f"shop={one.url}", "--into", f"stock={two.url}"]
            shown = office.bkpc("restore", "plan.json", "--group", "sales", *into, "--dry-run", expect=0).text
            assert "stock has no log: that is the snapshot of its image" in shown
            assert "is left out" in shown
            scope = ["--scope", "corruption:shop", "--to", datetime.now(UTC).isoformat(), "--dry-run"]
            shown = office.bkpc("restore", "plan.json", *scope, *into, expect=0).text
            assert "the snapshot of this image, for it has no log" in shown
            office.bkpc("restore", "plan.json", "--group", "sales", *into, expect=0)
            assert (counted(one), counted(two)) == (2, 2)
