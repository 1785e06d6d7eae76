"""A day of jobs: releases in their own time zone, slots across midnight, sums that fit."""

from __future__ import annotations

import msgspec
import pytest

from bkpc_compiler.backends.report.day import DAY_MS, busy, loads_of
from bkpc_compiler.backends.report.day_chart import day_chart
from bkpc_grammar.plan import Schedule
from tests.compiler.backends.html_page import read
from tests.compiler.backends.made import DAY, HOUR, MINUTE, made_plan


def schedule(
    cadence: str, *, at: int | None = None, zone: str = "UTC", period: int = DAY, slot: int = HOUR
) -> Schedule:
    return msgspec.convert(
        {
            "cadence": cadence, "period_ms": period, "at_minute": at, "weekday": None, "day": None, "timezone": zone,
            "offset_ms": 30 * MINUTE, "slot_ms": slot, "window_ms": 4 * HOUR,
        },
        Schedule,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (schedule("daily", at=60), [(90, 150)]),
        (schedule("daily", at=60, zone="Asia/Shanghai"), [(17 * 60 + 30, 18 * 60 + 30)]),
        (schedule("daily", at=60, zone="Europe/Berlin"), [(30, 90)]),  # winter: an hour ahead
        (schedule("daily", at=23 * 60), [(23 * 60 + 30, 1440), (0, 30)]),
        (schedule("weekly", at=60), [(90, 150)]),
        (schedule("every", period=12 * HOUR), [(30, 90), (750, 810)]),
        (schedule("every", period=2 * DAY), [(30, 90)]),
        (schedule("every", period=MINUTE, slot=MINUTE // 2), [(0, 1440)]),
        (schedule("daily", at=60, slot=DAY), [(0, 1440)]),
    ],
)
def test_when_a_job_runs(given: Schedule, expected: list[tuple[int, int]]) -> None:
    assert [(begin // MINUTE, end // MINUTE) for begin, end in busy(given)] == expected


def test_hourly_jobs_run_every_hour() -> None:
    assert len(list(busy(schedule("hourly", period=HOUR, slot=5 * MINUTE)))) == 24


def test_stretches_cover_the_day_and_sum_what_is_reserved() -> None:
    for load in loads_of(made_plan()):
        assert [one.begin for one in load.stretches] == [0, *(one.end for one in load.stretches[:-1])]
        assert load.stretches[-1].end == DAY_MS
        assert load.peak <= load.resource.usable
    link = loads_of(made_plan())[0]
    assert (link.title, link.baseline, link.peak) == ("Link hangzhou -- beijing", 20_000_000, 105_000_000)
    assert link.told(link.stretches[0]) == "3 streams"


def test_what_nobody_reserves_is_not_drawn() -> None:
    names = [load.resource.name for load in loads_of(made_plan())]
    assert names[0].startswith("link:")
    assert "store:far:reads" not in names


def test_nothing_is_drawn_above_the_picture() -> None:
    for load in loads_of(made_plan()):
        for one in read(day_chart(load)).all("rect"):
            assert 0 <= float(one.attributes["y"]) <= 110
            assert float(one.attributes["height"]) > 0
