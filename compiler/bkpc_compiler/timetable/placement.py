"""The planner of scheduled jobs: a start after the release and a rate for each, so that at no instant of
the week more is reserved of a resource than it gives. Earliest deadline first; what is placed stays.

Where windows allow, jobs leave half of what streams leave to recoveries, which then never wait for a backup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from msgspec.structs import replace

from bkpc_compiler.timetable.calendar import DAY, HOUR, WEEK, Rhythm
from bkpc_compiler.timetable.occupancy import Occupancy
from bkpc_compiler.timetable.requests import Request, Slot, at_database
from bkpc_compiler.timetable.servers import Servers, held

SHORTEST = 4 * HOUR
"""Jobs that come more often are reserved for at every instant."""
LEFT = (12, 8, 4, 2, 1, 0)
"""Sixteenths of what streams leave that jobs leave to recoveries, tried in this order."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """`slots` by id (None: it fits nowhere); `peaks`: the most reserved by jobs and streams, by resource."""

    slots: Mapping[str, Slot | None]
    peaks: Mapping[str, int]


def timetable_of(requests: Iterable[Request], usable: Mapping[str, int], steady: Mapping[str, int]) -> Timetable:
    """Places all `requests` beside the `steady` reservations of streams; first within their windows, then
    those that found no room within their periods.

    Jobs that are done early may leave none for others: where one is left over, all are tried at the rates that
    just use up their windows. That never fails where these rates are no more than there is. Where wishes take the
    room of one that has some without them, nobody's is followed.
    """
    # Incremental images come last: where one meets a full one of its server, it is left out.
    wanted = sorted(requests, key=lambda one: (one.incremental, _deadline(one), one.effort, one.id))
    if not any(one.wish for one in wanted):
        return _late_too(wanted, *_in_windows(wanted, usable, steady))
    turning, found = _placed(wanted, usable, steady)
    if None in found.values():
        plain = [replace(one, wish=None) for one in wanted]
        planner, slots = _in_windows(plain, usable, steady)
        if any(slots[name] is not None for name, slot in found.items() if slot is None):
            return _late_too(plain, planner, slots)
    return _late_too(wanted, turning, found)


def _in_windows(
    wanted: Sequence[Request], usable: Mapping[str, int], steady: Mapping[str, int]
) -> tuple[_Planner, dict[str, Slot | None]]:
    """The slots found within windows: of all jobs, or else of as many as their first order has room for."""
    planner, slots = _placed(wanted, usable, steady)
    if None in slots.values() and any(one.server for one in wanted):
        # What needs most of its window leaves the rest to others of its server, which find no room the other way round.
        longest = sorted(wanted, key=lambda one: (one.incremental, -one.effort // max(1, one.window), one.id))
        tight, turned = _placed(longest, usable, steady)
        if None not in turned.values():
            return tight, turned
    if None in slots.values():
        even, others = _placed(wanted, usable, steady, hasty=False)
        if None not in others.values():
            return even, others
    return planner, slots


def _placed(
    wanted: Sequence[Request], usable: Mapping[str, int], steady: Mapping[str, int], *, hasty: bool = True
) -> tuple[_Planner, dict[str, Slot | None]]:
    """Each in its window, in the order given."""
    planner = _Planner(wanted, usable, steady, hasty=hasty)
    return planner, {one.id: planner.place(one, one.window) for one in wanted}


def _late_too(wanted: Iterable[Request], planner: _Planner, slots: dict[str, Slot | None]) -> Timetable:
    """Those that found no room within their windows, within their periods."""
    for one in wanted:
        if slots[one.id] is None and one.window < one.rhythm.period:
            slots[one.id] = planner.place(one, one.rhythm.period)
    return Timetable(slots, planner.peaks())


def taken_first(room: int) -> int:
    """Of what streams leave, what jobs take first."""
    return room - room * LEFT[0] // 16


def _deadline(request: Request) -> int:
    return request.rhythm.phase + request.window


Place = tuple[Occupancy, int, int]
"""A resource, what may be reserved of it in all, and what a job wants of it."""


class _Planner:
    """`hasty`: jobs take all there is where they can, rather than what their windows just allow."""

    def __init__(
        self, requests: Sequence[Request], usable: Mapping[str, int], steady: Mapping[str, int], *, hasty: bool = True
    ) -> None:
        self._hasty = hasty
        cyclic = [one.rhythm.period for one in requests if _cyclic(one.rhythm)]
        self.cycle = DAY if all(DAY % period == 0 for period in cyclic) else WEEK
        self._streams = steady
        self._passed = {name for one in requests for name in one.resources if not at_database(name)}
        self._occupied = {
            name: Occupancy(self.cycle, usable[name], steady.get(name, 0))
            for name in sorted({name for one in requests for name in one.resources} | steady.keys())
        }
        asked = Counter(name for one in requests for name in one.resources)
        self._shared = frozenset(name for name, count in asked.items() if count > 1)
        self._tried: dict[object, tuple[int, int]] = {}
        self._servers = Servers()
        self._images = Counter(one.server for one in requests if one.server)
        self._always_held: dict[tuple[str, bool, str], int] = {}  # by server, kind of image, and resource

    def peaks(self) -> dict[str, int]:
        """What is reserved at most; where jobs pass, at least the part that they take first: how much of it they
        take depends on every other resource, and a recovery must not come out slower for a faster link."""
        return {
            name: max(occupied.peak, self._limit(name, LEFT[0]) if name in self._passed else 0)
            for name, occupied in self._occupied.items()
        }

    def place(self, request: Request, window: int) -> Slot | None:
        """The first slot found, at the highest rate that finds one; reserved."""
        window = min(window, request.rhythm.least)  # done before the next, on a short day or in a short month too
        if request.lead and request.lead > window:
            return None
        if request.server is None:
            return self._as_swift(request, window, window)
        # Each in its part of the window first: then all that come at one time fit.
        slot = self._as_swift(request, window, max(1, window // self._images[request.server]))
        slot = slot or self._as_swift(request, window, window)
        if slot is None and request.incremental:
            slot = self._as_swift(replace(request, left_out=True), window, window)
        if slot is not None:
            taken = held(request.rhythm, slot.offset, slot.length)
            self._servers.take(request.server, taken, incremental=request.incremental)
        return slot

    def _as_swift(self, request: Request, window: int, longest: int) -> Slot | None:
        """Its slot, no longer than `longest`; if there is room, no longer than what is promised of its image asks."""
        if self._hasty and request.swift is not None and request.swift < longest:
            slot = self._placed(request, window, request.swift)
            if slot is not None:
                return slot
        return self._placed(request, window, longest)

    def _placed(self, asked: Request, window: int, longest: int) -> Slot | None:
        """Its slot, no longer than `longest`."""
        if not asked.resources:
            return self._alone(asked, window, longest)
        for left in LEFT:
            limits = [self._limit(name, left) for name in asked.resources]
            request = self._narrowed(asked, limits)
            for rate in self._rates(request, min(window, request.lead + longest), limits):
                length = request.takes(rate)
                fits = length <= longest and request.lead + length <= window
                slot = self._as_wished(request, window, length, rate, limits) if fits and request.wish else None
                slot = self._first_room(request, window, length, rate, limits) if fits and slot is None else slot
                if slot is not None:
                    self._reserve(request, slot)
                    return slot
        return None

    def _narrowed(self, request: Request, limits: Sequence[int]) -> Request:
        """It reads as fast as its database gives, however narrow the way of what it moves is."""
        if not request.sought:
            return request
        rooms = {name: self._room(request, name, limit) for name, limit in zip(request.resources, limits, strict=True)}
        machine = [room for name, room in rooms.items() if at_database(name)]
        way = [room for name, room in rooms.items() if not at_database(name)]
        way += [request.ceiling] if request.ceiling else []
        if not way or min(*way, *machine) <= 0:
            return request
        return replace(request, share=min(request.share, Fraction(min(way), min(machine))))

    def _alone(self, request: Request, window: int, longest: int) -> Slot | None:
        """Through nothing that is narrow: only its own limit keeps it."""
        length = (-(-request.effort * 1000 // request.ceiling) if request.ceiling else 0) + request.beside
        if request.lead + length > window or length > longest:
            return None
        wished = max(request.lead, min(request.wish or 0, window - length))
        offset = self._from_server(request, window, length, wished)
        if offset is None and wished > request.lead:
            offset = self._from_server(request, window, length, request.lead)
        return None if offset is None else Slot(offset, length, request.ceiling or 0)

    def _from_server(self, request: Request, window: int, length: int, offset: int) -> int | None:
        """The first offset from `offset` on at which its server is free; None where there is none in its window."""
        while offset + length <= window:
            hop = self._taken(request, offset, length)
            if hop == 0:
                return offset
            if hop is None:
                return None
            offset += hop
        return None

    def _taken(self, request: Request, offset: int, length: int) -> int | None:
        """How much later its server may be free; 0: it is; None: never."""
        if request.server is None:
            return 0
        wanted = held(request.rhythm, offset, length)
        return self._servers.hop(request.server, wanted, left_out=request.left_out)

    def _limit(self, name: str, left: int) -> int:
        """What jobs and streams may reserve in all, `left` sixteenths of what streams leave kept free."""
        occupied = self._occupied[name]
        room = occupied.usable - self._streams.get(name, 0)
        return occupied.usable if at_database(name) else occupied.usable - room * left // 16

    def _rates(self, request: Request, window: int, limits: Sequence[int]) -> Iterator[int]:
        """All there is, then less and less down to what the window just allows."""
        pairs = zip(request.resources, limits, strict=True)
        most = min(request.most(name, self._room(request, name, limit)) for name, limit in pairs)
        if request.ceiling:
            most = min(most, request.most("", request.ceiling))
        least = max(1, -(-request.least_effort * 1000 // max(1, window - request.lead - request.beside)))
        rates = (most, most // 2, most // 4, most // 8, most // 16, most // 32, least) if self._hasty else (least,)
        return (rate for rate in dict.fromkeys(rates) if least <= rate <= most)

    def _first_room(self, request: Request, window: int, length: int, rate: int, limits: Sequence[int]) -> Slot | None:
        pairs = list(zip(request.resources, limits, strict=True))
        if not _cyclic(request.rhythm, length):
            return self._always(request, window, length, rate, pairs, request.lead)
        shared = [pair for pair in pairs if pair[0] in self._shared]
        crowded = self._places(request, rate, shared)
        own = self._places(request, rate, [pair for pair in pairs if pair[0] not in self._shared])
        starts, lasts = self._starts(request.rhythm), length + request.rhythm.shift
        key = (request.rhythm, rate, request.share.as_integer_ratio(), request.lead, *shared)
        offset = max(request.lead, self._from(key, lasts))
        met = False
        while offset + length <= window:
            hop = _conflict(crowded, starts, offset, lasts)
            if hop is None:
                if not met:  # nothing shorter need look before here again: what is reserved stays
                    self._tried[key], met = (lasts, offset), True
                hop = _conflict(own, starts, offset, lasts) or self._taken(request, offset, length)
                if hop is None:
                    return None
                if hop == 0:
                    return _slot(request, offset, length, rate)
            offset += hop
        if not met:
            self._tried[key] = (lasts, offset)
        return None

    def _as_wished(self, request: Request, window: int, length: int, rate: int, limits: Sequence[int]) -> Slot | None:
        """From when it should start on; earlier where that is too late for its window."""
        offset = max(request.lead, min(request.wish or 0, window - length))
        pairs = list(zip(request.resources, limits, strict=True))
        if not _cyclic(request.rhythm, length):
            return self._always(request, window, length, rate, pairs, offset)
        places = self._places(request, rate, pairs)
        starts, lasts = self._starts(request.rhythm), length + request.rhythm.shift
        while offset + length <= window:
            hop = _conflict(places, starts, offset, lasts) or self._taken(request, offset, length)
            if hop is None:
                return None
            if hop == 0:
                return _slot(request, offset, length, rate)
            offset += hop
        return None

    def _always(
        self, request: Request, window: int, length: int, rate: int, pairs: Sequence[tuple[str, int]], offset: int
    ) -> Slot | None:
        """Reserved for at every instant: only its server may have it begin later."""
        for name, limit in pairs:
            if self._occupied[name].peak + max(0, request.on(name, rate) - self._held_by(request, name)) > limit:
                return None
        free = self._from_server(request, window, length, offset)
        return None if free is None else _slot(request, free, length, rate)

    def _places(self, request: Request, rate: int, pairs: Iterable[tuple[str, int]]) -> list[Place]:
        return [(self._occupied[name], limit, request.on(name, rate)) for name, limit in pairs]

    def _held_by(self, request: Request, name: str) -> int:
        """What images of its kind and server hold of a resource at every instant: of these one is taken at a time."""
        return self._always_held.get((request.server, request.incremental, name), 0) if request.server else 0

    def _room(self, request: Request, name: str, limit: int) -> int:
        """What is left to it of `limit`: what its own images hold always it may hold, too, if it comes as often."""
        own = 0 if _cyclic(request.rhythm) else self._held_by(request, name)
        return limit - self._occupied[name].steady + own

    def _from(self, key: object, lasts: int) -> int:
        """Where to begin: one no longer found no room before, and what is reserved stays."""
        shortest, offset = self._tried.get(key, (lasts, 0))
        return offset if shortest <= lasts else 0

    def _starts(self, rhythm: Rhythm) -> list[int]:
        return list(range(rhythm.phase, rhythm.phase + self.cycle, rhythm.period))

    def _reserve(self, request: Request, slot: Slot) -> None:
        for name in request.resources:
            occupied = self._occupied[name]
            if not _cyclic(request.rhythm, slot.length):
                held = self._held_by(request, name)
                occupied.steady += max(0, slot.on(name) - held)
                if request.server:
                    self._always_held[request.server, request.incremental, name] = max(held, slot.on(name))
                continue
            for start in self._starts(request.rhythm):
                occupied.reserve(start + slot.offset, slot.length + request.rhythm.shift, slot.on(name))


def _slot(request: Request, offset: int, length: int, rate: int) -> Slot:
    return Slot(offset, length, request.moving(rate), rate if request.sought else 0)


def _conflict(places: Sequence[Place], starts: Sequence[int], offset: int, length: int) -> int | None:
    for occupied, limit, rate in places:
        for start in starts:
            hop = occupied.conflict(start + offset, length, rate, limit)
            if hop is not None:
                return hop
    return None


def _cyclic(rhythm: Rhythm, length: int = 0) -> bool:
    """Whether the job's slots are intervals of the cycle, rather than all of it."""
    return rhythm.steady and rhythm.period >= SHORTEST and length + rhythm.shift <= rhythm.period
