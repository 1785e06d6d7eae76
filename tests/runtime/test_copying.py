"""Copies out of a class that must thaw: asked for in time, moved when they may be, asked for again after a lapse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from bkpc_compiler.backends.iam.roles import policies_of
from bkpc_grammar import plan as contract
from bkpc_runtime.commands.cold_records import mend_cold_records
from bkpc_runtime.errors import ObjectFrozen
from bkpc_runtime.executor import due_jobs, run_job
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps import thaw
from bkpc_runtime.steps.expire import Source, expire
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.world import World
from tests.compiler.one_file import planned
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.runtime.retention import made

POLICY = """\
edition 1
import "std/oss"
site here { region "cn-hangzhou" }
site there { region "cn-hangzhou" }
link here -- there { bandwidth 1Gbit/s }
store tape at here {
  oss "tape/acme"  endpoint "https://oss-cn-hangzhou.aliyuncs.com"  class cold_archive
  credentials env OSS_ID, OSS_SECRET
}
store back at there { directory "back" }
database shop at here {
  mysql "127.0.0.1:3306"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h
}
policy basic {
  promise against corruption { rpo 2d  rto 2d }
  full daily at 01:00 within 1h to tape
  cold daily at 04:00 within 12h from tape to back
  keep 190d
}
protect shop with basic
"""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MORNING = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)


class Estate:
    """A tape and a folder, and one clock for both the plan and the bucket."""

    def __init__(self, folder: Path, server: OssServer) -> None:
        self.server, self.now = server, MORNING
        server.bucket("tape")
        server.buckets["tape"].settings.storage_class = "ColdArchive"
        plan = planned(POLICY)
        stores = tuple(
            replace(one, endpoint=server.endpoint) if one.kind == "oss" else replace(one, location=f"{folder}/back")
            for one in plan.estate.stores
        )
        plan = replace(plan, estate=replace(plan.estate, stores=stores))
        environ = {"OSS_ID": KEY_ID, "OSS_SECRET": KEY_SECRET}
        self.world = World(plan, folder, environ, lambda: self.now)
        self.world.store("back").put(f"{layout.PLANS}any.json", b"{}")  # as `apply` begins it
        (self.job,) = (one for one in plan.jobs if one.kind == "copy")
        self.asks = MORNING.replace(hour=4, minute=0) + timedelta(milliseconds=self.job.schedule.offset_ms)
        self.asks -= timedelta(milliseconds=self.job.thaw_ms)

    def image(self, at: datetime) -> str:
        return made.put_image(self.world.store("tape"), made.manifest(at, Position("", 0), took=HOUR / 2)).id

    def pass_until(self, at: datetime) -> None:
        self.server.advance(at - self.now)
        self.now = at

    @property
    def due(self) -> bool:
        return self.job in due_jobs(self.world, [self.job], self.now)

    def run(self) -> str:
        return run_job(self.world, self.job)

    @property
    def copied(self) -> list[str]:
        return [one.manifest.id for one in catalogue.all_images(self.world.store("back"), "shop")]

    @property
    def requests(self) -> int:
        return sum("?restore" in line for line in self.server.requests)


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with OssServer(tmp_path / "oss") as server:
        yield Estate(tmp_path, server)
        assert server.problems == []


def test_the_plan_asks_as_long_before_as_the_class_takes(estate: Estate) -> None:
    """And 2010 objects, a hundred a second, and a second besides."""
    assert estate.job.thaw_ms == 5 * 3_600_000 + 21_100
    assert estate.job.schedule.offset_ms >= estate.job.thaw_ms


def test_asked_for_in_time_and_moved_in_its_slot(estate: Estate) -> None:
    yesterday = estate.image(MORNING - DAY)
    estate.pass_until(estate.asks - timedelta(minutes=1))
    first = estate.image(MORNING - 2 * HOUR)
    # Nothing was copied ever: what was whole at yesterday's turn is asked for at once.
    assert estate.due
    assert yesterday in estate.run()
    assert estate.requests == 2
    assert not estate.due
    estate.pass_until(estate.asks + timedelta(seconds=1))
    assert estate.due
    assert f"image {first} of `shop` thaws in store `tape`: 2 objects, 8 bytes, 2 asked for now" in estate.run()
    assert not estate.due
    estate.image(estate.now)  # comes too late for this turn
    estate.pass_until(estate.asks + 5 * HOUR - timedelta(minutes=1))
    assert not estate.due
    assert "0 asked for now" in estate.run()
    estate.pass_until(estate.asks + 5 * HOUR + timedelta(minutes=1))
    assert estate.due
    assert f"image {first} of `shop` copied to back: 8 bytes" in estate.run()
    assert estate.copied == [first]
    assert not estate.due
    assert estate.requests == 4
    estate.pass_until(estate.asks + DAY)
    assert estate.due


def test_a_thaw_that_ended_before_the_copy_was_made_is_asked_for_again(estate: Estate) -> None:
    first = estate.image(MORNING - 2 * HOUR)
    estate.pass_until(estate.asks + timedelta(seconds=1))
    estate.run()
    estate.pass_until(estate.asks + DAY * 6)
    assert estate.due
    assert "2 asked for now" in estate.run()
    estate.pass_until(estate.now + 5 * HOUR + timedelta(minutes=1))
    assert estate.due
    assert first in estate.run()
    assert estate.copied == [first]


def test_by_hand_it_waits_and_takes_what_thaws_already(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    first = estate.image(MORNING - 2 * HOUR)
    estate.pass_until(estate.asks + timedelta(seconds=1))
    estate.run()
    estate.image(estate.now)
    monkeypatch.setattr(thaw, "pause", lambda seconds: estate.pass_until(estate.now + timedelta(seconds=seconds)))
    assert f"image {first} of `shop` copied" in run_job(estate.world, estate.job, waits=True)
    assert estate.requests == 2
    assert estate.now - estate.asks < 5 * HOUR + timedelta(minutes=10)


def test_expiry_judges_and_deletes_what_is_frozen_without_reading_it(estate: Estate) -> None:
    tape = estate.world.store("tape")
    old = [estate.image(MORNING - number * DAY) for number in range(9, 1, -1)]
    estate.image(MORNING - DAY)
    estate.server.requests.clear()
    kept = {"tape": made.rules(3 * DAY)}
    (first,) = expire([tape], "shop", kept, Source(made.SERVER, estate.now), estate.now)
    assert first.condemned >= 5
    later = estate.now + 3 * DAY + HOUR
    estate.image(later - HOUR)
    (second,) = expire([tape], "shop", kept, Source(made.SERVER, later), later)
    assert second.images >= 5
    assert old[0] not in {one.manifest.id for one in catalogue.all_images(tape, "shop")}
    read = [line for line in estate.server.requests if line.startswith("GET") and ".zst" in line]
    assert read == []
    assert estate.requests == 0


def test_apply_thaws_manifests_that_froze_and_keeps_them_readable(
    estate: Estate, capfd: pytest.CaptureFixture[str]
) -> None:
    """A rule of the bucket, or an earlier version, let them freeze with the rest."""
    key = AccessKey(KEY_ID, Secret(KEY_SECRET))
    earlier = OssStore("tape", "tape", estate.server.endpoint, REGION, "acme", lambda: key)
    image = made.put_image(earlier, made.manifest(MORNING - DAY, Position("", 0)))
    tape = estate.world.store("tape")
    with pytest.raises(ObjectFrozen, match="must thaw"):
        catalogue.all_images(tape, "shop")
    assert mend_cold_records(estate.world, None) == 1
    assert "1 manifests, marks and plans are frozen" in capfd.readouterr().err
    assert mend_cold_records(estate.world, None) == 1
    estate.pass_until(estate.now + 6 * HOUR)
    assert mend_cold_records(estate.world, None) == 0
    estate.pass_until(estate.now + 30 * DAY)
    assert [one.manifest.id for one in catalogue.all_images(tape, "shop")] == [image.id]
    assert mend_cold_records(estate.world, None) == 0
    assert {one.cold for one in tape.list("") if ".zst" in one.key} == {"frozen"}


def test_a_plan_of_such_copies_lets_the_writer_ask() -> None:
    plan: contract.Plan = planned(POLICY)
    asking = {(one.role, one.store) for one in policies_of(plan) if "RestoreObject" in str(one.document)}
    assert asking == {("writer", "tape"), ("restorer", "tape")}
