"""Which jobs are due, from what lies in the stores."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from bkpc_runtime.executor import due_jobs
from bkpc_runtime.repository import layout, plans
from bkpc_runtime.repository.manifest import Manifest, encode_manifest
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
