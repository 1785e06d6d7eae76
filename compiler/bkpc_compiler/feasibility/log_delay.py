"""How long a committed transaction may be on its way into a store, by network calculus over batches.

The stream collects a batch from its first transaction until `flush` later, or until the batch before is
stored; then sends it in objects of at most 16 MiB, each costing the way's latency. What is in an object
counts when the object is whole. Arrivals in any interval t are at most burst + writes·t.

Let s(x) = latency + x·c be the time x bytes take, c = 1/rate + latency/16MiB, and q = writes·c < 1. Batches are
cut at most g = max(flush, latency/(1-q)) apart while no burst is in them. A transaction that arrives t after the
last cut has at most burst + writes·t bytes before it, and is stored with the object that holds it: it waits at
most g + s(burst + min(writes·g, 16MiB)). A batch with the burst takes d = s(burst + writes·g); the one after it
has collected for d, and its first transaction waits at most d + s(min(writes·d, 16MiB)). The worst of both is
the bound. See docs/feasibility.md.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil, inf

from msgspec import Struct

from bkpc_grammar.log_objects import OBJECT
from bkpc_grammar.quantities import no_more

_OBJECT = Fraction(OBJECT)
_BEYOND_DOUBT = 1 + 1e-9
_RATIO = Fraction.as_integer_ratio
_REMEMBERED = 4096
"""So many rates are kept: an estate repeats its figures."""


class Arrivals(Struct, frozen=True):
    """A log and its way: bytes, seconds, bytes per second."""

    writes: Fraction
    burst: Fraction
    flush: Fraction
    latency: Fraction


class Delay(Struct, frozen=True):
    """The parts of the bound, in seconds: they add up to it.

    `behind`: it is longest for what is written while a batch with the burst is on its way, not for the burst.
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
    """The bound at `rate`; None where the log falls behind for ever."""
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

    Something less than an object waits to be flushed, and is then sent; or a burst comes at once, and its last byte
    waits until all of it is through. None where the log is written faster than the way carries it.
    """
    if not no_more(log.writes, capacity):
        return None
    flushed = Delay(log.flush, log.latency, min(log.burst + log.writes * log.flush, Fraction(OBJECT)) / capacity)
    if no_more(log.burst, _OBJECT):
        return flushed  # the burst is part of it
    at_once = Delay(Fraction(0), log.latency, log.burst / capacity)
    return at_once if at_once.total > flushed.total else flushed


def least_rate(log: Arrivals, within: Fraction) -> int | None:
    """The least whole rate, to a part in a hundred, whose delay is at most `within`; None where none is.

    Searched for in floating point, with a margin: whether a promise is kept at that rate, `delay` says exactly.
    """
    return _least_rate(
        *(whole / parts for whole, parts in map(_RATIO, (log.writes, log.burst, log.flush, log.latency, within)))
    )


@lru_cache(_REMEMBERED)
def _least_rate(writes: float, burst: float, flush: float, latency: float, within: float) -> int | None:
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
    """`delay`, near enough to look for a rate."""
    cost = 1 / rate + latency / OBJECT
    share = writes * cost
    if share >= 1:
        return inf
    gap = max(flush, latency / (1 - share))
    batch = latency + (burst + writes * gap) * cost
    first = gap + latency + (burst + min(writes * gap, OBJECT)) * cost
    return max(first, batch + latency + min(writes * batch, OBJECT) * cost)
