"""How the duration of a term is worked out, down to figures that a clause gives or the plan reserves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.explanation import ages, asking, image_pieces, least_ages, log_pieces, logs, slots
from bkpc_compiler.explanation.chains import counted, increments
from bkpc_compiler.explanation.clauses import Clauses
from bkpc_compiler.explanation.explanation import Cell
from bkpc_compiler.explanation.looks import Looks
from bkpc_compiler.explanation.sheet import Sheet, renamed
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.looking import End
from bkpc_compiler.feasibility.recovery_point import Line, lost_at_most, most_lost
from bkpc_compiler.feasibility.recovery_schedule import Move
from bkpc_compiler.feasibility.recovery_time import Left, Recovery, Transfer, preparing
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.feasibility.thaw import DAY, asked_of
from bkpc_compiler.feasibility.together import Outage
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.feasibility.working import (
    Ageing,
    Apart,
    Asking,
    AtBest,
    Copying,
    Creating,
    Crowding,
    Fetching,
    Finding,
    Forced,
    Handing,
    Joining,
    Listing,
    Logging,
    Looking,
    Moving,
    Preparing,
    Queueing,
    Reaching,
    Waiting,
)
from bkpc_grammar.log_objects import OBJECT
from bkpc_grammar.quantities import Rate

PARTS = 16
"""A transfer beside others gets so many parts of its way."""
NAMED = 3
"""Flows that a note names."""
SHOWN = 6
"""Transfers of others that a wait shows: the one that makes room, then the fastest."""


class Workings:
    """The calculations of the terms of one failure."""

    def __init__(self, analysis: Analysis, outage: Outage, clauses: Clauses) -> None:
        self.analysis, self.outage, self.clauses = analysis, outage, clauses
        self.program = analysis.program

    def cells(self, term: Term) -> tuple[Cell, ...]:
        """The calculation of `term`: its last figure is the duration. Empty where the term's clause says it all."""
        sheet = Sheet(self.clauses)
        match term.working:
            case Creating(recovery):
                image_pieces.creating(sheet, recovery.database)
            case (
                Moving(recovery, move)
                | Fetching(recovery, move)
                | Handing(recovery, move)
                | Preparing(recovery, move) as shown
            ):
                self._moving(sheet, recovery, move, shown)
            case Waiting(recovery, move):
                self._waiting(sheet, recovery, move)
            case AtBest() as part:
                self._at_best(sheet, part)
            case Crowding(parts, through):
                self._crowding(sheet, parts, through)
            case Queueing() | Joining() | Looking() | Asking() | Listing() | Finding() as one:
                self._before(sheet, one, term.duration.amount)
            case Logging() as one:
                logs.logging(sheet, one, self.program)
            case Ageing() as one:
                ages.ageing(sheet, one, self.analysis)
            case Apart() | Forced() as one:
                least_ages.waiting(sheet, one, term.duration.amount)
            case Reaching(lines):
                self._reaching(sheet, lines, term.duration.amount)
            case Copying(job):
                bytes_ = sheet.given("bytes", job.bytes, "B", f"size of `{job.database}`", job.size.span)
                self._at_capacity(
                    sheet, bytes_, min((x for x in job.resources if x.firm), key=lambda x: (x.most, x.name))
                )
            case None:
                pass
        return tuple(sheet.cells)

    def _moving(
        self, sheet: Sheet, recovery: Recovery, move: Move, shown: Moving | Fetching | Handing | Preparing
    ) -> None:
        """What the bytes of a transfer take at its rate; or what the pieces of a log, or preparing, cost besides."""
        transfer = move.transfer
        if isinstance(shown, Preparing):
            self._preparing(sheet, recovery, move)
            return
        if transfer.follows is None:
            self._image(sheet, transfer, recovery.line.image.store.name)
        else:
            ages.age(sheet, transfer.follows, recovery.share, self.analysis)
            self._log(sheet, transfer)
        if isinstance(shown, Fetching) and transfer.reading:
            log_pieces.fetching(sheet, transfer.reading)
            return
        if isinstance(shown, Fetching) and transfer.objects:
            image_pieces.fetching(sheet, transfer.objects, transfer.prepared)
            return
        if not move.rate:
            sheet.given("takes", 0, "s", "nothing on its way is known to be narrow")
            return
        slowest = next(one for one in transfer.resources if one.words == move.narrow)
        left = self.left_of(sheet, slowest, recovery.left, transfer.resources)
        if move.rate == left:
            sheet.follows("rate", "left", move.rate, "B/s")
        else:
            part = next(part for part in range(1, PARTS) if left * part // PARTS == move.rate)
            beside = _named([_told(one) for one in self._others(recovery, move, transfer.resources, move.end)])
            sheet.follows(
                "rate", f"floor(left * {part} / {PARTS})", move.rate, "B/s", f"the part with room beside {beside}"
            )
        sheet.takes(Fraction(transfer.bytes), Fraction(move.rate))
        if isinstance(shown, Handing):
            log_pieces.handing(sheet, move)

    def _preparing(self, sheet: Sheet, recovery: Recovery, move: Move) -> None:
        database, image = recovery.database, recovery.line.image
        behind = ""
        if image.behind:
            behind = f" + {counted(sheet, slots.of_database(self.analysis, database.name), image.store.name)}"
        sheet.follows("images", f"1{behind}", move.transfer.prepared, "", "the full one, and those behind it")
        assert database.prepares is not None
        each = database.prepares
        sheet.given("prepares", each.value, "s", "what preparing one of them takes", each.span)
        takes = Fraction(preparing(database, move.transfer.prepared), 1000)
        sheet.follows("takes", "images * ceil(prepares * 1000) / 1000", takes, "s")

    def _image(self, sheet: Sheet, transfer: Transfer, store: str) -> None:
        name = transfer.database.name
        size = transfer.database.size
        if not transfer.increments:
            sheet.given("bytes", transfer.bytes, "B", f"size of `{name}`", size.span)
            return
        sheet.given("size", size.value.bytes_up(), "B", f"of `{name}`", size.span)
        behind = increments(sheet, slots.of_database(self.analysis, name), store)
        sheet.follows("bytes", f"size + {behind}", transfer.bytes, "B")

    def _log(self, sheet: Sheet, transfer: Transfer) -> None:
        """What is written since the snapshot, and a burst; the sheet has the age already."""
        database = transfer.database
        sheet.given("writes", database.writes.value, "B/s", f"log of `{database.name}`", database.writes.span)
        sheet.given("burst", database.burst.value, "B", "that comes at once", database.burst.span)
        sheet.follows("bytes", "ceil(writes * age + burst)", transfer.bytes, "B")

    def left_of(self, sheet: Sheet, one: Resource, left: Left, way: Iterable[Resource] = ()) -> int:
        """What the failure leaves of a resource: its capacity less headroom, less what goes on beside it.

        `way`: other resources passed, to say that they are wider.
        """
        assert one.capacity is not None
        usable = left.usable(one)
        assert usable is not None
        sheet.given("capacity", one.capacity, "B/s", one.words, one.span)
        room = "floor(capacity)"
        if not one.name.startswith("database:"):
            headroom = self.program.headroom
            sheet.given("headroom", headroom.value, "", "that nobody counts on", headroom.span)
            room = "floor(capacity * (1 - headroom))"
        streams, jobs = self._beside(sheet, one, left)
        beside = "".join(f" - {name}" for name, rate in (("streams", streams), ("jobs", jobs)) if rate)
        wider = [f"{x.words} {left.usable(x):,}" for x in way if x != one and left.usable(x) is not None]
        note = f"wider: {', '.join(dict.fromkeys(wider))}" if wider else ""
        sheet.follows("left", f"max(0, {room}{beside})" if beside else room, usable, "B/s", note)
        return usable

    def _beside(self, sheet: Sheet, one: Resource, left: Left) -> tuple[int, int]:
        """What streams and jobs that the failure leaves reserve of a resource."""
        beside, demand = left.background, self.analysis.demand
        detours = [x for x, more in beside.detours if one in more]
        streams = [x for x in demand.streams if one in x.resources and beside.goes_on(x)]
        streams += [x for x in detours if isinstance(x, StreamDemand)]
        jobs = [x for x in demand.jobs if one in x.resources and beside.goes_on(x)]
        jobs += [x for x in detours if isinstance(x, JobDemand)]
        steady = sum(x.rate for x in streams)
        peak = left.background(one.name) - steady
        if streams:
            names = [f"{x.id} to `{x.store}` {x.rate:,}" for x in streams]
            sheet.given("streams", steady, "B/s", f"reserved for {_named(names)}")
        if peak:
            of = _named([x.id for x in jobs])
            sheet.given("jobs", peak, "B/s", f"the most that is kept for jobs at any instant: {of}")
        return steady, peak

    def _waiting(self, sheet: Sheet, recovery: Recovery, move: Move) -> None:
        """Room comes when a transfer of another ends: that one, and those that are on the same way meanwhile."""
        sheet.given("ready", Fraction(move.ready, 1000), "s", "after the failure; it could begin then")
        waited = {one for one in move.transfer.resources if one.words == move.waited}
        others = self._others(recovery, move, waited, move.start)
        others.sort(key=lambda one: (one.end != move.start, -one.rate, one.transfer.database.name))
        for number, other in enumerate(others[:SHOWN], 1):
            sheet.given(f"end_{number}", Fraction(other.end, 1000), "s", _told(other))
        more = f", beside {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        begins, room = Fraction(move.start, 1000), f"room on {move.waited}{more}"
        if others and others[0].end == move.start:
            sheet.follows("begins", "end_1", begins, "s", room)
        else:
            sheet.given("begins", begins, "s", f"the first instant with {room}")
        sheet.follows("wait", "begins - ready", Fraction(move.start - move.ready, 1000), "s")

    def _others(self, recovery: Recovery, move: Move, shared: Collection[Resource], until: int) -> list[Move]:
        """What other databases move through `shared` from when `move` could begin, by database."""
        found = []
        for name, back in sorted(self.outage.returns.items()):
            for other in back.moves if back and name != recovery.database.name else ():
                meanwhile = other.rate and other.end > move.ready and other.start <= until
                if meanwhile and any(one in shared for one in other.transfer.resources):
                    found.append(other)
        return found

    def _reaching(self, sheet: Sheet, lines: Sequence[Line], lasts: Fraction) -> None:
        """The slowest log: the image may tell any moment until it is whole."""
        slowest, delay = None, Fraction(-1)
        for line in lines:
            lost = lost_at_most(line, Fraction(1)) if line.log else None
            if lost is not None and lost > delay:
                slowest, delay = line, lost
        bound = most_lost(slowest, Fraction(1)) if slowest else None
        assert bound is not None
        parts = []
        for number, term in enumerate(bound.terms, 1):
            sheet.add(renamed(self.cells(term), f"log{number}"))
            parts.append(sheet.cells[-1].name)
        note = f"until the slowest log, of `{slowest.log.database}`, is there" if slowest and slowest.log else ""
        sheet.follows("late", " + ".join(parts), delay, "s", note)
        sheet.follows("wait", "ceil(late * 1000) / 1000", lasts, "s")

    def _at_best(self, sheet: Sheet, part: AtBest) -> None:
        self._least_bytes(sheet, part)
        if part.slowest is None:
            sheet.given("takes", 0, "s", "no rate on its way is declared, and a cautious one refutes nothing")
            return
        self._at_capacity(sheet, Fraction(part.transfer.bytes), part.slowest)

    def _least_bytes(self, sheet: Sheet, part: AtBest) -> None:
        """The image, or the log that must follow it."""
        if part.follows is None:
            self._image(sheet, part.transfer, part.recovery.line.image.store.name)
            return
        self._least_age(sheet, part.follows.age)
        database, spared = part.transfer.database, part.follows.spared
        common = part.follows.common
        words = "the point in common of its group may be so old" if common else "an image no older would do alone"
        sheet.given("spared", spared.value, "s", f"that may be lost: {words}", spared.span)
        sheet.given("writes", database.writes.value, "B/s", f"log of `{database.name}`", database.writes.span)
        logs.surely(sheet, database.burst)
        age = "(age - spared)" if common else "age"
        sheet.follows("bytes", f"ceil(writes * {age} + burst)", part.transfer.bytes, "B")

    def _least_age(self, sheet: Sheet, bound: Bound) -> None:
        """The age that no schedule betters: each of its terms under names of its own."""
        parts = []
        for number, term in enumerate(bound.terms, 1):
            cells = renamed(self.cells(term), f"age{number}")
            if not cells:  # the clause says it all
                sheet.given(
                    f"age{number}", term.duration.amount, "s", term.label, term.spans[0] if term.spans else None
                )
                parts.append(f"age{number}")
                continue
            sheet.add(cells)
            parts.append(cells[-1].name)
        sheet.follows("age", " + ".join(parts), bound.total.amount, "s", "no image is younger at the worst instant")

    def _at_capacity(self, sheet: Sheet, bytes_: Fraction, one: Resource) -> None:
        sheet.given("capacity", Rate(one.most), "B/s", one.words, one.span)
        sheet.follows("takes", "bytes / capacity", bytes_ / one.most, "s")

    def _crowding(self, sheet: Sheet, parts: Iterable[AtBest], through: Resource) -> None:
        total, names = Fraction(0), []
        for number, part in enumerate(parts, 1):
            own = Sheet(self.clauses)
            self._least_bytes(own, part)
            if part.follows is None:
                (image,) = own.cells
                cells = [replace(image, name=f"bytes_{number}")]
            else:
                cells = renamed(own.cells, f"log{number}")
            sheet.add(cells)
            names.append(cells[-1].name)
            total += part.transfer.bytes
        sheet.follows("bytes", " + ".join(names), total, "B")
        self._at_capacity(sheet, total, through)

    def _before(
        self, sheet: Sheet, one: Queueing | Joining | Looking | Asking | Listing | Finding, lasts: Fraction
    ) -> None:
        """What comes before any byte is loaded, and concerns others too."""
        match one:
            case Queueing(_, storage):
                self._queueing(sheet, storage, lasts)
            case Joining():
                asking.joining(sheet, one, lasts)
            case Looking():
                asking.looking(sheet, one, lasts)
            case Asking():
                asking.asking(sheet, one, lasts, self.analysis)
            case Listing(look, recovery):
                Looks(sheet, self.analysis, self._left_before).listing(look, recovery)
            case Finding(look):
                Looks(sheet, self.analysis, self._left_before).finding(look)

    def _left_before(self, sheet: Sheet, end: End) -> int:
        assert end.rate is not None
        return self.left_of(sheet, end.rate[1], end.recovery.left, end.way)

    def _queueing(self, sheet: Sheet, storage: str, lasts: Fraction) -> None:
        """What all recoveries of the failure thaw of one class, against its quota."""
        parts: list[str] = []
        of_class = [
            (one, asked)
            for one in self.outage.recoveries
            for asked in asked_of(one.database, one.line)
            if asked.storage.name == storage
        ]
        for one, asked in of_class:
            parts.append(name := f"bytes_{len(parts) + 1}")
            if not asked.log:
                self._thawed_image(sheet, one, name)
                continue
            own = Sheet(self.clauses)
            ages.age(own, one.line.image, Fraction(1), self.analysis)
            database = one.database
            own.given("writes", database.writes.value, "B/s", f"log of `{database.name}`", database.writes.span)
            own.given("burst", database.burst.value, "B", "that comes at once", database.burst.span)
            own.given("object", OBJECT, "B", "the largest, in which it begins")
            own.follows("bytes", "ceil(writes * age + burst) + object", asked.bytes, "B", f"log of `{database.name}`")
            sheet.add(renamed(own.cells, f"log{len(parts)}"))
            parts[-1] = sheet.cells[-1].name
        if self.outage.copies.bytes.get(storage, 0):
            parts.append(f"ceil({slots.copied(sheet, of_class[0][1].storage, self.analysis)})")
        day = slots.quota(sheet, of_class[0][1].storage)
        sheet.follows("days", f"max(0, ceil(({' + '.join(parts)}) / {day}) - 1)", lasts / DAY, "", "before its own")
        sheet.follows("wait", f"days * {DAY}", lasts, "s")

    def _thawed_image(self, sheet: Sheet, one: Recovery, name: str) -> None:
        database, behind = one.database, one.line.image.behind
        words = f"of `{database.name}` thaw"
        if not behind or not behind.bytes:
            sheet.given(name, database.size.value.bytes_up(), "B", words, database.size.span)
            return
        sheet.given(f"full_{name}", database.size.value.bytes_up(), "B", f"of `{database.name}`", database.size.span)
        of = slots.of_database(self.analysis, database.name)
        more = increments(sheet, of, one.line.image.store.name, f"_{name}")
        sheet.follows(name, f"full_{name} + {more}", one.line.image.loaded(database.size.value), "B", words)


def _told(move: Move) -> str:
    """`orders`: load 300GiB at 209,715,200 B/s from 2100.5 s on."""
    since = f"{move.start // 1000}.{move.start % 1000:03}".rstrip("0").rstrip(".")
    return f"`{move.transfer.database.name}`: {move.transfer.what} at {move.rate:,} B/s from {since} s on"


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
