"""Incremental images and the quota of thaws, against figures worked out by hand."""

from __future__ import annotations

from math import inf

import msgspec
import pytest

from bkpc_grammar.plan import Job
from tests.soundness.chains import Agent, Chained, World
from tests.soundness.harness import one_case
from tests.soundness.images import as_expected, staleness
from tests.soundness.plans import DAY, HOUR, job, reserving, schedule
from tests.soundness.releases import Window
from tests.soundness.thawing import Ask, waits

GB = 10**9
MINUTE = 60_000
DAYS = Window(10 * DAY, 12 * DAY, 1.0)


def full(*, every: int = 24, at: int = 0, minutes: int = 60) -> Job:
    """At 1 GB a minute."""
    found = job("d", schedule(every * HOUR, at * MINUTE, minutes * MINUTE), "near", reserve=reserving(line=10**9))
    return msgspec.structs.replace(found, expect_bytes=60 * minutes * GB, engine="physical")


def increment(store: str = "near", *, every: int = 1, at: int = 0, minutes: int = 10) -> Job:
    when = schedule(every * HOUR, at * MINUTE, minutes * MINUTE)
    found = job("d", when, store, reserve=reserving(line=10**9), incremental=True)
    return msgspec.structs.replace(found, expect_bytes=60 * minutes * GB, engine="physical")


def copied(*, at: int, minutes: int) -> Job:
    when = schedule(DAY, at * MINUTE, minutes * MINUTE)
    found = job("d", when, "far", source="near", reserve=reserving(line=10**9))
    return msgspec.structs.replace(found, expect_bytes=60 * minutes * GB)


def taken(*jobs: Job, size: float = 3600 * GB, changes: float = inf) -> Chained:
    return Agent(jobs, DAYS, as_expected(), World(size, changes)).run()


def oldest(found: Chained, store: str = "near") -> float:
    """Minutes at the worst instant."""
    return max(one.worst for one in staleness(found.shelves[store], DAYS)) / MINUTE


def test_increments_between_full_images() -> None:
    """The last one before the full image begins at 23:00; the full one is whole at 1:00, then comes that of 1:00."""
    assert oldest(taken(full(), increment())) == 60 + 60
    assert oldest(taken(full(minutes=5), increment())) == 60 + 10


def test_those_that_meet_a_full_one_are_left_out() -> None:
    """Begun at 0:30, whole at 2:30: none at 1:00 and 2:00; that of 3:00 is whole at 3:10."""
    assert oldest(taken(full(at=30, minutes=120), increment())) == 160


def test_a_copy_keeps_none_from_being_taken() -> None:
    assert oldest(taken(full(), increment(), copied(at=210, minutes=150))) == 60 + 60


def test_those_of_other_stores_and_databases_of_the_server_count() -> None:
    """Into `aside` at 5:55, which meets that of 6:00 into `near`: the next one is whole at 7:10."""
    other = msgspec.structs.replace(full(at=355, minutes=10), id="full.aside", stores=("aside",))
    assert oldest(taken(full(minutes=5), increment(), other)) == 130
    assert oldest(Agent((full(minutes=5), increment()), DAYS, as_expected(), World(GB, inf), (other,)).run()) == 130


def test_a_chain_holds_what_changes_twice_while_one_is_taken() -> None:
    """1 GB an hour from the full one until the last of 23 is whole, and 10 min of each but that last once more."""
    found = taken(full(minutes=30), increment(), changes=GB / 3600)
    assert round(found.behind["near"] / GB, 6) == round(23 + 1 / 6 + 22 / 6, 6)
    assert found.older["near"] == 23 * HOUR


def test_an_image_holds_no_more_than_there_is() -> None:
    found = taken(full(minutes=30), increment(every=6), size=GB, changes=GB)
    assert found.behind["near"] == 3 * GB


def test_a_copy_moves_all_that_its_image_builds_on() -> None:
    found = taken(full(minutes=30), increment(every=6), copied(at=300, minutes=30), size=GB)
    assert found.moved[copied(at=300, minutes=30).id] == 4 * GB
    assert found.behind["far"] == 3 * GB


def test_what_a_day_does_not_thaw_waits_for_the_next() -> None:
    """10 bytes a day: 6 are served at once, of 8 more 4 are left for the next day, of 9 more 3 for the day after."""
    asked = [Ask(HOUR, 6, "a"), Ask(2 * HOUR, 8, "b"), Ask(3 * HOUR, 9, "c"), Ask(4 * DAY, 10, "d")]
    assert waits(asked, 10) == [0, 22 * HOUR, 45 * HOUR, 0]


def test_the_last_byte_of_a_day_is_served_that_day() -> None:
    assert waits([Ask(HOUR, 10, "a"), Ask(2 * HOUR, 1, "b")], 10) == [0, 22 * HOUR]


@pytest.mark.parametrize("number", [3489, 17356])
def test_a_log_behind_a_copy_counts_the_incremental_images_that_were_left_out(number: int) -> None:
    """Their copies are late: nothing bounds how fresh they are, but for how old they may become."""
    assert one_case(1, number).violations == []
