"""What `bkpc plan` tells of expiry, against the plan in force; the database is away throughout."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bkpc_grammar.canonical import read_plan
from bkpc_runtime.commands.apply import KeptLess, keep_less
from bkpc_runtime.errors import Refused
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.plans import in_force, put_in_force
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.store import Store
from bkpc_runtime.world import open_world
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
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


FAR = """\
store far at here {{
  oss "backup/shop"
  endpoint "{endpoint}"
  credentials env OSS_KEY_ID, OSS_KEY_SECRET
}}
"""
WIKI = """
database wiki at here {
  mysql "127.0.0.1:1"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 1MiB/h
}
protect wiki with basic
"""


class Keeping:
    def __init__(self, folder: Path, server: OssServer) -> None:
        self.desk = Desk(folder, server)
        self.store: Store = DirectoryStore("disk", folder / "backups")
        self.now = datetime.now(UTC)

    def compile(self, keep: str, more: str = "", far: str = "") -> None:
        """`far`: the endpoint of a bucket that has copies."""
        text = POLICY.format(keep=keep) + more
        if far:
            text = text.replace("database shop", FAR.format(endpoint=far) + "database shop")
            text = text.replace('region "r"', f'region "{REGION}"')
            text = text.replace("  hot to disk", "  full daily at 04:00 within 1h to far\n  hot to disk")
        (self.desk.folder / "shop.bkp").write_text(text)
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
    since, until = (keeping.now - days * DAY - HOUR for days in (14, 7))
    assert "is in force; this one keeps less:" in done.stdout
    assert re.search(r"  ! \d images that it keeps go\n  ! 7 binlogs that it keeps go\n", done.stdout)
    assert "history of shop\n  by the plan in force: any point from " in done.stdout
    told = re.search(
        r"  ! can't be restored any more: any point from (.+) UTC to (.+) UTC, but the moments? of ([12]) images?\n",
        done.stdout,
    )
    assert told
    assert told.groups()[:2] == (f"{since:%Y-%m-%d %H:%M}", f"{until:%Y-%m-%d %H:%M}")
    document = json.loads(keeping.desk.run("plan", "plan.json", "--format", "json").stdout)
    assert document["exit_code"] == 3
    (history,) = document["history"]
    (lost,) = history["lost"]["points"]
    assert [datetime.fromisoformat(lost[one]) for one in ("from", "until")] == [since, until]
    assert history["in_force"]["points"][0]["from"] == lost["from"]
    assert history["this_plan"]["points"][0]["from"] == lost["until"]
    (row,) = document["expiry"]
    assert (row["binlogs_lost"], row["lock_days"]) == (7, 0)
    assert {one["in_other_stores"] for one in row["lost"]} == {False}
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


def test_history_goes_only_where_somebody_said_so(keeping: Keeping, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever `--only` says: the plan is in force in the store for all that it keeps there."""
    keeping.compile("14d")
    keeping.apply()
    keeping.fill(20)
    keeping.compile("7d", more=WIKI)
    world = open_world(keeping.desk.folder / "plan.json", keeping.desk.environ)
    said = {"only": "wiki", "yes": True, "lose_history": False}
    with pytest.raises(Refused, match="instants of `shop` can't be restored any more") as refused:
        keep_less(world, argparse.Namespace(**said), {"disk"})
    assert "--lose-history" in refused.value.help
    assert "can't be restored any more: any point from" in capsys.readouterr().err
    meant = argparse.Namespace(**said | {"lose_history": True, "yes": False})
    assert keep_less(world, meant, {"disk"}) == KeptLess(0, frozenset(), frozenset())
    keeping.compile("30d", more=WIKI)
    world = open_world(keeping.desk.folder / "plan.json", keeping.desk.environ)
    assert keep_less(world, argparse.Namespace(**said), {"disk"}) == KeptLess(0, frozenset(), frozenset())
    assert capsys.readouterr().err.count("keeps less") == 1


def test_a_lock_keeps_what_goes_for_longer_and_a_store_that_refuses_is_not_guessed(keeping: Keeping) -> None:
    desk = keeping.desk
    desk.environ |= {"OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
    bucket = desk.server.bucket()
    desk.bucket.complete_bucket_worm(desk.bucket.init_bucket_worm(12).worm_id)
    keeping.store = OssStore(
        "far", bucket, desk.server.endpoint, REGION, "shop/", lambda: AccessKey(KEY_ID, Secret(KEY_SECRET))
    )
    ids = keeping.fill(20)
    keeping.compile("7d", far=desk.server.endpoint)
    told = desk.run("plan", "plan.json")
    document = json.loads(desk.run("plan", "plan.json", "--format", "json").stdout)
    far = next(one for one in document["expiry"] if one["store"] == "far")
    locked = {one["image"]: one["locked_until"] for one in far["lost"] if one["locked_until"]}
    assert set(ids[8:12]) <= set(locked)
    until = keeping.now - 8 * DAY - HOUR + 12 * DAY
    assert datetime.fromisoformat(locked[ids[11]]) == until
    assert f"  ! the bucket is locked for 12 days: {len(locked)} of them can't go before, " in told.stdout
    assert f"the last at {until:%Y-%m-%d %H:%M} UTC" in told.stdout

    (desk.folder / "backups").mkdir()
    desk.environ["OSS_KEY_SECRET"] = "another"  # which is told at once; a store that does not answer is waited for
    away = desk.run("plan", "plan.json")
    assert "not known of far" in away.stdout
    assert json.loads(desk.run("plan", "plan.json", "--format", "json").stdout)["history"][0]["not_looked_at"] == [
        "far"
    ]


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
