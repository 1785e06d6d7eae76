"""How what the pieces of a log cost is worked out: the formula of docs/feasibility.md with its figures."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.feasibility.handing import milliseconds
from bkpc_compiler.feasibility.log_reading import LOOKS, SINGLE, Reading
from bkpc_compiler.feasibility.recovery_schedule import Move
from bkpc_compiler.program.model import Link
from bkpc_grammar.log_objects import (
    AT_ONCE,
    EVENT,
    HANDED_MS,
    HANDED_PARTS,
    LARGEST_BINLOG,
    LISTED,
    OBJECT,
    REQUESTED_MS,
    ROUND,
    SYNC_APART_MS,
)


def fetching(sheet: Sheet, reading: Reading) -> None:
    """The sheet has the age and the bytes already."""
    counting(sheet, reading)
    rounds = f"ceil(objects / {AT_ONCE}) + floor(bytes / {ROUND}) + {LOOKS} * listings + {SINGLE}"
    sheet.follows(
        "rounds", rounds, reading.rounds, "", f"times that nothing but requests is on the way, {AT_ONCE} at once"
    )
    latency(sheet, "latency", reading.links)
    sheet.follows("takes", "ceil(rounds * latency * 1000) / 1000", Fraction(reading.wait, 1000), "s")


def counting(sheet: Sheet, reading: Reading) -> None:
    """How many objects there are at most, and how often one must ask for their names."""
    objects(sheet, reading)
    notes = ""
    if reading.known is not None:
        sheet.given("apart", Fraction(reading.known, 1000), "s", "between two notes of until when the log is complete")
        sheet.follows("notes", "floor(age / apart) + 1", reading.notes, "", "of names alone")
        notes = "notes + "
    listings = f"floor((objects + {notes}3 * binlogs) / {LISTED}) + ceil(binlogs / {AT_ONCE})"
    sheet.follows("listings", listings, reading.listings, "", "answers in turn that name all of them once")


def objects(sheet: Sheet, reading: Reading) -> None:
    """How many objects there are at most."""
    sheet.given("flush", Fraction(reading.apart[0], 1000), "s", "between two objects at least", reading.flush)
    cut = "floor(age / flush) + 1"
    for commit in reading.apart[1:]:
        least = f"{SYNC_APART_MS} / 1000"
        if reading.quorum:
            latency(sheet, "quorum", reading.quorum)
            least = f"max({least}, floor(quorum * 1000) / 1000)"
        note = "between two objects at least that commits wait for"
        sheet.follows("commit", least, Fraction(commit, 1000), "s", note)
        cut += " + floor(age / commit) + 1"
    requested = REQUESTED_MS // 1000
    binlogs = f"floor(age / {requested}) + floor(bytes / {OBJECT}) + 2"
    sheet.follows("binlogs", binlogs, reading.binlogs, "", f"one in {requested} s ends by request, others are full")
    full = f"2 * floor(bytes / {OBJECT}) + binlogs + 3"
    sheet.follows("objects", f"min({cut}, floor(bytes / {EVENT})) + {full}", reading.objects, "", "at most")


def latency(sheet: Sheet, name: str, links: Sequence[Link]) -> None:
    """Of a way."""
    if len(links) == 1:
        sheet.given(name, links[0].latency.value, "s", f"link {links[0].name}", links[0].latency.span)
        return
    for number, link in enumerate(links, 1):
        sheet.given(f"{name}_{number}", link.latency.value, "s", f"link {link.name}", link.latency.span)
    parts = " + ".join(f"{name}_{number}" for number in range(1, len(links) + 1))
    sheet.follows(name, parts, sum((one.latency.value.amount for one in links), start=Fraction(0)), "s")


def handing(sheet: Sheet, move: Move) -> None:
    """What it costs that an applier gets whole binlogs; the sheet has the bytes, the burst, the rate and what all of it
    takes."""
    transfer, rate = move.transfer, move.rate
    one = milliseconds(min(transfer.bytes, LARGEST_BINLOG + transfer.database.burst.value.bytes_up()), rate)
    last = f"ceil(min(bytes, {LARGEST_BINLOG} + ceil(burst)) * 1000 / rate) / 1000"
    sheet.follows("last", last, Fraction(one, 1000), "s", "of the largest `max_binlog_size`, and a transaction")
    whole = milliseconds(transfer.bytes, rate)
    handed = [-(-whole // part) + HANDED_MS * part // 2 for part in HANDED_PARTS]
    parts = (f"ceil(takes * 1000 / {part}) / 1000 + {HANDED_MS * part // 2} / 1000" for part in HANDED_PARTS)
    often = f"min({', '.join(parts)})"
    sheet.follows("often", often, Fraction(min(handed), 1000), "s", "handed on again and again, half a second each")
    found = f"min(last + often, takes) + {HANDED_MS} / 1000"
    words = "no more than where all is handed on at once"
    sheet.follows("handed", found, Fraction(transfer.handed(rate), 1000), "s", words)
