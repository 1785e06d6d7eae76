"""How long a committed transaction may be on its way into a store, by network calculus over the objects of a log.

The stream cuts an object `flush` after its first transaction, or as soon as it is full, 16 MiB, and sends one after the
other. What is in an object counts when the object is whole. Arrivals in any interval t are at most burst + writes·t.

Each object costs the way's latency T; for 16 MiB there are two at most, and where a binlog ends, 16 MiB long at least,
three requests more. So let c = 1/rate + 5·T/16MiB be what a byte costs, and writes·c + T/flush < 1: else objects pile
up, and nothing bounds it. An object that waits for no other is stored at most flush + 2·T + min(burst + writes·flush,
16MiB)/rate after its first transaction; one that does 8·T + (burst + 2·writes·flush)·c. See docs/feasibility.md.

What commits wait for (`hot sync`) is cut when a quorum of stores has what was cut before.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil, inf

from msgspec import Struct

from bkpc_grammar.log_objects import BINLOG_ENDS, LEAST_BINLOG, OBJECT, PIECES
from bkpc_grammar.quantities import no_more

_OBJECT = Fraction(OBJECT)
_NOTHING = Fraction(0)
_BEYOND_DOUBT = 1 + 1e-9
_RATIO = Fraction.as_integer_ratio
_REMEMBERED = 4096
"""So many rates are kept: an estate repeats its figures."""
ALONE = 2
"""Requests until an object is stored that waits for no other: it may be the first of its binlog."""
BEHIND = 2 + 2 * BINLOG_ENDS
"""Of one that waits for others, beside those that their bytes cost: itself, one that was flushed in the `flush` before
it, and the ends of two binlogs, of one that began before them all and of one that was ended by request."""
EACH = PIECES + -(-BINLOG_ENDS * OBJECT // LEAST_BINLOG)
"""Requests for an object's bytes at most."""


class Arrivals(Struct, frozen=True):
    """A log and its way: bytes, seconds, bytes per second. `in_turns`: an object is cut when that before is stored."""

    writes: Fraction
    burst: Fraction
    flush: Fraction
    latency: Fraction
    in_turns: bool = False


class Delay(Struct, frozen=True):
    """The parts of the bound, in seconds: they add up to it.

    `behind`: it is longest for what is written while something else is on its way.
    """

    collected: Fraction  # until the batch is cut
    latency: Fraction
    carried: Fraction  # until its bytes are through
    behind: bool = False

    @property
    def total(self) -> Fraction:
        # Reduced once, not after each sum.
        a, one = self.collected.as_integer_ratio()
        b, two = self.latency.as_integer_ratio()
        c, three = self.carried.as_integer_ratio()
        return Fraction((a * two + b * one) * three + c * one * two, one * two * three)


def delay(log: Arrivals, rate: Fraction | int) -> Delay | None:
    """The bound at `rate`; None where the log falls behind for ever, or objects pile up."""
    if log.in_turns:
        return _delay_in_turns(log, rate)
    # On numerators and denominators: fractions that are reduced at each step take five times as long.
    writes, per = log.writes.as_integer_ratio()
    late, unit = log.latency.as_integer_ratio()
    bytes_, seconds = rate.as_integer_ratio()
    flush, parts = log.flush.as_integer_ratio()
    cost, of = seconds * unit * OBJECT + EACH * late * bytes_, bytes_ * unit * OBJECT
    if writes * cost >= per * of:
        return None
    if late and writes * cost * unit * flush + late * parts * per * of >= per * of * unit * flush:
        return None
    burst, grain = log.burst.as_integer_ratio()
    met, scale = writes * flush, per * parts  # bytes written in a flush
    held = min(burst * scale + met * grain, OBJECT * grain * scale)
    ahead = burst * scale + 2 * met * grain
    # Of the two, the later in floating point where that is beyond doubt; exactly where it is not.
    first = flush / parts + ALONE * late / unit + held * seconds / (grain * scale * bytes_)
    second = BEHIND * late / unit + ahead * cost / (grain * scale * of)
    alone = Delay(log.flush, Fraction(ALONE * late, unit), Fraction(held * seconds, grain * scale * bytes_))
    if first > second * _BEYOND_DOUBT:
        return alone
    behind = Delay(_NOTHING, Fraction(BEHIND * late, unit), Fraction(ahead * cost, grain * scale * of), behind=True)
    return behind if second > first * _BEYOND_DOUBT or behind.total > alone.total else alone


def _delay_in_turns(log: Arrivals, rate: Fraction | int) -> Delay | None:
    """Where a batch is cut when a quorum of stores has that before."""
    # On numerators and denominators: fractions that are reduced at each step take five times as long.
    writes, per = log.writes.as_integer_ratio()
    late, unit = log.latency.as_integer_ratio()
    bytes_, seconds = rate.as_integer_ratio()
    cost, of = seconds * unit * OBJECT + late * bytes_, bytes_ * unit * OBJECT
    share, whole = writes * cost, per * of
    if share >= whole:
        return None
    gap, parts = log.flush.as_integer_ratio()
    if late * whole * parts > gap * unit * (whole - share):
        gap, parts = late * whole, unit * (whole - share)
    burst, grain = log.burst.as_integer_ratio()
    met, scale = writes * gap, per * parts  # bytes written in a gap
    held = min(met, OBJECT * scale)
    batch = late * grain * scale * of + (burst * scale + met * grain) * cost * unit
    long = unit * grain * scale * of
    then = min(writes * batch, OBJECT * per * long)
    carried, carries = (burst * scale + held * grain) * cost, grain * scale * of
    # Of the two, the later in floating point where that is beyond doubt; exactly where it is not.
    first = gap / parts + carried / carries
    second = batch / long + then * cost / (per * long * of)
    one = Delay(Fraction(gap, parts), log.latency, Fraction(carried, carries))
    if first > second * _BEYOND_DOUBT:
        return one
    two = Delay(Fraction(batch, long), log.latency, Fraction(then * cost, per * long * of), behind=True)
    return two if second > first * _BEYOND_DOUBT or two.total > one.total else one


def least_delay(log: Arrivals, capacity: Fraction) -> Delay | None:
    """What no stream betters that flushes as declared and cuts an object once it is full, with the way for itself.

    Something less than an object waits to be flushed, and is then sent; or a burst comes at once, of transactions so
    small that its objects are full, and what is in none of these, or comes right after it, is sent when they are
    stored, one after the other. None where the log is written faster than the way carries it.
    """
    if not no_more(log.writes, capacity):
        return None
    met, full = log.writes * log.flush, full_of(log)
    flushed = Delay(log.flush, log.latency, (_OBJECT if full else min(log.burst + met, _OBJECT)) / capacity)
    if not full:
        return flushed  # the burst is part of it
    whole = full * OBJECT + min(log.burst - full * OBJECT + met, _OBJECT)
    at_once = Delay(_NOTHING, (full + 1) * log.latency, whole / capacity)
    # As with `delay`, in floating point where that is beyond doubt.
    later = float(log.flush) + OBJECT / float(capacity), full * float(log.latency) + float(whole) / float(capacity)
    if later[0] > later[1] * _BEYOND_DOUBT:
        return flushed
    return at_once if later[1] > later[0] * _BEYOND_DOUBT or at_once.total > flushed.total else flushed


def full_of(log: Arrivals) -> int:
    """Objects that a burst fills, and behind which another comes."""
    bytes_, parts = log.burst.as_integer_ratio()
    return max(0, bytes_ if log.writes else bytes_ - 1) // (parts * OBJECT)


def least_rate(log: Arrivals, within: Fraction) -> int | None:
    """The least whole rate, to a part in a hundred, whose delay is at most `within`; None where none is.

    Searched for in floating point, with a margin: whether a promise is kept at that rate, `delay` says exactly.
    """
    figures = (log.writes, log.burst, log.flush, log.latency, within)
    found = _least_rate_in_turns if log.in_turns else _least_rate
    return found(*(whole / parts for whole, parts in map(_RATIO, figures)))


@lru_cache(_REMEMBERED)
def _least_rate(writes: float, burst: float, flush: float, latency: float, within: float) -> int | None:
    """Each of the two bounds falls as the rate grows: the rate that keeps both, and at which nothing piles up."""
    limit, requests = within * (1 - 1e-9), EACH * latency / OBJECT
    alone, behind = limit - flush - ALONE * latency, limit - BEHIND * latency
    held, ahead = min(burst + writes * flush, OBJECT), burst + 2 * writes * flush
    piled = 1 - (latency / flush if latency else 0.0) - writes * requests
    if alone <= 0 or behind - ahead * requests <= 0 or piled <= 0:
        return None
    least = max(held / alone, ahead / (behind - ahead * requests), writes / piled)
    return None if least > 1 << 62 else max(1, ceil(least * (1 + 1e-6)))


@lru_cache(_REMEMBERED)
def _least_rate_in_turns(writes: float, burst: float, flush: float, latency: float, within: float) -> int | None:
    limit = within * (1 - 1e-9)
    spare = limit - flush - latency
    if spare <= 0:
        return None
    low = max(1.0, writes, (burst + min(writes * flush, OBJECT)) / spare)
    high = 1.01 * low
    while _estimate(writes, burst, flush, latency, high) > limit:
        low, high = high, 2 * high
        if high > 1 << 62:
            return None
    while high > low * 1.002 + 1:
        middle = (low + high) / 2
        low, high = (low, middle) if _estimate(writes, burst, flush, latency, middle) <= limit else (middle, high)
    return ceil(high)


def _estimate(writes: float, burst: float, flush: float, latency: float, rate: float) -> float:
    """`_delay_in_turns`, near enough to look for a rate."""
    cost = 1 / rate + latency / OBJECT
    share = writes * cost
    if share >= 1:
        return inf
    gap = max(flush, latency / (1 - share))
    batch = latency + (burst + writes * gap) * cost
    first = gap + latency + (burst + min(writes * gap, OBJECT)) * cost
    return max(first, batch + latency + min(writes * batch, OBJECT) * cost)
