"""Transfers of a recovery: they fit, none is later than planned, and what is idle is used."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.recovery.side_by_side import SideBySide, Transfer, in_order
from bkpc_runtime.transfer.pace import Pace

MB = 1_000_000
ROOM = {"link": 100 * MB, "store": 70 * MB}


def transfer(name: str, start: int, takes: int, rate: int, *resources: str, needs: str = "") -> Transfer:
    kind = "restore.log" if needs else "restore.image"
    needed = frozenset({needs} if needs else ())
    return Transfer(f"{name}/{kind}", name, kind, start, takes, rate * MB, frozenset(resources), needed)


def fits(running: list[Transfer]) -> bool:
    return all(sum(one.rate for one in running if name in one.resources) <= ROOM[name] for name in ROOM)


@st.composite
def plans(draw: st.DrawFn) -> list[Transfer]:
    """Images and logs, each placed where it fits beside those placed before, as a planner does; some databases are
    ready only later, when what they read has thawed or their server is there."""
    placed: list[Transfer] = []
    for number in range(draw(st.integers(1, 6))):
        ready, needs = draw(st.sampled_from([0, 0, 0, 7, 30])), ""
        for kind in ("image", "log")[: draw(st.integers(1, 2))]:
            resources = draw(st.sets(st.sampled_from(sorted(ROOM)), min_size=1))
            rate, takes = draw(st.integers(1, 70)), draw(st.integers(0, 20))
            start = ready
            while not all(
                fits(
                    [one for one in placed if one.start_ms <= at < one.end_ms] + [transfer("x", 0, 1, rate, *resources)]
                )
                for at in range(start, start + takes)
            ):
                start += 1
            one = transfer(f"db{number}", start, takes, rate, *resources, needs=needs if kind == "log" else "")
            placed.append(one)
            ready, needs = start + takes, one.id
    return in_order(placed)


@given(plans(), st.randoms(use_true_random=False), st.fractions(0, 1))
def test_none_is_later_than_planned(planned: list[Transfer], random: Random, known: Fraction) -> None:
    """Whatever ends early or is ready early; and however much of the room is thought to be taken by others."""
    room = {name: int(whole * known) for name, whole in ROOM.items()}
    ledger = SideBySide(planned, room)
    starts = {one.database: one.start_ms for one in reversed(planned)}
    held = {name: random.randint(0, start) for name, start in starts.items()}
    ledger.hold(held)
    left: dict[str, Fraction] = {}
    now = Fraction(0)
    while not ledger.over:
        for name in [one for one, at in held.items() if at <= now]:
            ledger.release(name)
            del held[name]
        for one in ledger.begin():
            assert one.database not in held
            left[one.id] = Fraction(one.rate * one.takes_ms * random.choice((0, 50, 100, 100)), 100)
        running = [one for one in planned if one.id in left]
        turns = [one for one in running if one.id not in ledger.ahead and one.takes_ms]  # what takes none moves nothing
        rates = ledger.rates()
        assert fits(turns)
        assert all((rates[one.id] or 0) >= one.rate for one in turns)
        for name in ROOM:
            used = sum(
                rates[one.id] or 0 for one in planned if one.id in rates and name in one.resources and one.takes_ms
            )
            waiting = room[name] // 100 + 1024 * len(rates)  # what keeps connections alive
            assert used <= max(room[name], sum(one.rate for one in turns if name in one.resources)) + waiting
        ends = {one.id: left[one.id] / (rates[one.id] or 1) for one in running if rates[one.id] or not left[one.id]}
        step = min((*ends.values(), *(at - now for at in held.values())))
        now += step
        for one in running:
            left[one.id] -= step * (rates[one.id] or 0)
        done = [one for one in running if left[one.id] <= 0]
        for one in done:
            assert now <= one.end_ms, one.id
            del left[one.id]
        ledger.end([one.id for one in done])


def test_who_is_alone_has_all_and_log_is_read_ahead_with_what_is_idle() -> None:
    image = transfer("a", 0, 10, 40, "link")
    log = transfer("a", 10, 5, 40, "link", needs=image.id)
    other = transfer("b", 0, 10, 15, "link")
    ledger = SideBySide([image, other, log], ROOM)
    assert ledger.begin() == [image, other]  # 45 are idle
    assert ledger.rates() == {image.id: 60 * MB, other.id: 35 * MB, log.id: 5 * MB}
    ledger.end([other.id])
    assert ledger.rates() == {image.id: 88 * MB, log.id: 12 * MB}
    ledger.end([image.id])
    assert ledger.begin() == [log]
    assert ledger.rates() == {log.id: 100 * MB}


def test_one_that_failed_lets_the_others_begin() -> None:
    first = transfer("a", 0, 10, 100, "link")
    ledger = SideBySide([first, transfer("b", 10, 10, 100, "link")], ROOM)
    assert [one.database for one in ledger.begin()] == ["a"]
    ledger.end([first.id])
    assert [one.database for one in ledger.begin()] == ["b"]


def test_a_pace_lets_pass_what_it_says_and_hears_of_another_at_once() -> None:
    pace = Pace(400_000)
    began = time.monotonic()
    for _ in range(4):
        pace.take(100_000)
    assert time.monotonic() - began >= 0.7
    waiting = threading.Thread(target=pace.take, args=(40_000_000,))
    waiting.start()
    pace.set(None)
    waiting.join(5)
    assert not waiting.is_alive()


def test_while_one_thaws_a_later_one_goes_ahead_and_gives_way() -> None:
    cold, warm = transfer("cold", 10, 10, 60, "link"), transfer("warm", 20, 10, 60, "link")
    third = transfer("third", 30, 10, 60, "link")
    ledger = SideBySide([cold, warm, third], ROOM)
    ledger.hold({"cold"})
    assert ledger.begin() == [warm]  # and not the third, which would not fit beside it
    assert ledger.ahead == {warm.id}
    assert ledger.rates() == {warm.id: 100 * MB}
    ledger.release("cold")
    assert ledger.begin() == [cold]
    assert ledger.rates() == {cold.id: 80 * MB, warm.id: 20 * MB}  # what is idle they share
    ledger.end([cold.id])
    assert ledger.begin() == []
    assert ledger.ahead == frozenset()
    assert ledger.rates() == {warm.id: 100 * MB}


def test_a_thaw_that_takes_longer_keeps_nobody() -> None:
    cold, warm, third = (transfer(name, 10 * place, 10, 60, "link") for place, name in enumerate("abc"))
    ledger = SideBySide([cold, warm, third], ROOM)
    ledger.hold({"a"})
    assert ledger.begin() == [warm]
    ledger.end([warm.id])
    assert ledger.begin() == [third]
    ledger.end([third.id])
    ledger.release("a")
    assert ledger.begin() == [cold]


def test_what_the_plan_has_side_by_side_runs_so_whatever_others_are_thought_to_take() -> None:
    first, second = transfer("a", 0, 10, 40, "link"), transfer("b", 5, 10, 30, "link")
    later = transfer("c", 12, 10, 20, "link")
    ledger = SideBySide([first, second, later], {"link": 0})
    assert ledger.begin() == [first, second]  # the third only after the first, as planned
    assert ledger.rates() == {first.id: 40 * MB, second.id: 30 * MB}
    ledger.end([first.id])
    assert ledger.begin() == [later]


def test_a_log_whose_turn_has_not_come_has_what_is_idle_while_its_image_is_there() -> None:
    image = transfer("a", 0, 10, 40, "store")
    log = transfer("a", 30, 5, 40, "link", needs=image.id)
    other = transfer("b", 0, 30, 80, "link")
    ledger = SideBySide([image, other, log], ROOM)
    assert ledger.begin() == [image, other]
    ledger.end([image.id])
    assert ledger.begin() == []
    assert ledger.rates() == {other.id: 90 * MB, log.id: 10 * MB}


def test_what_takes_no_time_goes_before_what_begins_as_it_ends() -> None:
    image = transfer("b", 0, 10, 60, "link")
    log = transfer("b", 10, 0, 60, "link", needs=image.id)
    after = transfer("a", 10, 10, 60, "link")
    ledger = SideBySide(in_order([after, image, log]), ROOM)
    assert ledger.begin() == [image]
    ledger.end([image.id])
    assert ledger.begin() == [log]
