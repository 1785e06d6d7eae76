"""How long it takes to ask for a thaw, and to see it: worked out database by database."""

from __future__ import annotations

from fractions import Fraction

from bkpc_compiler.explanation import ages, slots
from bkpc_compiler.explanation.chains import increments
from bkpc_compiler.explanation.image_pieces import counting as counting_image
from bkpc_compiler.explanation.log_pieces import counting, latency
from bkpc_compiler.explanation.sheet import Sheet, renamed
from bkpc_compiler.feasibility.asking import LOOKS, Frozen
from bkpc_compiler.feasibility.image_reading import Objects
from bkpc_compiler.feasibility.job_objects import Asked
from bkpc_compiler.feasibility.log_reading import SINGLE, Reading
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.feasibility.working import Asking, Joining, Looking
from bkpc_grammar.log_objects import LISTED, OBJECT
from bkpc_grammar.thaws import A_SECOND, PART, QUICKEST_MS, SLOWEST_MS, TURN_MS


def looking(sheet: Sheet, one: Looking, lasts: Fraction) -> None:
    """Between two looks at what thaws."""
    sheet.given("thaw", one.thaw.value, "s", "of the slowest class", one.thaw.span)
    least, most = QUICKEST_MS // 1000, SLOWEST_MS // 1000
    every = f"min({most}, max({least}, ceil(ceil(thaw * 1000) / {PART}) / 1000))"
    note = f"a {PART}th of the usual time, from {least} s to {most} s"
    sheet.follows("every", every, lasts - Fraction(TURN_MS, 1000), "s", note)
    sheet.follows("takes", f"every + {TURN_MS // 1000}", lasts, "s", "and what others of the recovery take")


def joining(sheet: Sheet, one: Joining, lasts: Fraction) -> None:
    """A member of a group that waits until what another reads has thawed."""
    note = f"`{one.last.database.name}`: all that it reads is seen to have thawed, see there"
    sheet.given("ready", Fraction(one.last.thawed, 1000), "s", note)
    sheet.given("begins", Fraction(one.begins, 1000), "s", "when it might begin itself: all that stands before")
    sheet.follows("takes", "ready - begins", lasts, "s")


def asking(sheet: Sheet, one: Asking, lasts: Fraction, analysis: Analysis) -> None:
    """What all that a failure brings back ask for, one after the other."""
    waits = []
    for number, frozen in enumerate(one.frozen, 1):
        own = Sheet(sheet.clauses)
        _frozen(own, frozen, analysis)
        sheet.add(own.cells if len(one.frozen) == 1 else renamed(own.cells, f"log{number}"))
        waits.append(sheet.cells[-1].name)
    if one.beside:
        waits.append(_beside(sheet, one, one.beside, analysis))
    if len(waits) > 1:
        name = "in_all" if len(one.frozen) == 1 else "takes"
        sheet.follows(name, " + ".join(waits), lasts, "s")


def _beside(sheet: Sheet, one: Asking, asked: Asked, analysis: Analysis) -> str:
    """What copies ask for beside recoveries: the name of how long that holds them up."""
    own = Sheet(sheet.clauses)
    slots.asked_by_copies(own, analysis)
    sheet.add(renamed(own.cells, "log0"))
    copied = sheet.cells[-1].name
    apart = slots.least_apart(sheet, analysis)
    objects = sum(frozen.objects for frozen in one.frozen)
    names = ["asked"] if len(one.frozen) == 1 else [f"log{number}_asked" for number in range(1, len(one.frozen) + 1)]
    times = f"max(1, ceil(({' + '.join(names)}) / ({A_SECOND} * {apart} - {copied})))"
    note = "that each copy asks, at most, until all of these are asked for"
    sheet.follows("rounds_of_copies", times, Fraction(asked.times(objects)), "", note)
    note = f"while copies ask: the service takes {A_SECOND} a second of all"
    takes = f"ceil(rounds_of_copies * {copied} * 1000 / {A_SECOND}) / 1000"
    sheet.follows("behind_copies", takes, Fraction(asked.beside(objects), 1000), "s", note)
    return "behind_copies"


def _frozen(sheet: Sheet, one: Frozen, analysis: Analysis) -> None:
    objects, answers = [], []
    if one.image:
        _image(sheet, one, one.image, analysis)
        objects.append("image")
        answers.append(f"floor(image / {LISTED}) + 1")
    if one.log:
        _log(sheet, one, one.log, analysis)
        objects.append("objects + 1")
        answers.append("listings")
    sheet.follows("asked", " + ".join(objects), one.objects, "", f"objects of `{one.database.name}`, one by one")
    sheet.follows("answers", " + ".join(answers), one.answers, "", f"that name them, {LISTED} each")
    note = "latencies until they are asked for, and seen in one look more than is under way"
    sheet.follows("rounds", f"{LOOKS} * (1 + answers) + {SINGLE}", one.rounds, "", note)
    way = "0"
    if one.links:
        latency(sheet, "latency", one.links)
        way = "ceil(rounds * latency * 1000)"
    takes = f"(floor(asked * 1000 / {A_SECOND}) + {way}) / 1000"
    sheet.follows("takes", takes, Fraction(one.wait, 1000), "s", f"{A_SECOND} a second")


def _image(sheet: Sheet, one: Frozen, image: Objects, analysis: Analysis) -> None:
    own = Sheet(sheet.clauses)
    if image.pieces:
        size = one.database.size
        own.given("size", size.value.bytes_up(), "B", f"of `{one.database.name}`", size.span)
        more = ""
        if one.line.image.behind and one.line.image.behind.bytes:
            of = slots.of_database(analysis, one.database.name)
            more = f" + {increments(own, of, one.line.image.store.name)}"
        own.follows("bytes", f"size{more}", image.bytes, "B")
    counted = counting_image(own, image, one.line.image.prepared)
    sheet.add(renamed(own.cells, "age0"))
    names = [f"age0_{name}" for name in counted]
    sheet.follows("image", names[0] if len(names) == 1 else f"max({', '.join(names)})", image.count, "", "at most")


def _log(sheet: Sheet, one: Frozen, log: Reading, analysis: Analysis) -> None:
    database = one.database
    ages.age(sheet, one.line.image, Fraction(1), analysis)
    sheet.given("writes", database.writes.value, "B/s", f"log of `{database.name}`", database.writes.span)
    sheet.given("burst", database.burst.value, "B", "that comes at once", database.burst.span)
    sheet.given("object", OBJECT, "B", "the largest, in which it begins")
    sheet.follows("bytes", "ceil(writes * age + burst) + object", log.bytes, "B")
    counting(sheet, log)
