"""How old the newest usable image in a store is, as a function of the instant of failure.

It grows with time, and falls when a fresher image becomes usable. Over one hyperperiod it is a set of ramps
from `fresh` to `stale`: its supremum is the worst instant, its quantiles are exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, product
from math import lcm

from msgspec import Struct

from bkpc_compiler.once import once

MOST_EVENTS = 4096
"""Images of one hyperperiod that are looked at one by one."""


class Leg(Struct, frozen=True):
    """One job of a chain: its releases, and when after each it starts and is done; milliseconds.

    `shift`: how far clock changes move its releases against those of other jobs.
    """

    period: int
    phase: int
    start: int
    end: int
    shift: int


class Staleness(Struct, frozen=True, dict=True):
    """Ramps of age, each as long as it rises: (fresh, stale) in milliseconds.

    `times`: one set of ramps for each time of the year, where clock changes shift releases.
    """

    times: tuple[tuple[tuple[int, int], ...], ...]

    @once
    def worst(self) -> int:
        return max(stale for ramps in self.times for _, stale in ramps)

    def quantile(self, share: Fraction) -> Fraction:
        """The least age that is not exceeded for `share` of all instants, at any time of the year."""
        if share >= 1:
            return Fraction(self.worst)
        return max(_quantile(ramps, share) for ramps in self.times)


def _quantile(ramps: Sequence[tuple[int, int]], share: Fraction) -> Fraction:
    sought = share * sum(stale - fresh for fresh, stale in ramps)
    edges = sorted({edge for ramp in ramps for edge in ramp})
    below = Fraction(0)
    for low, high in pairwise(edges):
        slope = sum(1 for fresh, stale in ramps if fresh <= low and high <= stale)
        if below + slope * (high - low) >= sought:
            return low + (sought - below) / slope if slope else Fraction(low)
        below += slope * (high - low)
    return Fraction(edges[-1])


def staleness_of(legs: Sequence[Leg]) -> Staleness | None:
    """Of images made by the first leg and copied by the others, each copy taking the freshest that is whole.

    None where the hyperperiod has too many images; the sum of the legs' worst cases bounds it then.
    Clock changes: legs whose releases they move are taken at every shift, and one shift is added.
    """
    shift = max(leg.shift for leg in legs)
    found = []
    for moved in product(*(sorted({0, leg.shift}) for leg in legs)):
        ramps = _ramps(legs, moved, shift)
        if ramps is None:
            return None
        found.append(tuple((fresh + shift, stale + shift) for fresh, stale in ramps))
    return Staleness(tuple(dict.fromkeys(found)))


def unaligned(legs: Sequence[Leg]) -> Staleness:
    """Whatever the phases: each leg may have just missed the one before."""
    last = legs[-1]
    before = sum(leg.period + leg.shift + leg.end - leg.start for leg in legs[:-1])
    fresh = before + last.end - last.start
    return Staleness((((fresh, fresh + last.period + last.shift),),))


def _ramps(legs: Sequence[Leg], moved: Sequence[int], slack: int) -> list[tuple[int, int]] | None:
    cycle = lcm(*(leg.period for leg in legs))
    if any(cycle // leg.period > MOST_EVENTS for leg in legs):
        return None
    first, *others = legs
    images = [
        (at + first.end, at + first.start) for at in range(first.phase + moved[0], cycle + first.phase, first.period)
    ]
    for leg, late in zip(others, moved[1:], strict=True):
        images = _copied(images, cycle, leg, late, slack)
    images = _freshest(images)
    ramps = []
    for index, (usable, snapshot) in enumerate(images):
        following = images[index + 1][0] if index + 1 < len(images) else images[0][0] + cycle
        ramps.append((usable - snapshot, following - snapshot))
    return ramps


def _copied(images: list[tuple[int, int]], cycle: int, leg: Leg, late: int, slack: int) -> list[tuple[int, int]]:
    """What each run of `leg` copies: the freshest image that is whole when it starts."""
    whole = _freshest(images)
    usable = [at for at, _ in whole]
    copies = []
    for release in range(leg.phase + late, cycle + leg.phase, leg.period):
        start = release + leg.start - slack
        turns, within = divmod(start - usable[0], cycle)
        index = bisect_right(usable, within + usable[0]) - 1
        copies.append((release + leg.end, whole[index][1] + turns * cycle))
    return copies


def _freshest(images: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In the order in which they become usable, without those that are no fresher than one before."""
    kept: list[tuple[int, int]] = []
    for usable, snapshot in sorted(images):
        if not kept or snapshot > kept[-1][1]:
            kept.append((usable, snapshot))
    return kept
