"""Incremental images run day by day, as the runtime takes them, against what is proved of their age and bytes."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from bkpc_compiler.feasibility.images import ImageCopy, image_copies
from bkpc_compiler.feasibility.increments import increments_in
from bkpc_compiler.feasibility.verdict import analyse
from bkpc_compiler.program.model import Program
from tests.compiler.one_file import check

DAYS = 4
MINUTE = 60_000
HOUR = 60 * MINUTE

TEXT = """\
edition 1

site here {{ region "r1" }}
store near at here {{ directory "/near"  reads 1GB/s  writes {writes}MB/s }}
database shop at here {{
  mysql "shop.example"  credentials env U, P
  size {size}GB  starts 0s  table 0s  writes 0B/s  burst 0B
  dumps 10GB/s  restores 10GB/s  replays 1GB/s {changes}
}}
policy tier {{
  promise against corruption {{ rpo 30d  rto 30d }}
  full {full} within {window} to near
  incremental every {every}min to near
}}
protect shop with tier
"""


def drawn(random: Random) -> Program | None:
    """One whose jobs all fit into their windows, and whose full images leave room for incremental ones."""
    every = random.choice((10, 15, 30, 60, 120, 240))
    text = TEXT.format(
        writes=random.randint(20, 400), size=random.randint(1, 400), every=every,
        changes=random.choice(("", f"changes {random.randint(1, 2000)}MB/h")),
        full=random.choice(("daily at 03:20", "every 6h", "every 12h", "daily at 00:00")),
        window=random.choice(("30min", "1h", "4h", "6h")),
    )  # fmt: skip
    checked = check(text)
    assert checked.analysis is not None
    unbounded = any(job.late or job.left_out is None for job in checked.analysis.demand.jobs)
    return None if unbounded else checked.analysis.program


def newest(program: Program) -> ImageCopy:
    analysis = analyse(program)
    (found,) = image_copies(analysis.setting.stores, program.databases[0], analysis.demand)
    return found


class Run:
    """Jobs of one database one after the other, as an agent does them; each takes as long as it likes in its slot."""

    def __init__(self, program: Program, random: Random) -> None:
        self.program, self.random = program, random
        self.jobs = {one.incremental: one for one in analyse(program).demand.jobs}
        self.images: list[tuple[int, int, int, int]] = []  # whole, snapshot, how many and bytes behind the full one
        self.taken: list[tuple[int, int]] = []  # begun and whole, of the chain that is continued

    def go(self) -> None:
        due = sorted(
            (at + job.rhythm.phase + job.slot.offset, incremental)
            for incremental, job in self.jobs.items() if job.slot
            for at in range(0, DAYS * 24 * HOUR, job.rhythm.period)
        )  # fmt: skip
        free = last = 0
        for at, incremental in due:
            begun = max(at, free)
            if incremental and (not self.images or self._full_is_due(begun) or last > at):
                continue
            free = begun + self._lasts(incremental)
            last = begun
            self._whole(begun, free, incremental)

    def _full_is_due(self, at: int) -> bool:
        job = self.jobs[False]
        assert job.slot is not None
        since = (at - job.rhythm.phase - job.slot.offset) % job.rhythm.period
        return since == 0

    def _lasts(self, incremental: bool) -> int:
        slot = self.jobs[incremental].slot
        assert slot is not None
        return self.random.choice((slot.length, slot.length, slot.length // 2, 0))

    def _whole(self, begun: int, whole: int, incremental: bool) -> None:
        self.taken = [*self.taken, (begun, whole)] if incremental else [(begun, whole)]
        self.images.append((whole, begun, len(self.taken) - 1, self._bytes()))

    def _bytes(self) -> int:
        """What the chain holds at worst: of each what changed since the one before began."""
        database = self.program.databases[0]
        size, changes = database.size.value.amount, database.changes
        total = Fraction(0)
        for (before, _), (_, whole) in zip(self.taken, self.taken[1:], strict=False):
            total += min(size, changes.value.amount * (whole - before) / 1000) if changes else size
        return int(total)


@pytest.mark.parametrize("seed", range(40))
def test_nothing_that_runs_is_worse_than_what_is_proved(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - to draw cases
    program = next(one for one in iter(lambda: drawn(random), 0) if one is not None)
    image = newest(program)
    assert image.incremental
    assert image.staleness is not None
    assert image.behind is not None
    run = Run(program, random)
    run.go()
    for (whole, snapshot, count, bytes_), (following, *_) in zip(run.images, run.images[1:], strict=False):
        assert whole >= snapshot
        assert following - snapshot <= image.staleness.worst
        assert count <= image.behind.count
        assert bytes_ <= image.behind.bytes


@pytest.mark.parametrize("window", ["1h", "2h", "5h", "12h", "22h"])
@pytest.mark.parametrize("at", ["00:30", "02:30", "03:00", "12:00", "23:45"])
def test_by_the_same_clocks_no_more_are_behind_a_full_one_than_are_released(at: str, window: str) -> None:
    """Over all weeks of a year by the calendar; the change of clocks is counted once."""
    text = TEXT.format(writes=400, size=1, every=60, changes="", full="weekly on sunday at 02:30", window=window)
    text = text.replace("edition 1\n", 'edition 1\ntimezone "Europe/Berlin"\n').replace(
        "every 60min", f"daily at {at} within 1h"
    )
    checked = check(text)
    assert checked.analysis is not None
    jobs = checked.analysis.demand.jobs
    (behind,) = increments_in(jobs).values()
    zone, hours = ZoneInfo("Europe/Berlin"), int(window.removesuffix("h"))
    days = [datetime(2026, 1, 4) + timedelta(days=one) for one in range(370)]  # noqa: DTZ001 - local times

    def released(day: datetime, clock: str) -> float:
        hour, minute = clock.split(":")
        return day.replace(hour=int(hour), minute=int(minute), tzinfo=zone).timestamp()

    fulls = [released(day, "02:30") for day in days if day.weekday() == 6]
    adding = [released(day, at) for day in days]
    most = max(sum(first - 3600 < one <= then + hours * 3600 for one in adding) for first, then in pairwise(fulls))
    assert most <= behind.count
    assert behind.count <= most + 1
