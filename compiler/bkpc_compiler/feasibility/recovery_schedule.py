"""All databases that a failure takes down come back at once: a start and a rate for each transfer.

Reservations from the instant of the failure on, so that at no time more is promised of a resource than is
left of it. In the order of the latest allowed finish; each takes the rate at which it is done first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from msgspec import Struct

from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.handing import milliseconds
from bkpc_compiler.feasibility.recovery_time import Left, Recovery, Transfer, preparing
from bkpc_compiler.feasibility.starting import creating_term, starting_term
from bkpc_compiler.feasibility.working import Fetching, Handing, Moving, Preparing, Waiting
from bkpc_compiler.source import Span
from bkpc_compiler.timetable.occupancy import Occupancy
from bkpc_grammar.log_objects import AT_ONCE
from bkpc_grammar.quantities import ZERO_DURATION, Duration

FOREVER = 1 << 50
"""Milliseconds: longer than any recovery."""
SHARES = tuple((part, 16) for part in (16, 15, 14, 12, 8, 4))
"""Of the slowest stage's rate: what a transfer may be given to run beside another."""


Rooms = Mapping[str, tuple[Occupancy, int]]
"""By resource: what recoveries reserve of it, and what goes on beside the one that is placed."""
Ends = dict[tuple[str, int], Transfer]
"""What leaves room on a resource at an instant."""


class Move(Struct, frozen=True):
    """One transfer, placed: milliseconds after the failure, reserved bytes per second (0: not narrow)."""

    transfer: Transfer
    start: int
    lasts: int
    rate: int
    ready: int  # when it might have begun, had nothing else been on its way
    narrow: str  # the words of the slowest stage
    waited: str = ""  # the words of what had no room for it before
    behind: tuple[Span, ...] = ()  # the clauses of that, and of what left room there when it ended

    @property
    def end(self) -> int:
        return self.start + self.lasts


class Return(Struct, frozen=True):
    """One database's way back in the schedule."""

    recovery: Recovery
    moves: tuple[Move, ...]

    @property
    def done(self) -> int:
        """When it is loaded, replayed and believed, in milliseconds after the failure."""
        return self.loaded + self.recovery.checking

    @property
    def bound(self) -> Bound:
        """The terms of its own time: they add up to `done`."""
        terms = list(self.recovery.lead)
        rounding = self.recovery.begins - sum((term.duration.amount for term in terms), start=Fraction(0)) * 1000
        if rounding:
            terms.append(Term("rounding to milliseconds", Duration(Fraction(rounding, 1000))))
        for move in self.moves:
            if move.start > move.ready:
                words = f"until others leave room: {move.waited}"
                wait = Duration(Fraction(move.start - move.ready, 1000))
                terms.append(Term(words, wait, move.behind, working=Waiting(self.recovery, move)))
            terms += _started(self.recovery, move)
            terms += _fetched(self.recovery, move)
            terms.append(_moved(self.recovery, move))
            terms += _handed(self.recovery, move)
            terms += _prepared(self.recovery, move)
        return self._checked(Bound(tuple(terms)))

    @property
    def loaded(self) -> int:
        """When it is loaded and replayed, in milliseconds."""
        return self.moves[-1].end

    def after(self, others: Bound) -> Bound:
        """Its bound where what it needs is in service at `others` only: it is checked after that."""
        return self.bound if others.total.amount * 1000 <= self.loaded else self._checked(others)

    def _checked(self, before: Bound) -> Bound:
        checking = Fraction(self.done - self.loaded, 1000)
        tail = self.recovery.tail
        if not tail:
            return before
        return before.plus(Term(tail[0].label, Duration(checking), tail[0].spans, tail[0].origin))


def schedule_of(recoveries: Sequence[Recovery], finishes: Mapping[str, Fraction | int]) -> Mapping[str, Return | None]:
    """When each database is back, by name; None where nothing is left of a resource on its way.

    `finishes`: the latest allowed finish of each, in milliseconds; those without one come last.
    """
    hosts = Counter(one.setting.ways.restores_of(one.database).name for one in recoveries)
    occupied: dict[str, Occupancy | None] = {}
    for one in recoveries:
        if hosts[one.setting.ways.restores_of(one.database).name] == 1:
            _alone_on_its_host(one, occupied)
    order = sorted(recoveries, key=lambda one: (_latest_start(one, finishes), one.database.name))
    ends: Ends = {}
    return {one.database.name: _placed(one, occupied, ends) for one in order}


def _alone_on_its_host(recovery: Recovery, occupied: dict[str, Occupancy | None]) -> None:
    """Nothing else is loaded there, and the log comes after the image: nothing need be looked for."""
    ways = recovery.setting.ways
    for one in (ways.restores_of(recovery.database), ways.replays_of(recovery.database)):
        occupied[one.name] = None


def _latest_start(recovery: Recovery, finishes: Mapping[str, Fraction | int]) -> Fraction | int:
    latest = finishes.get(recovery.database.name)
    return (FOREVER * 1000 if latest is None else latest) - (recovery.most or 0)


def _placed(recovery: Recovery, occupied: dict[str, Occupancy | None], ends: Ends) -> Return | None:
    if recovery.most is None:
        return None
    at = recovery.begins
    moves = []
    for transfer in recovery.transfers:
        move = _move(transfer, at, recovery.left, occupied, ends)
        if move is None:
            return None
        moves.append(move)
        at = move.end
    return Return(recovery, tuple(moves))


def _move(transfer: Transfer, ready: int, left: Left, occupied: dict[str, Occupancy | None], ends: Ends) -> Move | None:
    found = transfer.rate(left)
    if found is None:
        return Move(transfer, ready, transfer.waits, 0, ready, "")
    fastest, slowest = found
    rooms = _rooms(transfer, left, occupied)
    best: tuple[int, int, int] | None = None
    waited = ""
    for numerator, denominator in SHARES:
        rate = fastest * numerator // denominator
        if rate <= 0:
            break
        lasts = transfer.lasts(rate)
        latest = FOREVER if best is None else best[0] - lasts - 1
        if ready > latest:
            break
        start, blocker = _first_room(rooms, ready, lasts, rate, latest)
        if best is None or start + lasts < best[0]:
            best, waited = (start + lasts, start, rate), blocker
    if best is None:
        return None
    end, start, rate = best
    behind: tuple[Span, ...] = ()
    if start > ready:
        before = ends.get((waited, start))
        behind = (*(one.span for one in transfer.resources if one.name == waited and one.span),
                  *(before.spans if before else ()))  # fmt: skip
    for name, (occupancy, _) in rooms.items():
        occupancy.reserve(start, end - start, rate)
        ends[name, end] = transfer
    words = next((one.words for one in transfer.resources if one.name == waited), "")
    return Move(transfer, start, end - start, rate, ready, slowest.words, words, behind)


def _rooms(transfer: Transfer, left: Left, occupied: dict[str, Occupancy | None]) -> Rooms:
    """What is reserved of each narrow resource on the way."""
    rooms = {}
    for one in transfer.resources:
        room = left.usable(one)
        if room is not None:
            whole = left.setting.ways.usable(one) or 0
            if one.name not in occupied:
                occupied[one.name] = Occupancy(FOREVER, whole)
            if (occupancy := occupied[one.name]) is not None:
                rooms[one.name] = (occupancy, whole - room)
    return rooms


def _first_room(rooms: Rooms, start: int, lasts: int, rate: int, latest: int) -> tuple[int, str]:
    """The first start at which all have room, and which of them had none before; some start after `latest` where
    there is none up to then."""
    blocker = ""
    while True:
        last = start
        for name, (room, beside) in rooms.items():
            begin = room.first_room(start, lasts, rate + beside, latest)
            if begin > last:
                last, blocker = begin, name
        if last == start or last > latest:
            return last, blocker
        start = last


def _started(recovery: Recovery, move: Move) -> tuple[Term, ...]:
    """What a recovery takes to start; and its tables beside their bytes, where it loads them one by one."""
    if move.transfer.follows is not None:
        return ()
    return (*starting_term(recovery.database), *(creating_term(recovery) if move.transfer.logical else ()))


def _fetched(recovery: Recovery, move: Move) -> tuple[Term, ...]:
    """What the pieces of a log or an image cost beside their bytes, if anything."""
    reading, objects = move.transfer.reading, move.transfer.objects
    asking = reading or objects
    if asking is None:
        return ()
    words = f"latency of {reading.objects:,} objects of log, {AT_ONCE} at once" if reading else ""
    if objects:
        words = f"latency of {objects.count:,} objects of the image, {AT_ONCE} small ones at once"
        if objects.pieces >= objects.parts:
            words = f"latency of {objects.count:,} objects of the image"
    takes = Duration(Fraction(asking.wait, 1000))
    return (Term(words, takes, asking.spans, asking.links[0].latency.origin, Fetching(recovery, move)),)


def _handed(recovery: Recovery, move: Move) -> tuple[Term, ...]:
    """What it costs that an applier gets whole binlogs, if anything."""
    takes = move.transfer.handed(move.rate) if move.rate else 0
    if not takes:
        return ()
    words = "until whole binlogs are there and executed"
    working = Handing(recovery, move)
    return (Term(words, Duration(Fraction(takes, 1000)), move.transfer.spans, working=working),)


def _prepared(recovery: Recovery, move: Move) -> tuple[Term, ...]:
    """What preparing physical images takes, if any are loaded."""
    count, each = move.transfer.prepared, move.transfer.database.prepares
    if not count or each is None or not each.value.amount:
        return ()
    words = f"prepare {count} images, one onto the other" if count > 1 else "prepare the image"
    takes = Duration(Fraction(preparing(move.transfer.database, count), 1000))
    return (Term(words, takes, (each.span,), each.origin, Preparing(recovery, move)),)


def _moved(recovery: Recovery, move: Move) -> Term:
    """The transfer as a term; at its full rate it names the slowest stage."""
    if not move.rate:
        return Term(move.transfer.what, ZERO_DURATION, working=Moving(recovery, move))
    lasts = Duration(Fraction(milliseconds(move.transfer.bytes, move.rate), 1000))
    slowest = next(one for one in move.transfer.resources if one.words == move.narrow)
    return move.transfer.term(slowest, lasts, Moving(recovery, move))
