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

MOST_SHIFTED = 5
"""Jobs whose releases clock changes move, beside each other."""
MOST_EVENTS = 4096
"""Images of one hyperperiod that are looked at one by one."""


class Leg(Struct, frozen=True):
    """One job of a chain: its releases, and when after each it starts and is done; milliseconds.

    `shift`: how far clock changes move its releases against those of other jobs. `zone`: whose clocks; those of two
    legs of one zone change in the same night.
    """

    period: int
    phase: int
    start: int
    end: int
    shift: int
    zone: str = ""


class Staleness(Struct, frozen=True, dict=True):
    """Ramps of age, each as long as it rises: (fresh, stale) in milliseconds.

    `times`: one set of ramps for each time of the year, where clock changes shift releases. `coarse`: only how
    high they rise is known, and not for how long.
    """

    times: tuple[tuple[tuple[int, int], ...], ...]
    coarse: bool = False

    @once
    def worst(self) -> int:
        return max(stale for ramps in self.times for _, stale in ramps)

    @property
    def oldest(self) -> tuple[int, int]:
        """The ramp that ends highest, and of those the longest."""
        return max((ramp for ramps in self.times for ramp in ramps), key=lambda ramp: (ramp[1], -ramp[0]))

    def quantile(self, share: Fraction) -> Fraction:
        """The least age that is not exceeded for `share` of all instants, at any time of the year."""
        if share >= 1 or self.coarse:
            return Fraction(self.worst)
        return max(quantile_of(ramps, share) for ramps in self.times)


def quantile_of(ramps: Sequence[tuple[int, int]], share: Fraction) -> Fraction:
    """The least age that `share` of the time keeps below."""
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


def staleness_of_all(chains: Sequence[Sequence[tuple[str, Leg]]]) -> Staleness | None:
    """Of the freshest image that any of `chains` brings: each as legs, named by their jobs, which chains may share.

    None where the hyperperiod has too many images, or clock changes move too many jobs.
    """
    legs = dict(pair for chain in chains for pair in chain)
    cycle = lcm(*(leg.period for leg in legs.values()))
    shifted = [name for name, leg in legs.items() if leg.shift]
    images = sum(cycle // chain[-1][1].period for chain in chains)
    if (
        images > MOST_EVENTS
        or len(shifted) > MOST_SHIFTED
        or any(cycle // x.period > MOST_EVENTS for x in legs.values())
    ):
        return None
    shift = max(leg.shift for leg in legs.values())
    found = []
    for late in product(*((0, legs[name].shift) for name in shifted)):
        moved = dict(zip(shifted, late, strict=True))
        brought = [
            image
            for chain in chains
            for image in _images([leg for _, leg in chain], [moved.get(name, 0) for name, _ in chain], cycle, shift)
        ]
        found.append(tuple((fresh + shift, stale + shift) for fresh, stale in _merged(brought, cycle)))
    return Staleness(tuple(dict.fromkeys(found)))


def _merged(images: Sequence[tuple[int, int]], cycle: int) -> list[tuple[int, int]]:
    """Ramps between images, (usable, snapshot), that come in any order and again in every cycle."""
    within = [(usable % cycle, snapshot - usable + usable % cycle) for usable, snapshot in images]
    # Of what came before the cycle, an image that came before the last one like it is no fresher than that.
    kept = _freshest([*((usable - cycle, snapshot - cycle) for usable, snapshot in within), *within])
    kept = [one for one in kept if one[0] >= 0]
    ends = [usable for usable, _ in kept[1:]] + [kept[0][0] + cycle]
    return [(usable - snapshot, end - snapshot) for (usable, snapshot), end in zip(kept, ends, strict=True)]


def unaligned(legs: Sequence[Leg]) -> Staleness:
    """Whatever the phases: each leg may have just missed the one before.

    They wait one after the other, so a night on which clocks are put back is in one of these times only: of each zone
    it counts once.
    """
    last = legs[-1]
    before = sum(leg.period + leg.end - leg.start for leg in legs[:-1]) + _put_back(legs[:-1])
    fresh = before + last.end - last.start
    return Staleness((((fresh, fresh + last.period + _put_back(legs) - _put_back(legs[:-1])),),))


def _put_back(legs: Sequence[Leg]) -> int:
    """By how much clocks are put back, each zone once; a leg whose zone is not known is of one of its own."""
    zones: dict[object, int] = {}
    for number, leg in enumerate(legs):
        zone = leg.zone or number
        zones[zone] = max(zones.get(zone, 0), leg.shift)
    return sum(zones.values())


def _ramps(legs: Sequence[Leg], moved: Sequence[int], slack: int) -> list[tuple[int, int]] | None:
    cycle = lcm(*(leg.period for leg in legs))
    if any(cycle // leg.period > MOST_EVENTS for leg in legs):
        return None
    images = _freshest(_images(legs, moved, cycle, slack))
    ramps = []
    for index, (usable, snapshot) in enumerate(images):
        following = images[index + 1][0] if index + 1 < len(images) else images[0][0] + cycle
        ramps.append((usable - snapshot, following - snapshot))
    return ramps


def _images(legs: Sequence[Leg], moved: Sequence[int], cycle: int, slack: int) -> list[tuple[int, int]]:
    """When each image of one cycle is whole in the last store, and its snapshot."""
    first, *others = legs
    images = [
        (at + first.end, at + first.start)
        for at in range(first.phase + moved[0], cycle + first.phase + moved[0], first.period)
    ]
    for leg, late in zip(others, moved[1:], strict=True):
        images = _copied(images, cycle, leg, late, slack)
    return images


def _copied(images: list[tuple[int, int]], cycle: int, leg: Leg, late: int, slack: int) -> list[tuple[int, int]]:
    """What each run of `leg` copies: the freshest image that is whole when it starts."""
    whole = _freshest(images)
    usable = [at for at, _ in whole]
    copies = []
    for release in range(leg.phase + late, cycle + leg.phase + late, leg.period):
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
