"""Transfers of a recovery: they fit, none is later than planned, and what is idle is used."""

from __future__ import annotations

import heapq
import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.recovery.side_by_side import SideBySide, Transfer
from bkpc_runtime.transfer.pace import LEAST, Pace

ROOM = {"link": 100, "store": 70}


def transfer(name: str, start: int, takes: int, rate: int, *resources: str, needs: str = "") -> Transfer:
    kind = "restore.log" if needs else "restore.image"
    needed = frozenset({needs} if needs else ())
    return Transfer(f"{name}/{kind}", name, kind, start, takes, rate, frozenset(resources), needed)


def fits(running: list[Transfer]) -> bool:
    return all(sum(one.rate for one in running if name in one.resources) <= ROOM[name] for name in ROOM)


@st.composite
def plans(draw: st.DrawFn) -> list[Transfer]:
    """Images and logs, each placed where it fits beside those placed before, as a planner does."""
    placed: list[Transfer] = []
    for number in range(draw(st.integers(1, 6))):
        ready, needs = 0, ""
        for kind in ("image", "log")[: draw(st.integers(1, 2))]:
            resources = draw(st.sets(st.sampled_from(sorted(ROOM)), min_size=1))
            rate, takes = draw(st.integers(1, 70)), draw(st.integers(1, 20))
            start = ready
            while not all(
                fits([one for one in placed if one.start_ms <= at < one.start_ms + one.takes_ms]
                     + [transfer("x", 0, 1, rate, *resources)])
                for at in range(start, start + takes)
            ):  # fmt: skip
                start += 1
            one = transfer(f"db{number}", start, takes, rate, *resources, needs=needs if kind == "log" else "")
            placed.append(one)
            ready, needs = start + takes, one.id
    return sorted(placed, key=lambda one: one.start_ms)


@given(plans(), st.randoms(use_true_random=False))
def test_none_is_later_than_planned(planned: list[Transfer], random: object) -> None:
    ledger = SideBySide(planned, ROOM)
    now, ends, running = 0, [], {}  # type: ignore[var-annotated]
    while not ledger.over:
        for one in ledger.begin():
            assert now <= one.start_ms
            running[one.id] = one
            heapq.heappush(ends, (now + random.randint(0, one.takes_ms), one.id))  # type: ignore[attr-defined]
        assert fits(list(running.values()))
        rates = ledger.rates()
        for one in running.values():
            assert (rates[one.id] or 0) >= one.rate
        for name, room in ROOM.items():
            used = sum(rates[one.id] or 0 for one in planned if one.id in rates and name in one.resources)
            assert used <= room
        now, done = heapq.heappop(ends)
        del running[done]
        ledger.end([done])


def test_who_is_alone_has_all_and_log_is_read_ahead_with_what_is_idle() -> None:
    image = transfer("a", 0, 10, 40, "link")
    log = transfer("a", 10, 5, 40, "link", needs=image.id)
    other = transfer("b", 0, 10, 30, "link")
    ledger = SideBySide([image, other, log], ROOM)
    assert ledger.begin() == [image, other]
    assert ledger.rates() == {image.id: 50, other.id: 40, log.id: 10}
    ledger.end([other.id])
    assert ledger.rates() == {image.id: 70, log.id: 30}
    ledger.end([image.id])
    assert ledger.begin() == [log]
    assert ledger.rates() == {log.id: 100}


def test_one_that_failed_lets_the_others_begin() -> None:
    first = transfer("a", 0, 10, 100, "link")
    ledger = SideBySide([first, transfer("b", 10, 10, 100, "link")], ROOM)
    assert [one.database for one in ledger.begin()] == ["a"]
    ledger.end([first.id])
    assert [one.database for one in ledger.begin()] == ["b"]


def test_a_pace_lets_pass_what_it_says_and_hears_of_another_at_once() -> None:
    pace = Pace(LEAST * 4)
    began = time.monotonic()
    for _ in range(4):
        pace.take(LEAST)
    assert time.monotonic() - began >= 0.7
    waiting = threading.Thread(target=pace.take, args=(LEAST * 400,))
    waiting.start()
    pace.set(None)
    waiting.join(5)
    assert not waiting.is_alive()


def test_what_must_thaw_begins_nothing_and_stands_in_nobodys_way() -> None:
    cold, warm = transfer("cold", 0, 10, 60, "link"), transfer("warm", 5, 10, 60, "link")
    ledger = SideBySide([cold, warm], ROOM)
    ledger.hold({"cold"})
    assert ledger.begin() == [warm]
    ledger.release("cold")
    assert ledger.begin() == []  # it does not fit yet
    ledger.end([warm.id])
    assert ledger.begin() == [cold]
