"""Every term that `explain --format json` prints of every corner case, worked out again from its named figures alone.

A figure that nothing is worked out from must be one that a clause says, that the plan reserves, or that the calendar
gives: else a reader has to believe it.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from bkpc_compiler.commands.explanation_json import as_json
from bkpc_compiler.commands.source_files import FileReader
from bkpc_compiler.explanation.explain import explain
from bkpc_compiler.passes import check_sources
from bkpc_grammar.quantities import BITS, BYTES, SECONDS
from tests.compiler.explanation.recomputed import worked_out

CORNERS = Path(__file__).parents[2] / "cases" / "corners"
CASES = sorted(CORNERS.glob("*.bkp"))
PERIODS = {"hourly": 3600, "daily": 86400, "weekly": 7 * 86400, "monthly": 31 * 86400}
"""Longest time between two releases; clock changes are figures of their own."""
CALENDAR = {"shift", "slack", "year", "february", "closes", "opens"}
RECOVERIES = {"ready", "end", "begins"}
"""Instants of the recoveries of others: each is worked out where that database is explained."""
SLOTS = {"cycle", "below", "fresh"}
"""What all slots of one cycle come to."""
RESERVED = {"slot_rate", "rate", "offset", "streams", "jobs"}
OBJECT = 16 << 20


def explained(path: Path) -> list[Any]:
    """The JSON of each database."""
    checked = check_sources([path.name], FileReader(CORNERS))
    if checked.analysis is None:
        return []
    names = dict.fromkeys(one.database.name for one in checked.analysis.answers)
    return [json.loads(as_json(explain(checked.analysis, name, None, checked.place_of))) for name in names]


def terms_of(explanation: Any) -> list[Any]:
    objectives = [one for failure in explanation["failures"] for one in failure["objectives"]]
    return [term for one in objectives for side in ("at_most", "at_least") for term in one[side] or ()]


def quantities(text: str) -> set[Fraction]:
    """Every duration, size, rate and share that a clause says, in seconds and bytes; a rate also for a day."""
    found = {Fraction(PERIODS[word]) for word in PERIODS if word in text.split()}
    found |= {Fraction(number) for number in re.findall(r"tables (\d+)", text)}
    for run in re.findall(r"\d+(?:\.\d+)?(?:[A-Za-z]+(?:\d+[a-z]+)*(?:/[a-z]+)?|%)", text):
        size, _, per = run.partition("/")
        parts = [(Fraction(number), unit) for number, unit in re.findall(r"([\d.]+)([A-Za-z]+|%)", size)]
        number, unit = parts[0]
        if unit == "%":
            found.add(number / 100)
        elif all(unit in SECONDS for _, unit in parts):
            found.add(sum((number * SECONDS[unit] for number, unit in parts), start=Fraction(0)))
        else:
            amount = number * {**BYTES, **BITS}[unit]
            found |= {amount / SECONDS[per], amount * 86400 / SECONDS[per]} if per else {amount}
    return found


def check_given(cell: Any, reserved: dict[str, set[Fraction]]) -> None:
    """Nothing is worked out from figures that only bkpc knows."""
    name = re.sub(r"^(?:(?:log|age)\d+_)*", "", cell["name"])
    value, source = Fraction(cell["value"]), cell["source"]
    if source:
        due = name == "due" or name.startswith("due_") or name.endswith("_due")
        unsaid = value == 0 or name.startswith("window")  # where none is declared, the whole period
        unsaid = unsaid or (name == "flush" and value == 5 and "every" not in source["text"])
        assert due or unsaid or value in quantities(source["text"]), cell
        return
    kind = next((one for one in ("slot_rate", "offset") if one in name), name.split("_")[0])
    if kind == "object":
        assert value == OBJECT, cell
    elif kind in {"slot_rate", "rate", "offset"}:
        (job,) = re.findall(r"(?:reserved for|the plan gives) ([^ :]+)", cell["note"])
        assert value in reserved[f"{kind} {job}"], (cell, reserved)
    elif kind == "apart":
        assert Fraction(1, 2) <= value <= 60, cell
    elif kind in {"answered", "second"}:
        assert value == (Fraction(1, 2) if kind == "answered" else 1), cell
    else:
        assert value == 0 or kind in CALENDAR | RECOVERIES | SLOTS | {"streams", "jobs"}, cell


def reserved_of(explanations: list[Any]) -> dict[str, set[Fraction]]:
    """What the plan gives jobs and streams, as the same document lists it."""
    found: dict[str, set[Fraction]] = {}
    for failure in (one for explanation in explanations for one in explanation["failures"]):
        for job in failure["jobs"]:
            if job["offset_seconds"] is not None:
                found.setdefault(f"slot_rate {job['id']}", set()).add(Fraction(job["bytes_per_second"]))
                if "read_bytes_per_second" in job:
                    found[f"slot_rate {job['id']}"].add(Fraction(job["read_bytes_per_second"]))
                found.setdefault(f"offset {job['id']}", set()).add(Fraction(job["offset_seconds"]))
        for stream in failure["streams"]:
            found.setdefault(f"rate {stream['id']}", set()).add(Fraction(stream["bytes_per_second"]))
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_term_follows_from_what_is_shown(path: Path) -> None:
    explanations = explained(path)
    reserved = reserved_of(explanations)
    for term in (term for explanation in explanations for term in terms_of(explanation)):
        known: dict[str, Fraction] = {}
        for cell in term["working"]:
            assert cell["name"] not in known, cell
            if cell["expression"]:
                assert worked_out(cell["expression"], known) == Fraction(cell["value"]), (
                    path.stem,
                    term["label"],
                    cell,
                )
            else:
                check_given(cell, reserved)
            known[cell["name"]] = Fraction(cell["value"])
        lasts = Fraction(term["seconds"])
        if term["working"]:
            assert Fraction(term["working"][-1]["value"]) == lasts, term
        else:  # the clause says it
            assert lasts == 0 or any(lasts in quantities(one["text"]) for one in term["sources"]), term
