"""How what the pieces of a log cost is worked out: the formula of docs/feasibility.md with its figures."""

from __future__ import annotations

from fractions import Fraction

from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.feasibility.log_reading import LOOKS, SINGLE, Reading
from bkpc_grammar.log_objects import AT_ONCE, EVENT, LISTED, OBJECT, REQUESTED_MS, ROUND


def fetching(sheet: Sheet, reading: Reading) -> None:
    """The sheet has the age and the bytes already."""
    sheet.given("flush", Fraction(reading.apart[0], 1000), "s", "between two objects at least", reading.flush)
    cut = "floor(age / flush) + 1"
    for commit in reading.apart[1:]:
        sheet.given("commit", Fraction(commit, 1000), "s", "between two objects that commits wait for at least")
        cut += " + floor(age / commit) + 1"
    requested = REQUESTED_MS // 1000
    binlogs = f"floor(age / {requested}) + floor(bytes / {OBJECT}) + 2"
    sheet.follows("binlogs", binlogs, reading.binlogs, "", f"one in {requested} s ends by request, others are full")
    full = f"2 * floor(bytes / {OBJECT}) + binlogs + 3"
    sheet.follows("objects", f"min({cut}, floor(bytes / {EVENT})) + {full}", reading.objects, "", "at most")
    listings = f"floor((objects + 3 * binlogs) / {LISTED}) + ceil(binlogs / {AT_ONCE})"
    sheet.follows("listings", listings, reading.listings, "", "answers in turn that name all of them once")
    rounds = f"ceil(objects / {AT_ONCE}) + floor(bytes / {ROUND}) + {LOOKS} * listings + {SINGLE}"
    sheet.follows(
        "rounds", rounds, reading.rounds, "", f"times that nothing but requests is on the way, {AT_ONCE} at once"
    )
    _latency(sheet, reading)
    sheet.follows("takes", "ceil(rounds * latency * 1000) / 1000", Fraction(reading.wait, 1000), "s")


def _latency(sheet: Sheet, reading: Reading) -> None:
    links = reading.links
    if len(links) == 1:
        sheet.given("latency", links[0].latency.value, "s", f"link {links[0].name}", links[0].latency.span)
        return
    for number, link in enumerate(links, 1):
        sheet.given(f"latency_{number}", link.latency.value, "s", f"link {link.name}", link.latency.span)
    parts = " + ".join(f"latency_{number}" for number in range(1, len(links) + 1))
    sheet.follows("latency", parts, reading.latency.amount, "s")
