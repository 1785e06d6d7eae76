"""How the age of an image is worked out: from the slots of the jobs that make and copy it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

from bkpc_compiler.explanation.chain import oldest
from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.feasibility.demand import JobDemand, effort_of
from bkpc_compiler.feasibility.images import ImageCopy, least_gap, widest_left
from bkpc_compiler.feasibility.working import Ageing, Apart, Forced, Part
from bkpc_compiler.program.model import Given
from bkpc_compiler.timetable.calendar import DAY
from bkpc_compiler.timetable.placement import Slot

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def age(sheet: Sheet, image: ImageCopy, share: Fraction, retries: Given[Fraction]) -> Fraction:
    """Seconds since the snapshot of the newest usable image, which `share` of all instants keep below.

    `image` must have slots.
    """
    ages = image.staleness
    assert ages is not None
    amount = ages.quantile(share) / 1000
    part = f"{share.numerator}/{share.denominator} * " if share < 1 else ""
    if image.joint:
        return _of_all(sheet, image, share, amount)
    if image.incremental:
        return _of_unaligned(sheet, image.jobs, amount, image.behind.paused if image.behind else 0)
    if len(image.jobs) == 1:
        (job,) = image.jobs
        assert job.slot is not None
        period = _period(sheet, job)
        _slot(sheet, job, job.slot, retries)
        return sheet.follows("age", f"{part}{period} + slot", amount, "s")
    if share == 1:
        return _of_chain(sheet, image.jobs, amount)
    if len(ages.times) == 1 and len(ages.times[0]) == 1:
        ((fresh, stale),) = ages.times[0]
        sheet.given("fresh", Fraction(fresh, 1000), "s", "age of an image when it becomes usable")
        sheet.given("stale", Fraction(stale, 1000), "s", "its age when the next one does")
        return sheet.follows("age", f"fresh + {part}(stale - fresh)", amount, "s")
    return sheet.given("age", amount, "s", f"the least that {_percent(share)} of all instants keep below")


def _of_all(sheet: Sheet, image: ImageCopy, share: Fraction, amount: Fraction) -> Fraction:
    """Of the freshest of all ways into a store."""
    assert image.staleness is not None
    fresh, stale = image.staleness.oldest
    names = ", ".join(jobs[-1].id for jobs in (image.jobs, *image.others))
    sheet.given("fresh", Fraction(fresh, 1000), "s", f"age of the image that gets oldest, when it is whole; of {names}")
    if share < 1:
        return sheet.given("age", amount, "s", f"the least that {_percent(share)} of all instants keep below")
    sheet.given("stale", Fraction(stale, 1000), "s", "its age when a fresher one is whole, whichever that is")
    return sheet.follows("age", "stale", amount, "s")


def _period(sheet: Sheet, job: JobDemand) -> str:
    rhythm = job.rhythm
    lasts = rhythm.period if rhythm.steady else rhythm.gap
    sheet.given("period", Fraction(lasts, 1000), "s", f"between two runs of {job.id}", job.schedule.span)
    if not rhythm.shift:
        return "period"
    sheet.given("shift", Fraction(rhythm.shift, 1000), "s", f"that clocks change by in {job.schedule.timezone}")
    return "(period + shift)"


def _slot(sheet: Sheet, job: JobDemand, slot: Slot, retries: Given[Fraction]) -> Fraction:
    """What the bytes of a job take at the rate its slot reserves, failed attempts included."""
    if not slot.rate:
        return sheet.given("slot", 0, "s", f"nothing on the way of {job.id} is known to be narrow")
    sheet.given("size", job.bytes, "B", f"of `{job.database}`", job.size.span)
    sheet.given("retries", retries.value, "", "what failed attempts may cost", retries.span)
    effort = sheet.follows("effort", "ceil(size * (1 + retries))", effort_of(job, retries.value), "B")
    sheet.given("slot_rate", slot.rate, "B/s", f"reserved for {job.id}")
    return sheet.takes(effort, Fraction(slot.rate), "slot", ("effort", "slot_rate"))


def _of_chain(sheet: Sheet, jobs: Sequence[JobDemand], amount: Fraction) -> Fraction:
    worst = oldest(jobs)
    if worst is None:
        return _of_unaligned(sheet, jobs, amount)
    _instant(sheet, "snapshot", worst.runs[0], f"{jobs[0].id} takes its snapshot")
    for number, (job, start) in enumerate(zip(jobs[1:], worst.runs[1:], strict=True), 1):
        _instant(sheet, f"copied_{number}", start, f"{job.id} begins to copy it from `{job.source}`")
    _instant(sheet, "next", worst.next_whole, f"a fresher image is whole in `{jobs[-1].store}`: {jobs[-1].id}")
    if not worst.slack:
        return sheet.follows("age", "next - snapshot", amount, "s")
    sheet.given("shift", Fraction(worst.slack, 1000), "s", "that clocks change by")
    return sheet.follows("age", "next - snapshot + shift", amount, "s")


def _instant(sheet: Sheet, name: str, milliseconds: int, what: str) -> None:
    """Seconds since a Monday, as a day and a time."""
    days, rest = divmod(milliseconds, DAY)
    seconds, fraction = divmod(rest, 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + (f".{fraction:03}" if fraction else "")
    sheet.given(name, Fraction(milliseconds, 1000), "s", f"{_DAYS[days % 7]} {clock} UTC, {what}")


def _of_unaligned(sheet: Sheet, jobs: Sequence[JobDemand], amount: Fraction, paused: int = 0) -> Fraction:
    """Each job may have just missed the one before; `paused`: milliseconds in which the first does not run."""
    parts = []
    for number, job in enumerate(jobs, 1):
        assert job.slot is not None
        rhythm = job.rhythm
        period = rhythm.period if rhythm.steady else rhythm.gap
        between = f"between two runs of {job.id}" + (", clock changes included" if rhythm.shift else "")
        sheet.given(f"period_{number}", Fraction(period + rhythm.shift, 1000), "s", between, job.schedule.span)
        thawed = ", and until what it copies has thawed" if job.lead else ""
        lasts = Fraction(job.lead + job.slot.length, 1000)
        sheet.given(f"slot_{number}", lasts, "s", f"reserved for {job.id}{thawed}")
        parts.append(f"period_{number} + slot_{number}")
    if paused:
        sheet.given("paused", Fraction(paused, 1000), "s", "while full images are taken, and copies made")
        parts.append("paused")
    return sheet.follows("age", " + ".join(parts), amount, "s", "each may have just missed the one before")


def ageing(sheet: Sheet, one: Ageing, retries: Given[Fraction]) -> None:
    """A term of the age of an image: the time between two, or what is left of the age beside it."""
    image, share = one.image, one.share
    assert image.staleness is not None
    amount = image.staleness.quantile(share) / 1000
    if image.joint:
        age(sheet, image, share, retries)
        name, least = ("between", "max(0, age - fresh)") if one.part is Part.BETWEEN else ("ready", "min(age, fresh)")
        sheet.follows(
            name, least, image.between(share) if one.part is Part.BETWEEN else amount - image.between(share), "s"
        )
        return
    last = image.jobs[-1]
    gap = sheet.given("gap", Fraction(last.rhythm.gap, 1000), "s", f"between two runs of {last.id}", last.schedule.span)
    part = "" if share >= 1 else f" * {share.numerator}/{share.denominator}"
    between = f"gap{part}"
    if gap * share > amount:
        between = f"min(gap{part}, age)"
    if one.part is Part.READY or gap * share > amount:
        age(sheet, image, share, retries)
    if one.part is Part.BETWEEN:
        sheet.follows("between", between, min(gap * share, amount), "s")
    else:
        sheet.follows("ready", f"age - {between}", amount - min(gap * share, amount), "s")


def apart(sheet: Sheet, one: Apart) -> None:
    """The longest time between two snapshots that no schedule avoids, whichever jobs bring them."""
    gap = Fraction(least_gap(one.chains, one.share), 1000)
    names = []
    together = Fraction(0)
    for number, jobs in enumerate(one.chains, 1):
        slowest = max(jobs, key=lambda job: (job.rhythm.period, job.source or ""))
        name = "period" if len(one.chains) == 1 else f"period_{number}"
        period = Fraction(slowest.rhythm.period, 1000)
        sheet.given(name, period, "s", f"between two runs of {slowest.id}", slowest.schedule.span)
        names.append(name)
        together += 1 / period
    if len(names) == 1 and one.share >= 1:
        sheet.follows("apart", names[0], gap, "s")
        return
    share = "1" if one.share >= 1 else f"{one.share.numerator}/{one.share.denominator}"
    expression = f"{share} / ({' + '.join(f'1 / {name}' for name in names)})"
    left = widest_left(one.chains, one.share) / 1000
    if left > one.share / together and gap <= left:
        sheet.given("left", left, "s", "in the gaps of one job, whatever offsets all keep: others are too few for them")
        expression = f"max({expression}, left)"
    elif gap > one.share / together:
        sheet.given("closed", gap, "s", "the longest stretch in which no window of these jobs is open")
        expression = f"max({expression}, closed)"
    sheet.follows("apart", f"floor({expression} * 1000) / 1000", gap, "s")


def forced(sheet: Sheet, one: Forced, lasts: Fraction) -> None:
    """The wait between an image and its copy that their windows force."""
    before, job = one.before, one.job
    moved, copied = one.took
    between = Fraction(job.rhythm.phase - before.rhythm.phase, 1000)
    sheet.given("between", between, "s", f"from a release of {before.id} to the one of {job.id}", job.schedule.span)
    sheet.given("window", before.window, "s", f"that {before.id} has", before.schedule.span)
    sheet.given("window_copy", job.window, "s", f"that {job.id} has", job.schedule.span)
    sheet.given("moved", moved, "s", f"that {before.id} takes at full capacity")
    sheet.given("copied", copied, "s", f"that {job.id} takes at full capacity")
    period = sheet.given("period", Fraction(job.rhythm.period, 1000), "s", "of both")
    latest = between + max(Fraction(0), job.window.amount - copied) - moved
    expression = "ceil(-(between + max(0, window_copy - copied) - moved) / period)"
    sheet.follows("turns", expression, ceil(-latest / period), "", "periods until the copy can begin after it")
    sheet.follows("wait", "max(0, between - max(0, window - moved) - moved + turns * period)", lasts, "s")


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):g}%"
