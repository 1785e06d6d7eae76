"""How often an agent asks stores that charge for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from bkpc_grammar.plan import CredentialReference
from bkpc_runtime import executor, lanes
from bkpc_runtime.lanes import Lane, Retries
from bkpc_runtime.room import Room
from bkpc_runtime.schedule import first_start
from bkpc_runtime.world import World
from tests.compiler.one_file import changed, planned
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.runtime.test_due import keep, taken

STOP = threading.Event()


class Looking:
    """A lane with one image in a bucket; what time it is, and what it hears of its log."""

    def __init__(self, server: OssServer, folder: Path) -> None:
        self.server, self.now, self.heard = server, datetime(2026, 11, 23, 12, tzinfo=UTC), 1
        plan = planned(changed())
        key = CredentialReference(kind="env", names=("OSS_KEY_ID", "OSS_KEY_SECRET"))
        bucket = server.bucket("backup")
        stores = tuple(
            replace(
                one,
                kind="oss",
                location=f"{bucket}/{one.name}",
                endpoint=server.endpoint,
                region=REGION,
                credentials=key,
            )
            for one in plan.estate.stores
        )
        plan = replace(plan, estate=replace(plan.estate, stores=stores))
        environ = {"OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
        self.world = World(plan, folder, environ, lambda: self.now)
        keep(self.world, "disk", taken(23))
        jobs = [one for one in plan.jobs if one.kind == "backup.full"]
        self.retries = Retries()
        self.lane = Lane(self.world, jobs, Room(jobs, self.world.clock), self.retries, lambda: self.heard)

    def asked(self) -> int:
        """Requests that one look sends."""
        before = len(self.server.requests)
        self.lane.look(STOP)
        return len(self.server.requests) - before


@pytest.fixture
def looking(tmp_path: Path) -> Iterator[Looking]:
    with OssServer(tmp_path / "oss") as server:
        yield Looking(server, tmp_path)


def test_stores_are_asked_when_there_is_news(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    first = looking.asked()
    assert 0 < first < 10
    assert [looking.asked() for _ in range(100)] == [0] * 100  # half an hour
    looking.heard = 2
    assert looking.asked() == first  # the log goes on in another epoch: is a new image due?
    looking.retries.successes += 1
    assert looking.asked() == first  # another job has brought something
    assert looking.asked() == 0
    looking.now += timedelta(days=1)
    assert looking.asked() > 0  # it is released again
    monkeypatch.setattr(lanes, "_NOW_AND_THEN", 0.0)
    looking.now += timedelta(days=1)
    assert [looking.asked() > 0 for _ in range(2)] == [True, True]


def test_one_that_does_not_answer_is_asked_again(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_AGAIN", 0.0)
    looking.server.fail_next(1, 403, "AccessDenied")
    assert looking.asked() > 0
    assert looking.asked() > 0
    assert looking.asked() == 0


def test_it_wakes_at_the_next_start_and_not_at_the_last_one_within_sight(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "run_job", lambda *_: "done")
    (job,) = looking.lane._jobs
    often = replace(job, schedule=replace(job.schedule, cadence="every", period_ms=5000, offset_ms=1000))
    lane = Lane(looking.world, [often], Room([often], looking.world.clock), looking.retries)
    lane.look(STOP)
    assert lane._pause() == 1.0
    looking.now += timedelta(seconds=1, milliseconds=200)
    assert lane._pause() == 0.0  # it has come while something else was done
    lane.look(STOP)
    assert lane._pause() == 4.8


def test_one_that_failed_is_tried_again_when_the_plan_says(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(world: World, job: object) -> str:
        raise RuntimeError("not now")

    monkeypatch.setattr(lanes, "run_job", fails)
    (job,) = looking.lane._jobs
    quick = replace(job, retry=replace(job.retry, pause_ms=3000))
    lane = Lane(looking.world, [quick], Room([quick], looking.world.clock), looking.retries)
    looking.now += timedelta(days=1)
    lane.look(STOP)
    assert 2.0 < lane._pause() <= 3.0


def test_no_log_is_looked_through_just_before_a_start(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a week of objects of a second that are hundreds of answers, for which the job would have to wait."""
    through: list[datetime] = []
    monkeypatch.setattr(executor, "_useless", lambda *_: through.append(looking.now))
    monkeypatch.setattr(lanes, "run_job", lambda *_: "done")
    monkeypatch.setattr(lanes, "_NOW_AND_THEN", 0.0)
    (job,) = looking.lane._jobs
    start = first_start(job.schedule, looking.now, looking.now + timedelta(days=1))
    assert start

    def seen(minutes: float) -> bool:
        looking.now = start + timedelta(minutes=minutes)
        through.clear()
        looking.lane.look(STOP)
        return bool(through)

    assert [seen(minutes) for minutes in (-60, -20, -5, -4, 0, 0.1)] == [True, True, False, False, False, False]
    looking.now = start - timedelta(minutes=3)
    keep(looking.world, "disk", taken(24))
    assert not seen(-3)
    looking.heard = 2
    assert seen(-2)  # it is told that the log broke off
