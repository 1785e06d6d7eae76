"""Of one server one image is taken at a time: whether the slots of two jobs ever meet, and where the next is free.

Two jobs that come again and again meet somewhere if and only if they do modulo the greatest common divisor of their
periods. A monthly one comes at one time of the day: it counts as a daily one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd

from bkpc_compiler.timetable.calendar import DAY, Rhythm


@dataclass(frozen=True, slots=True)
class Held:
    """When a server is held: from `start` on for `lasts`, clock changes included, again after each `period`; ms."""

    period: int
    start: int
    lasts: int


def held(rhythm: Rhythm, offset: int, length: int) -> Held:
    """By a job of `rhythm` that starts `offset` after each release; what takes no time holds an instant: an image is
    taken, and not while another is."""
    by_month = DAY if rhythm.period % DAY == 0 else 1
    period = rhythm.period if rhythm.fixed else by_month
    return Held(period, rhythm.phase + offset, max(length, 1) + rhythm.shift)


def hop(wanted: Held, taken: Iterable[Held]) -> int | None:
    """0 where `wanted` meets none of `taken`; else how much later it may no longer meet the first that it does; None:
    it always meets one."""
    for one in taken:
        later = _hop(wanted, one)
        if later != 0:
            return later
    return 0


def _hop(wanted: Held, taken: Held) -> int | None:
    turn = gcd(wanted.period, taken.period)
    if wanted.lasts + taken.lasts > turn:
        return None
    after = (taken.start - wanted.start) % turn
    if wanted.lasts <= after and after + taken.lasts <= turn:
        return 0
    return (after + taken.lasts) % turn


class Servers:
    """Who holds which server: its full images, and its incremental ones, which may be left out for a full one."""

    def __init__(self) -> None:
        self._fulls: dict[str, list[Held]] = {}
        self._others: dict[str, list[Held]] = {}

    def take(self, server: str, wanted: Held, *, incremental: bool) -> None:
        (self._others if incremental else self._fulls).setdefault(server, []).append(wanted)

    def hop(self, server: str, wanted: Held, *, left_out: bool) -> int | None:
        """How much later `wanted` may be free. `left_out`: where it meets a full image it is not taken."""
        fulls = () if left_out else self._fulls.get(server, ())
        return hop(wanted, (*fulls, *self._others.get(server, ())))
