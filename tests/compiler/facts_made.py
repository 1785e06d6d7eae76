"""Documents of measured figures, made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec

from bkpc_compiler.circumstances import Circumstances, MeasuredFacts
from bkpc_compiler.program.model import Given, Program
from bkpc_grammar.facts import FACTS_VERSION, UNITS, Facts, read_facts

DAY = "2026-11-20"


def fact(about: str, name: str, figure: str, value: int, **others: Any) -> dict[str, Any]:
    """One fact as JSON has it."""
    made = {"about": about, "name": name, "figure": figure, "unit": UNITS[figure], "value": value}
    return {**made, "measured_at": DAY, "source": "full backup", **others}


def document(*facts: dict[str, Any], **others: Any) -> bytes:
    return msgspec.json.encode({"schema_version": FACTS_VERSION, "facts": facts, **others})


def facts(*made: dict[str, Any], **others: Any) -> Facts:
    return read_facts(document(*made, **others), "facts.json")


def circumstances(*made: dict[str, Any], today: date | None = None, **others: Any) -> Circumstances:
    return Circumstances(MeasuredFacts("facts.json", "0" * 64, facts(*made, **others)), today)


def as_declared(program: Program) -> Facts:
    """Every figure of `program` measured to be just what it says; but those that are no whole number of their unit."""
    made = []
    for about, name, site, thing in _things(program):
        for figure, unit in UNITS.items():
            given = getattr(thing, figure, None)
            if not isinstance(given, Given):
                continue
            value = given.value.amount * (1000 if unit == "milliseconds" else 1)
            if Fraction(value).denominator == 1:
                made.append(fact(about, name, figure, int(value), **({"site": site} if site else {})))
    return facts(*made)


def _things(program: Program) -> Iterator[tuple[str, str, str, object]]:
    for link in program.links:
        yield "link", link.name, "", link
    for store in program.stores:
        yield "store", store.name, "", store
    kinds = [one.storage_class.value for one in program.stores if one.storage_class]
    for name in {one.name for one in kinds}:
        alike = [one for one in kinds if one.name == name]
        if len({one.thaw.value if one.thaw else None for one in alike}) == 1:  # as in every program from text
            yield "class", name, "", alike[0]
    for database in program.databases:
        yield "database", database.name, "", database
        for standby in database.standbys:
            yield "standby", database.name, standby.site, standby
