"""How what the objects of an image cost is worked out: the formula of docs/feasibility.md with its figures."""

from __future__ import annotations

from fractions import Fraction

from bkpc_compiler.explanation.log_pieces import latency
from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.feasibility import starting
from bkpc_compiler.feasibility.image_reading import Objects
from bkpc_compiler.feasibility.log_reading import SINGLE
from bkpc_compiler.program.model import Database
from bkpc_grammar.image_objects import AT_ONCE, CLIENTS, OTHERS, PIECE, ROUND, SMALL


def counting(sheet: Sheet, image: Objects, prepared: int) -> list[str]:
    """The objects it has at most: the names of their figures, the largest of which counts."""
    names = []
    if image.tables:
        sheet.given("tables", image.tables.value, "", "and schemas", image.tables.span)
        sheet.follows("objects", f"tables + {OTHERS}", image.parts, "", "code, views and accounts have some too")
        names.append("objects")
    if image.pieces:
        pieces = f"floor(bytes / {PIECE}) + {prepared}"
        sheet.follows("pieces", pieces, image.pieces, "", "one after the other; at least one of each physical image")
        names.append("pieces")
    return names


def fetching(sheet: Sheet, image: Objects, prepared: int) -> None:
    """The sheet has the bytes already. `prepared`: images of which the first is a full physical one."""
    rounds = []
    counting(sheet, image, prepared)
    if image.tables:
        large = f"min(objects, floor(bytes / {SMALL}))"
        sheet.follows("large", large, image.large, "", f"fetched by who loads them, {CLIENTS} at once at least")
        small = f"ceil(objects / {AT_ONCE}) + floor(min(bytes, objects * {SMALL}) / {ROUND})"
        rounds.append(f"{small} + ceil(large / {CLIENTS})")
    if image.pieces:
        rounds.append("pieces")
    either = rounds[0] if len(rounds) == 1 else f"max({', '.join(rounds)})"
    note = f"times that nothing but requests is on the way, {AT_ONCE} small ones at once"
    sheet.follows("rounds", f"{either} + {SINGLE}", image.rounds, "", note)
    latency(sheet, "latency", image.links)
    sheet.follows("takes", "ceil(rounds * latency * 1000) / 1000", Fraction(image.wait, 1000), "s")


def creating(sheet: Sheet, database: Database) -> None:
    """What the tables of a logical image take beside their bytes."""
    assert database.tables is not None
    assert database.table is not None
    sheet.given("tables", database.tables.value, "", "and schemas", database.tables.span)
    sheet.given("table", database.table.value, "s", "what one of them takes beside its bytes", database.table.span)
    takes = Fraction(starting.creating(database), 1000)
    sheet.follows("takes", "tables * ceil(table * 1000) / 1000", takes, "s")
