"""Which jobs are due, from what lies in the stores."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from bkpc_runtime import executor
from bkpc_runtime.commands.status import _fine, _print, status_of
from bkpc_runtime.commands.status_metrics import metrics
from bkpc_runtime.executor import due_jobs, run_job
from bkpc_runtime.repository import layout, plans
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Manifest, encode_manifest
from bkpc_runtime.repository.segments import Segment
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import StoredObject
from bkpc_runtime.world import World
from tests.compiler.one_file import changed, planned
from tests.compiler.planning.test_incremental import TEXT as INCREMENTAL
from tests.runtime.repository.test_chains import PREFIX, image

COLD = ("  hot ", "  cold daily at 05:00 within 8h from disk to far\n  hot ")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def taken(day: int) -> Manifest:
    at = f"2026-11-{day:02d}T02:10:00+00:00"
    return replace(image(1), id=f"202611{day:02d}T021000Z-00000000", engine="logical", began=at, finished=at, to_lsn=0)


def keep(world: World, store: str, manifest: Manifest) -> None:
    world.store(store).put(layout.manifest_key(PREFIX, manifest.id), encode_manifest(manifest))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """No server answers: what is due is decided by the stores alone, which `apply` has set up."""
    plan = planned(changed(COLD))
    stores = [
        replace(one, kind="directory", location=f"{tmp_path}/{one.name}", endpoint=None, credentials=None)
        for one in plan.estate.stores
    ]
    found = World(replace(plan, estate=replace(plan.estate, stores=tuple(stores))), tmp_path, {})
    for one in stores:
        plans.put_in_force(found.store(one.name), found.plan, NOON)
    return found


def due(world: World) -> list[str]:
    return [job.id for job in due_jobs(world, world.plan.jobs, NOON)]


def test_a_copy_that_brought_all_there_is_is_not_due_again(world: World) -> None:
    """What it copied began before it did, and so before its release."""
    keep(world, "disk", taken(23))
    assert due(world) == ["shop/cold/far"]
    keep(world, "far", taken(23))
    assert due(world) == []


def test_an_image_of_the_future_is_none_of_todays(world: World) -> None:
    """A clock was wrong for a moment: until that day comes, images are taken and copied as if it were not there."""
    wrong = replace(taken(23), id="20270923T021000Z-00000000", began="2027-09-23T02:10:00+00:00")
    keep(world, "disk", wrong)
    assert due(world) == ["shop/full/disk", "shop/cold/far"]
    keep(world, "far", wrong)
    assert due(world) == ["shop/full/disk"]  # there is nothing else to copy
    keep(world, "disk", taken(23))
    assert due(world) == ["shop/cold/far"]
    (cold,) = (one for one in world.plan.jobs if one.kind == "copy")
    assert taken(23).id in run_job(dataclasses.replace(world, clock=lambda: NOON), cold)
    assert due(world) == []
    soon = NOON.replace(minute=4)
    keep(world, "disk", replace(taken(23), id="20261123T120400Z-00000000", began=soon.isoformat()))
    assert due(world) == ["shop/cold/far"]  # clocks differ


def test_status_names_an_image_of_the_future(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    today = replace(taken(23), id=f"{now:%Y%m%dT%H%M%SZ}-00000000", began=now.isoformat(), finished=now.isoformat())
    keep(world, "disk", today)
    (right, *_), _ = status_of(world, None)
    keep(world, "disk", replace(today, id="99980923T021000Z-00000000", began="9998-09-23T02:10:00+00:00"))
    (row, *_), fine = status_of(world, None)
    assert (row["image"], row["ahead"], right["ahead"]) == (today.id, "99980923T021000Z-00000000", "")
    assert row["image_age_seconds"] < 3600
    assert not _fine({**row, "severed": ""})
    assert _fine({**row, "severed": "", "ahead": ""})
    assert not fine
    _print(row)
    assert "problem: image 99980923T021000Z-00000000 is of the future: a clock was wrong" in capsys.readouterr().out
    assert any(line.startswith("bkpc_image_of_the_future{") and line.endswith(" 1") for line in metrics([row], fine))


def test_an_incremental_image_left_out_for_a_full_one_is_not_due(tmp_path: Path) -> None:
    """Of another server's full one nothing is left out."""
    plan = planned(INCREMENTAL)
    full = next(one for one in plan.jobs if one.kind == "backup.full")
    nightly = replace(full.schedule, at_minute=11 * 60 + 50, offset_ms=0, slot_ms=20 * 60_000, timezone="UTC")
    adding = next(one for one in plan.jobs if one.kind == "backup.incremental")
    hourly = replace(adding.schedule, offset_ms=5 * 60_000, slot_ms=60_000)  # 12:05, until 12:10 a full one is taken
    jobs = (replace(full, schedule=nightly), replace(adding, schedule=hourly))
    stores = [replace(one, kind="directory", location=one.name, endpoint=None) for one in plan.estate.stores]
    made = replace(plan, jobs=jobs, estate=replace(plan.estate, stores=tuple(stores)))
    found = World(made, tmp_path, {})
    for name in ("disk", "far"):
        plans.put_in_force(found.store(name), made, NOON)
    began = "2026-11-23T11:06:00+00:00"
    keep(found, "disk", replace(image(1), id="20261123T110600Z-00000000", began=began, finished=began))
    late = NOON.replace(minute=30)
    assert due_jobs(found, jobs[1:], late) == []
    assert due_jobs(found, jobs[1:], NOON.replace(hour=13, minute=5)) == [jobs[1]]
    away = replace(made.estate.databases[0], name="other", address="elsewhere:3306")
    apart = replace(made, estate=replace(made.estate, databases=(*made.estate.databases, away)))
    elsewhere = replace(jobs[0], database="other")
    assert due_jobs(World(replace(apart, jobs=(elsewhere, jobs[1])), tmp_path, {}), jobs[1:], late) == [jobs[1]]


def test_a_copy_is_due_where_the_source_has_more(world: World) -> None:
    keep(world, "disk", taken(22))
    keep(world, "far", taken(22))
    assert due(world) == ["shop/full/disk", "shop/cold/far"]  # in one go: the copy finds the new image
    keep(world, "disk", taken(23))
    assert due(world) == ["shop/cold/far"]


def test_the_names_of_a_log_are_asked_for_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """To see how far it goes on, where it ends, and what is behind that."""
    store, one = world.store("disk"), taken(23)
    for start in range(0, 400, 100):
        store.put(Segment(1, one.binlog_file, start, start + 100, "0" * 64, encrypted=False).key(PREFIX), b"")
    listed: list[str] = []
    lists = DirectoryStore.list

    def listing(self: DirectoryStore, prefix: str, after: str = "") -> Iterator[StoredObject]:
        listed.append(prefix)
        return lists(self, prefix, after)

    monkeypatch.setattr(DirectoryStore, "list", listing)
    where = replace(one, binlog_offset=100)
    assert executor._severed(world, "shop", "disk", Image(PREFIX, where)) == ""
    assert [name for name in listed if "/logs/" in name] == [f"{PREFIX}/logs/000001/{one.binlog_file}/"]
