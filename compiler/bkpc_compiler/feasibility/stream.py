"""The binlog of one database on its way to one store: what it asks, and how long a transaction may be on its way."""

from __future__ import annotations

from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.estate.resources import Resource, narrowest
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.log_delay import Arrivals, Delay, delay, least_delay
from bkpc_compiler.feasibility.working import Logging, Part
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Given, HotLevel, Origin
from bkpc_compiler.source import Span
from bkpc_grammar.log_objects import ANSWERED_MS, WHOLE_SECONDS_MS
from bkpc_grammar.quantities import Duration, Rate, Size

FLUSHED = "until the log is flushed"
NOTED = "until it is noted that nothing else was committed"
SENT_AT_ONCE = "what a commit waits for is sent at once"
FULL_AT_ONCE = "a full object is sent at once"
BEHIND = "it is cut while others are on their way"


class StreamDemand(Struct, frozen=True, dict=True):
    """`rate`: reserved, bytes per second. `least`: what it is reserved for with no promise to keep. `enough`: the least
    at which it keeps all promises that it serves; None: it serves none. `known`: of a member of a group, milliseconds
    between two notes of until when the log is complete: the others go back to where that is known."""

    id: str
    database: str
    level: HotLevel
    store: str
    resources: tuple[Resource, ...]
    latency: Duration
    writes: Given[Rate]
    burst: Given[Size]
    rate: int
    least: int
    enough: int | None = None
    fits: bool = True
    known: int | None = None

    @once
    def flush_apart(self) -> int:
        """Milliseconds between two objects at least that are cut since the flush has passed."""
        return max(1, int(self.level.flush.value.amount * 1000))

    @once
    def reserved(self) -> Delay | None:
        """How long a committed transaction may be on its way, at the reserved rate; None where it has none."""
        return delay(arrivals_of(self), self.rate) if self.fits else None

    @once
    def noted(self) -> Fraction:
        """Seconds from a commit that is stored until the others of its group may go back to a point behind it."""
        if self.known is None:
            return Fraction(0)
        return Fraction(self.known + ANSWERED_MS + WHOLE_SECONDS_MS, 1000) + self.latency.amount

    @once
    def at_most(self) -> Fraction | None:
        """The whole of `reserved`, in seconds, and until it is known of a member of a group."""
        if self.reserved is None:
            return None
        return self.reserved.total if self.known is None else self.reserved.total + self.noted

    @once
    def most_delay(self) -> Bound | None:
        """The terms of `at_most`."""
        arrived = self._most_arrived
        if arrived is None or self.known is None:
            return arrived
        noted = Term(NOTED, Duration(self.noted), (self.level.span,), working=Logging(self, Part.NOTED, best=False))
        return arrived.plus(noted)

    @once
    def _most_arrived(self) -> Bound | None:
        """The terms of `reserved`."""
        reserved = self.reserved
        if reserved is None:
            return None
        rate, burst, writes = "at the reserved rate", self.burst.span, self.writes.span
        flush = self.level.flush.span
        if reserved.behind and not self.level.sync:
            return _terms(self, reserved, (BEHIND, burst, writes, flush), (f"what is before it, {rate}", burst, writes))
        if reserved.behind:
            until = f"while a batch with a burst of {self.burst.value} is on its way, {rate}"
            return _terms(self, reserved, (until, burst, writes, flush), (f"what is written meanwhile, {rate}", writes))
        through = f"a burst of {self.burst.value} and what is written meanwhile, {rate}"
        if reserved.collected == self.level.flush.value.amount:
            return _terms(self, reserved, (FLUSHED, flush), (through, burst, writes))
        return _terms(self, reserved, ("while the batch before is on its way", writes), (through, burst, writes))

    @property
    def silent(self) -> bool:
        """Whether nobody says that anything is ever written: nothing may be lost, however late the log is."""
        return not self.writes.value.amount and (not self.burst.value.amount or self.burst.origin is Origin.STANDARD)

    @once
    def best(self) -> Delay | None:
        """The same with the whole way for itself; None where the log falls behind for ever."""
        narrow = narrowest(self.resources)
        return least_delay(self.arrivals_at_best, narrow.most if narrow else Fraction(1 << 62))

    @once
    def arrivals_at_best(self) -> Arrivals:
        """What the log asks of its way at least: of a burst that is only assumed nobody knows how small it is. With
        `hot sync` what a commit waits for is sent at once: a byte at least."""
        log = arrivals_of(self)
        if self.burst.origin is Origin.STANDARD:
            log = replace(log, burst=Fraction(0))
        return replace(log, flush=Fraction(0), burst=max(log.burst, Fraction(1))) if self.level.sync else log

    @once
    def at_least(self) -> Fraction | None:
        """The whole of `best`, in seconds."""
        if self.silent:
            return Fraction(0)
        return self.best.total if self.best else None

    @once
    def least_delay(self) -> Bound | None:
        """The terms of `best`."""
        if self.silent:
            return Bound(())
        best, narrow = self.best, narrowest(self.resources)
        if best is None:
            return None
        where = narrow.words if narrow else "the way"
        passed = (narrow.span,) if narrow and narrow.span else ()
        surely = self.burst.origin is not Origin.STANDARD
        what, span = ("a burst", self.burst.span) if surely else ("what is written", self.writes.span)
        flushed = FLUSHED if best.collected else FULL_AT_ONCE
        until = (SENT_AT_ONCE, self.level.span) if self.level.sync else (flushed, self.level.flush.span)
        return _terms(self, best, until, (f"{what} through {where}", span, *passed), best=True)

    @property
    def hopeless(self) -> bool:
        """Whether the log is written faster than its way can ever carry it."""
        return any(one.firm and self.writes.value.amount > one.most for one in self.resources)


def arrivals_of(stream: StreamDemand) -> Arrivals:
    """What the log of `stream` asks of its way."""
    return Arrivals(
        stream.writes.value.amount,
        stream.burst.value.amount,
        stream.level.flush.value.amount,
        stream.latency.amount,
        stream.level.sync,
    )


def _terms(
    stream: StreamDemand,
    parts: Delay,
    until: tuple[str, *tuple[Span, ...]],
    through: tuple[str, *tuple[Span, ...]],
    *,
    best: bool = False,
) -> Bound:
    """The words and clauses of the first and of the last part."""
    way = f"latency on the way to `{stream.store}`"
    cut, late, carried = (Logging(stream, part, best) for part in (Part.COLLECTED, Part.LATENCY, Part.CARRIED))
    origin = stream.burst.origin if parts.behind else stream.level.flush.origin
    arises = stream.writes.origin if best and stream.burst.origin is Origin.STANDARD else stream.burst.origin
    return Bound(
        (
            Term(until[0], Duration(parts.collected), until[1:], origin, cut),
            Term(way, Duration(parts.latency), working=late),
            Term(through[0], Duration(parts.carried), through[1:], arises, carried),
        )
    )
