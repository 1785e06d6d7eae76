"""When a job comes again: the times of its schedule as figures of a calculation."""

from __future__ import annotations

from fractions import Fraction

from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.program.model import Cadence
from bkpc_compiler.timetable.calendar import DAY, FEBRUARY

YEAR = 365 * DAY
"""Milliseconds of the shortest year."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def between(sheet: Sheet, job: JobDemand, suffix: str = "") -> str:
    """The longest time between two runs, as an expression."""
    rhythm = job.rhythm
    lasts = rhythm.period if rhythm.steady else rhythm.gap - rhythm.shift
    name = f"period{suffix}"
    sheet.once(name, Fraction(lasts, 1000), "s", f"between two runs of {job.id}", job.schedule.span)
    if not rhythm.shift:
        return name
    shift = Fraction(rhythm.shift, 1000)
    sheet.once(f"shift{suffix}", shift, "s", f"that clocks change by in {job.schedule.timezone}")
    return f"({name} + shift{suffix})"


def gap(sheet: Sheet, job: JobDemand) -> str:
    """The same as one figure."""
    lasts = Fraction(job.rhythm.gap, 1000)
    if job.rhythm.shift:
        sheet.follows("gap", between(sheet, job).strip("()"), lasts, "s")
    else:
        sheet.given("gap", lasts, "s", f"between two runs of {job.id}", job.schedule.span)
    return "gap"


def shortest(sheet: Sheet, job: JobDemand, suffix: str = "", *, changed: bool = True) -> str:
    """The shortest time between two runs, as an expression; `changed`: with what clocks change by in it."""
    name, rhythm = f"period{suffix}", job.rhythm
    if job.schedule.cadence is Cadence.MONTHLY:
        name = f"february{suffix}"
        sheet.once(name, Fraction(FEBRUARY, 1000), "s", f"the shortest month between two runs of {job.id}")
    else:
        lasts = Fraction(rhythm.least + rhythm.shift, 1000)
        sheet.once(name, lasts, "s", f"between two runs of {job.id}", job.schedule.span)
    if not rhythm.shift or not changed:
        return name
    shift = Fraction(rhythm.shift, 1000)
    sheet.once(f"shift{suffix}", shift, "s", f"that clocks change by in {job.schedule.timezone}")
    return f"({name} - shift{suffix})"


def mean(sheet: Sheet, job: JobDemand, name: str) -> Fraction:
    """Seconds between two runs on the average: of months, in the shortest year."""
    words, span = f"between two runs of {job.id}", job.schedule.span
    if job.schedule.cadence is not Cadence.MONTHLY:
        return sheet.given(name, Fraction(job.rhythm.period, 1000), "s", words, span)
    year = sheet.once("year", Fraction(YEAR, 1000), "s", "the shortest, of 365 days")
    return sheet.follows(name, "year / 12", year / 12, "s", f"{words} on the average")


def window(sheet: Sheet, job: JobDemand, suffix: str = "") -> str:
    """The window of a job."""
    sheet.once(f"window{suffix}", job.window, "s", f"that {job.id} has", job.schedule.span)
    return f"window{suffix}"


def clock(milliseconds: int) -> str:
    """Milliseconds since a Monday, as a day and a time."""
    days, rest = divmod(milliseconds, DAY)
    seconds, fraction = divmod(rest, 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + (f".{fraction:03}" if fraction else "")
    return f"{_DAYS[days % 7]} {clock} UTC"
