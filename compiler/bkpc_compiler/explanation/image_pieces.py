"""How what the objects of an image cost is worked out: the formula of docs/feasibility.md with its figures."""

from __future__ import annotations

from fractions import Fraction

from bkpc_compiler.explanation.log_pieces import latency
from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.feasibility import starting
from bkpc_compiler.feasibility.image_reading import Objects
from bkpc_compiler.feasibility.job_objects import JobObjects
from bkpc_compiler.feasibility.log_reading import SINGLE
from bkpc_compiler.program.model import Database
from bkpc_grammar.image_objects import (
    AT_ONCE,
    CLIENTS,
    COPIED_ROUND,
    JOB_AT_ONCE,
    LARGE_READ,
    LARGE_STORED,
    OTHERS,
    PARTS,
    PIECE,
    RANGES,
    ROUND,
    SMALL,
    STORED_ROUND,
)
from bkpc_grammar.log_objects import LISTED
from bkpc_grammar.thaws import A_SECOND, TURN_MS


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
        rounds.append(f"{small} + ceil(large / {CLIENTS}) + floor(bytes / {RANGES})")
    if image.pieces:
        rounds.append(f"pieces + floor(bytes / {RANGES})")
    either = rounds[0] if len(rounds) == 1 else f"max({', '.join(rounds)})"
    note = f"times that nothing but requests is on the way: {AT_ONCE} small ones at once, three ranges of a large one"
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


def moved(sheet: Sheet, image: JobObjects, of: tuple[str, str], suffix: str) -> str:
    """How many objects a job moves at most: an expression. `of`: the name of its bytes, and how many are behind a full
    physical one."""
    (bytes_, behind), counts = of, []
    known = {one.name for one in sheet.cells}
    if image.tables:
        counts.append(f"image_objects{suffix}")
        sheet.once(f"tables{suffix}", image.tables.value, "", "and schemas", image.tables.span)
        if counts[-1] not in known:
            sheet.follows(counts[-1], f"tables{suffix} + {OTHERS}", image.parts, "", "at most")
    if image.pieces:
        counts.append(f"image_pieces{suffix}")
        if counts[-1] not in known:
            pieces = f"floor({bytes_} / {PIECE}) + 1{behind}"
            sheet.follows(counts[-1], pieces, image.pieces, "", "of a physical image and those behind it")
    return counts[0] if len(counts) == 1 else f"max({', '.join(counts)})"


def storing(sheet: Sheet, image: JobObjects, of: tuple[str, str], suffix: str) -> str:
    """What requests for the objects of an image cost the job that moves it: the name of the figure."""
    each, room = (LARGE_STORED + LARGE_READ, COPIED_ROUND) if image.copied else (LARGE_STORED, STORED_ROUND)
    count, bytes_, turns = moved(sheet, image, of, suffix), of[0], []
    if image.tables:
        small = f"floor(min({bytes_}, image_objects{suffix} * {SMALL}) / {room})"
        large = f"{each} * min(image_objects{suffix}, floor({bytes_} / {SMALL}))"
        turns.append(f"ceil(image_objects{suffix} / {JOB_AT_ONCE}) + {small} + {large}")
    if image.pieces:
        turns.append(f"{each} * image_pieces{suffix}")
    most = turns[0] if len(turns) == 1 else f"max({', '.join(turns)})"
    parts = f" + floor({bytes_} / {RANGES if image.copied else PARTS})" if image.wide else ""
    rounds = f"{most}{parts} + 2 * floor({count} / {LISTED}) + {SINGLE}"
    note = f"times that nothing but requests is on the way, while they are {'copied' if image.copied else 'stored'}"
    sheet.follows(f"turns{suffix}", rounds, image.rounds, "", note)
    _each(sheet, image, suffix)
    takes = Fraction(image.wait, 1000)
    sheet.follows(f"requests{suffix}", f"ceil(turns{suffix} * each{suffix} * 1000) / 1000", takes, "s")
    return f"requests{suffix}"


def asking(sheet: Sheet, image: JobObjects, of: tuple[str, str], suffix: str) -> None:
    """How long a copy asks for what must thaw."""
    count = moved(sheet, image, of, suffix)
    found = ""
    if image.latency:
        _each(sheet, image, suffix)
        found = f" + ceil(({SINGLE} + floor({count} / {LISTED})) * each{suffix} * 1000) / 1000"
    asked = f"{TURN_MS} / 1000 + ceil({count} * 1000 / {A_SECOND}) / 1000{found}"
    note = f"until all its objects are asked for, {A_SECOND} a second"
    sheet.follows(f"asked{suffix}", asked, Fraction(image.asked, 1000), "s", note)


def _each(sheet: Sheet, image: JobObjects, suffix: str) -> None:
    """The latency of a request."""
    if not any(one.name == f"each{suffix}" for one in sheet.cells):
        latency(sheet, f"each{suffix}", image.links)
