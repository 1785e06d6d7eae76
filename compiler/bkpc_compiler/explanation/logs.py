"""How the delay of a log is worked out: the formula of docs/feasibility.md with its figures."""

from __future__ import annotations

from fractions import Fraction

from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.feasibility.log_delay import ALONE, BEHIND, EACH, full_of
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.feasibility.working import Logging, Part
from bkpc_compiler.program.model import Given, Link, Origin, Program
from bkpc_grammar.log_objects import ANSWERED_MS, KNOWN_LEAST_MS, KNOWN_MOST_MS, KNOWN_SHARE, OBJECT, WHOLE_SECONDS_MS
from bkpc_grammar.quantities import Size

_A_BYTE = "that a byte costs: of so many there are two objects at most, and a binlog's end with three requests"


def links_of(stream: StreamDemand, program: Program) -> list[Link]:
    """The links that the log crosses."""
    passed = {one.name for one in stream.resources}
    return [link for link in program.links if f"link:{link.name}" in passed]


def logging(sheet: Sheet, one: Logging, program: Program) -> None:
    """A term of the delay of a log."""
    stream = one.stream
    if one.part is Part.LATENCY:
        late = latency(sheet, stream, program)
        if one.best:
            _in_turn(sheet, stream, late)
        elif not stream.level.sync:
            _requests(sheet, stream, late)
        return
    if one.part is Part.NOTED:
        _noted(sheet, stream, program)
        return
    level = stream.level
    said = "" if level.flush.span != level.span else ", which says no other"
    if one.best and level.sync:
        flush = sheet.given("flush", 0, "s", "what a commit waits for is sent at once", level.span)
    else:
        flush = sheet.given("flush", level.flush.value, "s", f"of {stream.id}{said}", level.flush.span)
    if one.best:
        _at_best(sheet, stream, flush, one.part, program)
        return
    _reserved(sheet, stream, flush, one.part, program)


def latency(sheet: Sheet, stream: StreamDemand, program: Program) -> Fraction:
    """Of the whole way to the store."""
    links = links_of(stream, program)
    if not links:
        return sheet.given("latency", 0, "s", f"`{stream.store}` is at the database's own site")
    if len(links) == 1:
        return sheet.given("latency", links[0].latency.value, "s", f"link {links[0].name}", links[0].latency.span)
    for number, link in enumerate(links, 1):
        sheet.given(f"latency_{number}", link.latency.value, "s", f"link {link.name}", link.latency.span)
    parts = " + ".join(f"latency_{number}" for number in range(1, len(links) + 1))
    return sheet.follows("latency", parts, stream.latency.amount, "s")


def _reserved(sheet: Sheet, stream: StreamDemand, flush: Fraction, part: Part, program: Program) -> None:
    """At the reserved rate: a burst just after a batch was cut, or what was collected while one was carried."""
    late = latency(sheet, stream, program)
    writes = sheet.given("writes", stream.writes.value, "B/s", f"log of `{stream.database}`", stream.writes.span)
    burst = sheet.given("burst", stream.burst.value, "B", "that comes at once", stream.burst.span)
    rate = sheet.given(
        "rate",
        stream.rate,
        "B/s",
        f"reserved for {stream.id} to `{stream.store}`: the least for its promises; 5/4 of writes where there is room",
    )
    sheet.given("object", OBJECT, "B", "the largest that is written at once")
    if not stream.level.sync:
        _one_after_the_other(sheet, (flush, late, writes, burst, rate), part)
        return
    c = sheet.follows("c", "1 / rate + latency / object", 1 / rate + late / OBJECT, "s/B", "that a byte costs")
    q = sheet.follows("q", "writes * c", writes * c, "", "of its way that the log takes")
    g = max(flush, late / (1 - q))
    sheet.follows("g", "max(flush, latency / (1 - q))", g, "s", "between two batches without a burst")
    d = sheet.follows(
        "d", "latency + (burst + writes * g) * c", late + (burst + writes * g) * c, "s", "a batch with it"
    )
    first = (burst + min(writes * g, Fraction(OBJECT))) * c
    second = min(writes * d, Fraction(OBJECT)) * c
    with_burst = sheet.follows("first", "(burst + min(writes * g, object)) * c", first, "s", "carrying, burst ahead")
    after_it = sheet.follows(
        "second", "min(writes * d, object) * c", second, "s", "carrying, burst in the batch before"
    )
    later = d + late + after_it > g + late + with_burst
    why = "d + latency + second is more" if later else "g + latency + first is no less than d + latency + second"
    if part is Part.COLLECTED:
        sheet.follows("collected", "d" if later else "g", d if later else g, "s", why)
    else:
        sheet.follows("carried", "second" if later else "first", after_it if later else with_burst, "s", why)


def _one_after_the_other(sheet: Sheet, figures: tuple[Fraction, ...], part: Part) -> None:
    """What waits for nothing but to be flushed, or what is cut while others are on their way."""
    flush, late, writes, burst, rate = figures
    c = sheet.follows("c", f"1 / rate + {EACH} * latency / object", 1 / rate + EACH * late / OBJECT, "s/B", _A_BYTE)
    held, ahead = min(burst + writes * flush, Fraction(OBJECT)) / rate, (burst + 2 * writes * flush) * c
    alone = sheet.follows("alone", "min(burst + writes * flush, object) / rate", held, "s", "it waits for no other")
    behind = sheet.follows("behind", "(burst + 2 * writes * flush) * c", ahead, "s", "with all that is before it")
    later = BEHIND * late + behind > flush + ALONE * late + alone
    one, two = f"flush + {ALONE} * latency + alone", f"{BEHIND} * latency + behind"
    why = f"{two} is more than {one}" if later else f"{one} is no less than {two}"
    if part is Part.COLLECTED:
        sheet.follows("collected", "0" if later else "flush", Fraction(0) if later else flush, "s", why)
    else:
        sheet.follows("carried", "behind" if later else "alone", behind if later else alone, "s", why)


def _requests(sheet: Sheet, stream: StreamDemand, late: Fraction) -> None:
    """How often its latency counts beside the bytes."""
    reserved = stream.reserved
    if reserved is not None and reserved.behind:
        why = "it, one that was flushed before it, and twice what is written where a binlog ends"
        sheet.follows("requests", f"{BEHIND} * latency", BEHIND * late, "s", why)
    else:
        sheet.follows("requests", f"{ALONE} * latency", ALONE * late, "s", "it, and how its binlog begins")


def _in_turn(sheet: Sheet, stream: StreamDemand, late: Fraction) -> None:
    """How often its latency counts at least: once for each object that a burst fills, and for the next."""
    if stream.best is None or stream.best.collected or stream.best.latency == late:
        return
    surely(sheet, stream.burst)
    sheet.given("object", OBJECT, "B", "the largest that is written at once: sent when it is full")
    full = full_of(stream.arrivals_at_best)
    _full(sheet, stream, full)
    sheet.follows("requests", "(full + 1) * latency", (full + 1) * late, "s", "these, and the next")


def _full(sheet: Sheet, stream: StreamDemand, full: int) -> None:
    """Objects that a burst fills, with another behind them: of what is left of it, where nothing else is written."""
    expression = "floor(burst / object)" if stream.arrivals_at_best.writes else "floor((burst - 1) / object)"
    sheet.follows("full", expression, Fraction(full), "", "objects of a burst, before another: one after the other")


def _noted(sheet: Sheet, stream: StreamDemand, program: Program) -> None:
    """Of a member of a group: until the others may go back to a point behind a commit."""
    late = latency(sheet, stream, program)
    known = Fraction(stream.known or 0, 1000)
    why = f"1/{KNOWN_SHARE} of what it may be late at least, {KNOWN_LEAST_MS / 1000} s to {KNOWN_MOST_MS // 1000} s"
    why += "; the least where that does not keep it"
    sheet.given("apart", known, "s", f"between two notes of until when {stream.id} is complete: {why}")
    answered = sheet.given("answered", Fraction(ANSWERED_MS, 1000), "s", "until the server has told its time and end")
    second = sheet.given("second", Fraction(WHOLE_SECONDS_MS, 1000), "s", "MariaDB's log tells whole seconds")
    sheet.follows("noted", "apart + answered + latency + second", known + answered + late + second, "s")


def surely(sheet: Sheet, burst: Given[Size]) -> Fraction:
    """What comes at once at least: nobody knows how small a burst is that is only assumed."""
    if burst.origin is Origin.STANDARD:
        return sheet.given("burst", 0, "B", "that comes at once for certain: nobody says how much does")
    return sheet.given("burst", burst.value, "B", "that comes at once", burst.span)


def _at_best(sheet: Sheet, stream: StreamDemand, flush: Fraction, part: Part, program: Program) -> None:
    """With the whole way for itself: less than an object that waits to be flushed, or a burst that is sent at once."""
    late = latency(sheet, stream, program)
    writes = sheet.given("writes", stream.writes.value, "B/s", f"log of `{stream.database}`", stream.writes.span)
    surely(sheet, stream.burst)
    sent = "max(burst, 1)" if stream.level.sync else "burst"
    burst = stream.arrivals_at_best.burst
    sheet.given("object", OBJECT, "B", "the largest that is written at once: sent when it is full")
    firm = [one for one in stream.resources if one.firm]
    narrow = min(firm, key=lambda one: (one.most, one.name), default=None)
    if narrow is None:
        capacity = sheet.given("capacity", 1 << 62, "B/s", "nothing on its way is known to be narrow")
    else:
        capacity = sheet.given("capacity", narrow.most, "B/s", narrow.words, narrow.span)
    held = min(burst + writes * flush, Fraction(OBJECT)) / capacity
    sheet.follows("waiting", f"min({sent} + writes * flush, object) / capacity", held, "s", "what waits to be flushed")
    full = full_of(stream.arrivals_at_best)
    whole, later = Fraction(0), False
    if full:
        _full(sheet, stream, full)
        rest = min(burst - full * OBJECT + writes * flush, Fraction(OBJECT))
        last = sheet.follows("last", "min(burst - full * object + writes * flush, object)", rest, "B", "the next")
        carried = (full * OBJECT + last) / capacity
        whole = sheet.follows("whole", "(full * object + last) / capacity", carried, "s", "one after the other")
        later = (full + 1) * late + whole > flush + late + held
    one, two = "flush + latency + waiting", "(full + 1) * latency + whole"
    why = f"{two} is more than {one}" if later else f"{one} is no less than {two}" if full else "it has the burst"
    if part is Part.COLLECTED:
        sheet.follows("collected", "0" if later else "flush", Fraction(0) if later else flush, "s", why)
    else:
        sheet.follows("carried", "whole" if later else "waiting", whole if later else held, "s", why)
