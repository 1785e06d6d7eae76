"""How long a request that fails is tried again, by a clock of our own."""

from __future__ import annotations

import threading

import pytest

from bkpc_runtime.stores.patience import Patience


class Clock(threading.Event):
    """Stands still but for what is waited and what a try takes."""

    now = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return False


def tries(takes: list[float], asked: float = 0.0, patience: Patience | None = None) -> tuple[int, float]:
    """How many are made when the first take so long and all others nothing, and when the last was given up."""
    clock = Clock()
    trying = (patience or Patience(clock=lambda: clock.now, jitter=lambda _low, high: high / 2)).began()
    number = 0
    while True:
        clock.now += takes[number] if number < len(takes) else 0.0
        number += 1
        if not trying.wait(asked, clock):
            return number, clock.now


def test_a_service_that_is_away_is_waited_for_a_minute() -> None:
    number, until = tries([])
    assert 10 < number < 25
    assert 50 < until <= 60


@pytest.mark.parametrize("takes", [61.0, 70.0, 700.0])
def test_a_slow_try_is_made_again_three_times(takes: float) -> None:
    assert tries([takes] * 100)[0] == 4


@pytest.mark.parametrize("slow", [1, 2])
def test_after_slow_tries_an_outage_is_waited_for_still(slow: int) -> None:
    number, until = tries([70.0] * slow)
    assert number > 4
    assert until - 70 * slow > 20


@pytest.mark.parametrize(("asked", "number"), [(45.0, 2), (59.9, 2), (60.1, 1), (100_000.0, 1), (20.0, 3)])
def test_what_the_service_asks_for_is_waited_as_far_as_patience_goes(asked: float, number: int) -> None:
    made, until = tries([], asked)
    assert made == number
    assert until >= asked * (number - 1)
