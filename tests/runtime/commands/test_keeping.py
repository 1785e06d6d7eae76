"""What `bkpc plan` tells of expiry, against the plan in force; the database is away throughout."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bkpc_grammar.canonical import read_plan
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.plans import in_force, put_in_force
from bkpc_runtime.stores.directory import DirectoryStore
from tests.oss_server import OssServer
from tests.runtime.commands.test_plan_and_apply import Desk
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY, HOUR

POLICY = """\
edition 1
site here {{ region "r" }}
store disk at here {{ directory "backups" }}
database shop at here {{
  mysql "127.0.0.1:1"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 1MiB/h
}}
policy basic {{
  promise against corruption {{ rpo 2d }}
  full daily at 02:00 within 1h to disk
  hot to disk every 5s
  keep {keep}
}}
protect shop with basic
"""


class Keeping:
    def __init__(self, folder: Path, server: OssServer) -> None:
        self.desk = Desk(folder, server)
        self.store = DirectoryStore("disk", folder / "backups")
        self.now = datetime.now(UTC)

    def compile(self, keep: str) -> None:
        (self.desk.folder / "shop.bkp").write_text(POLICY.format(keep=keep))
        assert self.desk.run("compile", "shop.bkp", "-o", "plan.json").returncode == 0

    def apply(self) -> None:
        """What `apply` leaves in the store."""
        plan = read_plan((self.desk.folder / "plan.json").read_bytes(), "plan.json")
        put_in_force(self.store, plan, self.now - DAY)

    def fill(self, days: int) -> list[str]:
        """An image and a binlog a day; the ids, oldest first."""
        found = []
        for day in range(1, days + 1):
            at = self.now - (days - day) * DAY - 2 * HOUR
            position = Position(made.binlog(day), 4)
            image = made.manifest(at, position, origin=made.origin_of(1, day))
            made.put_image(self.store, image)
            made.put_log(self.store, 1, day, 0, 1000)
            if day < days:
                made.put_end(self.store, 1, day, 1000)
            found.append(image.id)
        return found


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    with OssServer(tmp_path / "oss") as server:
        (tmp_path / "desk").mkdir()
        yield Keeping(tmp_path / "desk", server)


def test_under_the_plan_in_force_what_goes_is_told_and_is_no_drift(keeping: Keeping) -> None:
    keeping.compile("14d")
    keeping.apply()
    ids = keeping.fill(20)
    done = keeping.desk.run("plan", "plan.json")
    assert done.returncode == 0, done
    assert f"  - image {ids[0]}, 8 bytes\n" in done.stdout
    assert "expiry: 5 images (40 bytes) and 5 binlogs are to go, after the grace" in done.stdout
    assert "!" not in done.stdout
    assert not list(keeping.store.list("shop/mariadb-1-0/marks/"))


def test_a_plan_that_keeps_less_is_weaker_and_says_by_what(keeping: Keeping) -> None:
    keeping.compile("14d")
    keeping.apply()
    keeping.fill(20)
    keeping.compile("7d, 3 weekly")
    done = keeping.desk.run("plan", "plan.json")
    assert done.returncode == 3, done
    since, until = keeping.now - 14 * DAY, keeping.now - 7 * DAY
    assert "is in force; this one keeps less:" in done.stdout
    assert f"  ! not every point from {since:%Y-%m-%d} " in done.stdout
    assert f" to {until:%Y-%m-%d} " in done.stdout
    assert "images that it keeps go" in done.stdout
    keeping.compile("30d")
    longer = keeping.desk.run("plan", "plan.json")
    assert longer.returncode == 0, longer
    assert "expiry: nothing is to go" in longer.stdout


def test_where_no_plan_is_in_force_all_was_kept_so_far(keeping: Keeping) -> None:
    keeping.compile("7d")
    keeping.fill(20)
    done = keeping.desk.run("plan", "plan.json")
    assert done.returncode == 3, done
    assert "  ! no plan is in force here, so far everything is kept; this one keeps less:" in done.stdout
    assert "  ! 12 images that it keeps go" in done.stdout


def test_a_database_that_left_the_plan_is_told_and_stays(keeping: Keeping) -> None:
    keeping.compile("7d")
    keeping.store.put("wiki/mariadb-7-0/images/x", b"")
    done = keeping.desk.run("plan", "plan.json")
    assert "note: store `disk` holds `wiki`, which is in no protect of this plan: all of it stays" in done.stdout


def test_the_plan_in_force_is_the_newest_that_names_the_database(keeping: Keeping) -> None:
    keeping.compile("14d")
    keeping.apply()
    first = in_force(keeping.store, "shop")
    keeping.compile("7d")
    keeping.now += HOUR
    keeping.apply()
    second = in_force(keeping.store, "shop")
    assert first
    assert second
    assert first.digest != second.digest
    keeping.now += HOUR
    keeping.apply()
    assert len(list(keeping.store.list("plans/current/"))) == 2  # the same plan again is nothing new
    assert in_force(keeping.store, "wiki") is None
    keeping.store.delete(f"plans/{second.digest}.json")
    broken = in_force(keeping.store, "shop")
    assert broken
    assert broken.plan is None
    assert broken.unreadable
