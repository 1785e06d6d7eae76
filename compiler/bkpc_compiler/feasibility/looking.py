"""What a restore looks at before anything is loaded: the names of all logs, and of a group the ends of its logs.

The names of some logs are listed side by side, and each is a matter of requests alone: of at most as many as are asked
at once, the longest counts; else no worker rests before the last has begun. For its point in common a group reads the
ends of its logs, side by side too. While any of them moves bytes, some resource is full: of the sum over members of
what is left to read, divided by the rate that each has alone, a second is gone after a second. See docs/feasibility.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct

from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.feasibility.bounds import Term
from bkpc_compiler.feasibility.handing import milliseconds
from bkpc_compiler.feasibility.log_reading import Reading, reading_of
from bkpc_compiler.feasibility.recovery_time import Recovery, Setting, reading_any
from bkpc_compiler.feasibility.thaw import log_to_replay
from bkpc_compiler.feasibility.working import Finding, Listing
from bkpc_compiler.once import once
from bkpc_compiler.source import Span
from bkpc_grammar.log_objects import (
    AT_ONCE,
    IN_MEMORY,
    LOOKED_BESIDE,
    LOOKED_BURSTS,
    LOOKED_OBJECTS,
    LOOKED_STEPS,
    REQUESTED_MS,
    ROUND,
    TOGETHER,
)
from bkpc_grammar.quantities import Duration, Size

if TYPE_CHECKING:
    from bkpc_compiler.feasibility.lines import Choice

PHASES = 2
"""A group looks for where its logs end, then for the point in each."""


class Names(Struct, frozen=True):
    """Of a log, in the store where listing it takes longest."""

    recovery: Recovery
    reading: Reading

    @property
    def takes(self) -> int:
        """Milliseconds."""
        return listed_in(self.reading)


class End(Struct, frozen=True, dict=True):
    """Of a log of `log` bytes what its group may look at. `rate`: of its `way` alone, and what is narrow there."""

    recovery: Recovery
    log: int
    way: tuple[Resource, ...]
    rate: tuple[int, Resource] | None
    reading: Reading | None

    @property
    def bytes(self) -> int:
        """All of it where that is kept in memory; else no more than twice, and a few times the longest transaction."""
        if self.log <= IN_MEMORY:
            return self.log
        burst = self.recovery.database.burst.value.bytes_up()
        return min(2 * self.log, LOOKED_BURSTS * burst) + LOOKED_BESIDE

    @property
    def moves(self) -> int:
        """Milliseconds that its bytes take alone."""
        return milliseconds(self.bytes, self.rate[0]) if self.rate and self.rate[0] > 0 else 0

    @property
    def rounds(self) -> int:
        """Latencies in which nothing of it need be on the way, in one phase."""
        if self.reading is None:
            return 0
        ended = int(self.reading.age // REQUESTED_MS) + 2
        objects = min(self.reading.objects, LOOKED_OBJECTS + 3 * ended)
        return -(-objects // AT_ONCE) + self.bytes // ROUND + LOOKED_STEPS

    @property
    def waits(self) -> int:
        """Milliseconds of them, in both phases."""
        return _through(PHASES * self.rounds, self.reading.latency) if self.reading else 0


class Look(Struct, frozen=True, dict=True):
    """Of all that comes back after one failure. `names`: what is listed side by side; `groups`: members with a log."""

    names: tuple[tuple[Names, ...], ...]
    groups: tuple[tuple[End, ...], ...]

    @once
    def listed(self) -> int:
        """Milliseconds until all names are known."""
        return sum(side_by_side([one.takes for one in names]) for names in self.names)

    @once
    def found(self) -> int:
        """Milliseconds until the points in common are."""
        return sum(looked(ends) for ends in self.groups)

    def terms(self, recovery: Recovery) -> Iterator[Term]:
        """As one recovery waits for it: the names of its own log are counted with its log."""
        more = self.listed - own_names(recovery)
        if more > 0:
            logs = [one for names in self.names for one in names]
            words = f"names of {len(logs)} logs, {TOGETHER} at once, besides those of its own"
            longest = max(logs, key=lambda one: one.takes)
            spans, origin = longest.reading.spans, longest.reading.links[0].latency.origin
            yield Term(words, _duration(more), spans, origin, Listing(self, recovery))
        if self.found:
            ends = [one for group in self.groups for one in group]
            size = Size(Fraction(sum(one.bytes for one in ends)))
            words = f"look for the point in common of its group: {size.human()} of the ends of {len(ends)} logs"
            if len(self.groups) > 1:
                words = (
                    f"look for the points in common of {len(self.groups)} groups: {size.human()} of {len(ends)} logs"
                )
            yield Term(words, _duration(self.found), tuple(dict.fromkeys(_spans(ends))), working=Finding(self))


def look_of(setting: Setting, choices: Mapping[str, Choice]) -> Look:
    """What is looked at before those of `choices` come back."""
    recoveries = {name: choices[name].recovery for name in sorted(choices)}
    # What nothing bounds the plan does not bring back.
    back = {name: one for name, one in recoveries.items() if one is not None and one.most is not None}
    if len(back) == 1 and len({one.log.id for name in back for one in choices[name].lines if one.log}) < 2:
        return Look((), ())  # no names but those that are counted with its log
    groups: dict[frozenset[str], list[str]] = {}
    alone = []
    for name in back:
        together = setting.grouped.get(name, frozenset()).intersection(back)
        if len(together) > 1:
            groups.setdefault(together, []).append(name)
        else:
            alone.append(name)
    batches = (*groups.values(), alone)
    found = [tuple(one for name in batch for one in _names(choices[name], back[name])) for batch in batches]
    ends = [tuple(one for name in group for one in _end(choices[name], back[name])) for group in groups.values()]
    return Look(tuple(filter(None, found)), tuple(filter(None, ends)))


def _readings(choice: Choice, recovery: Recovery) -> Iterator[tuple[int, Reading | None]]:
    """The bytes of the log in each store that is left, and what its pieces cost."""
    age = recovery.line.image.oldest
    database, ways = recovery.database, recovery.setting.ways
    logs = {one.log.id: one for one in choice.lines if one.log is not None and one.log_store is not None}
    for one in logs.values():
        if one.log is not None and one.log_store is not None:
            bytes_ = log_to_replay(database, one, age)
            site, lost = recovery.place.site, recovery.loss.sites
            yield bytes_, reading_of(ways, database, one.log, (one.log_store,), site, lost, age, bytes_)


def _names(choice: Choice, recovery: Recovery) -> Iterator[Names]:
    """All its stores are asked at once."""
    found = [reading for _, reading in _readings(choice, recovery) if reading is not None]
    if found:
        yield Names(recovery, max(found, key=listed_in))


def _end(choice: Choice, recovery: Recovery) -> Iterator[End]:
    """Nothing where it has no log."""
    found = list(_readings(choice, recovery))
    if not found:
        return
    line, setting, database = recovery.line, recovery.setting, recovery.database
    stores = line.log_stores or tuple(one.log_store for one in choice.lines if one.log_store is not None)
    way = (*reading_any(setting, stores, recovery.place, recovery.loss), setting.ways.replays_of(database))
    bytes_ = max(one for one, _ in found)
    rate = recovery.left.rate(way) if bytes_ else None
    readings = [one for _, one in found if one is not None]
    slowest = max(readings, key=lambda one: one.latency.amount, default=None)
    yield End(recovery, bytes_, way, rate, slowest)


def own_names(recovery: Recovery) -> int:
    """Milliseconds that are counted with its log for one listing of its names, at least."""
    reading = recovery.transfers[-1].reading
    return int(reading.listings * reading.latency.amount * 1000) if reading else 0


def listed_in(reading: Reading) -> int:
    """Milliseconds in which the names of a log are listed once."""
    return _through(reading.listings, reading.latency)


def side_by_side(takes: Sequence[int]) -> int:
    """Milliseconds in which so many are done by `TOGETHER` workers, in any order."""
    longest = max(takes, default=0)
    return longest if len(takes) <= TOGETHER else -(-sum(takes) // TOGETHER) + longest


def looked(ends: Sequence[End]) -> int:
    """Milliseconds that one group looks for its point."""
    waits = [one.waits for one in ends]
    return sum(one.moves for one in ends) + (max(waits, default=0) if len(ends) <= TOGETHER else sum(waits))


def _spans(ends: Sequence[End]) -> Iterator[Span]:
    for one in ends:
        if one.rate and one.rate[1].span:
            yield one.rate[1].span
        if one.reading:
            yield from (link.latency.span for link in one.reading.links)


def _through(times: int, latency: Duration) -> int:
    """Milliseconds, rounded up, of so many latencies."""
    each = latency.amount
    return -(-times * 1000 * each.numerator // each.denominator)


def _duration(milliseconds_: int) -> Duration:
    return Duration(Fraction(milliseconds_, 1000))
