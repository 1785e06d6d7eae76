"""Several objects at once, in their order, within bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bkpc_grammar.log_objects import AT_ONCE, OBJECT
from bkpc_runtime.transfer.ahead import ahead


def test_in_order_and_at_once() -> None:
    together = threading.Barrier(4, timeout=20)

    def job(number: int) -> Callable[[], int]:
        def run() -> int:
            together.wait()
            time.sleep(0.01 * (4 - number % 4))
            return number

        return run

    assert list(ahead(((1, job(number)) for number in range(8)), most=4)) == list(range(8))


def test_as_many_at_once_as_proofs_count_on() -> None:
    together = threading.Barrier(AT_ONCE, timeout=60)
    assert len(list(ahead((OBJECT // AT_ONCE, together.wait) for _ in range(2 * AT_ONCE)))) == 2 * AT_ONCE


def test_no_more_waits_than_there_is_room_for() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def job() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        return 1

    for _ in ahead(((10, job) for _ in range(20)), most=8, room=30):
        with lock:
            running -= 1
    # One that is handed out still counts.
    assert most <= 3
    assert list(ahead([(100, lambda: 1)], room=30)) == [1]


def test_a_failure_in_its_turn() -> None:
    def jobs() -> Iterator[tuple[int, Callable[[], int]]]:
        yield 1, lambda: 1
        yield 1, lambda: 1 // 0
        yield 1, lambda: 3

    coming = ahead(jobs())
    assert next(coming) == 1
    with pytest.raises(ZeroDivisionError):
        next(coming)
