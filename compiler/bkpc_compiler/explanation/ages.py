"""How the age of an image is worked out: from the slots of the jobs that make and copy it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from bkpc_compiler.explanation.chain import Oldest, oldest, oldest_of_all
from bkpc_compiler.explanation.chains import left_out
from bkpc_compiler.explanation.rhythms import between, clock, gap
from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.explanation.slots import SHOWN, lead, of_database, slot
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.images import ImageCopy
from bkpc_compiler.feasibility.staleness import Staleness, quantile_of
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.feasibility.working import Ageing, Part
from bkpc_grammar.shares import percent


def age(sheet: Sheet, image: ImageCopy, share: Fraction, analysis: Analysis) -> Fraction:
    """Seconds since the snapshot of the newest usable image, which `share` of all instants keep below.

    `image` must have slots.
    """
    ages = image.staleness
    if ages is None:
        return _of_late(sheet, image)
    amount = ages.quantile(share) / 1000
    if image.joint:
        return _of_all(sheet, image, share, amount, analysis)
    if image.jobs[0].left_out:
        return _of_unaligned(sheet, image.jobs, amount, analysis)
    if len(image.jobs) == 1:
        (job,) = image.jobs
        return sheet.follows("age", f"{_part(share)}{between(sheet, job)} + {slot(sheet, job, analysis)}", amount, "s")
    if share == 1:
        return _of_chain(sheet, image.jobs, amount, analysis)
    return _of_ramps(sheet, ages, share, amount)


def _part(share: Fraction) -> str:
    return f"{share.numerator}/{share.denominator} * " if share < 1 else ""


def _of_all(sheet: Sheet, image: ImageCopy, share: Fraction, amount: Fraction, analysis: Analysis) -> Fraction:
    """Of the freshest of all ways into a store."""
    ages = image.staleness
    assert ages is not None
    ways = [jobs for jobs in (image.jobs, *image.others) if not jobs[0].incremental]
    worst = oldest_of_all([jobs for jobs in ways if all(job.timely and job.rhythm.fixed for job in jobs)])
    assert worst is not None
    _instants(sheet, worst, analysis, whole=True)
    slack = " + slack" if worst.slack else ""
    sheet.follows("fresh", f"whole - snapshot{slack}", Fraction(worst.fresh, 1000), "s", "its age when it is whole")
    if share < 1:
        return _of_ramps(sheet, ages, share, amount)
    return sheet.follows("age", f"next - snapshot{slack}", amount, "s", "when a fresher one is whole")


def _of_ramps(sheet: Sheet, ages: Staleness, share: Fraction, amount: Fraction) -> Fraction:
    """Over one hyperperiod age rises from `fresh` to `stale` again and again: `share` of it lies below `amount`."""
    milliseconds = amount * 1000
    ramps = max(ages.times, key=lambda one: quantile_of(one, share))
    ended = [(fresh, stale) for fresh, stale in ramps if stale < milliseconds]
    rising = sorted((fresh, stale) for fresh, stale in ramps if fresh < milliseconds <= stale)
    note = "the images of one cycle, from when each is whole until the next one is"
    sheet.given("cycle", Fraction(sum(stale - fresh for fresh, stale in ramps), 1000), "s", note)
    below = Fraction(sum(stale - fresh for fresh, stale in ended), 1000)
    sheet.given("below", below, "s", "of it, images that a fresher one has replaced before they are so old")
    fresh = []
    for number, (first, _) in enumerate(rising[:SHOWN], 1):
        sheet.given(f"fresh_{number}", Fraction(first, 1000), "s", "age of an image when it is whole, that gets older")
        fresh.append(f"fresh_{number}")
    if more := rising[SHOWN:]:
        others = Fraction(sum(first for first, _ in more), 1000)
        sheet.given("fresh_others", others, "s", f"the same of {len(more)} more, added up")
        fresh.append("fresh_others")
    expression = f"({_part(share)}cycle - below + {' + '.join(fresh)}) / {len(rising)}"
    return sheet.follows("age", expression, amount, "s", f"{percent(share)} of all instants keep below it")


def _of_chain(sheet: Sheet, jobs: Sequence[JobDemand], amount: Fraction, analysis: Analysis) -> Fraction:
    worst = oldest(jobs)
    if worst is None:
        return _of_unaligned(sheet, jobs, amount, analysis)
    _instants(sheet, worst, analysis, whole=False)
    return sheet.follows("age", f"next - snapshot{' + slack' if worst.slack else ''}", amount, "s")


def _instants(sheet: Sheet, worst: Oldest, analysis: Analysis, *, whole: bool) -> None:
    """When the image was taken, copied and, if asked, `whole`; and when the next one is."""
    begun = "snapshot"
    for number, (job, start) in enumerate(zip(worst.jobs, worst.runs, strict=True)):
        begun = f"copied_{number}" if number else "snapshot"
        what = f"{job.id} begins to copy it from `{job.source}`" if number else f"{job.id} takes its snapshot"
        _begins(sheet, job, start, begun, (f"_{number + 1}", what), analysis)
    if whole:
        suffix, last = f"_{len(worst.jobs)}", worst.jobs[-1]
        _ends(sheet, last, worst.runs[-1], (begun, "whole"), (suffix, f"it is whole in `{last.store}`"), analysis)
    after = worst.after
    suffix = f"_{worst.jobs.index(after) + 1}" if after in worst.jobs else "_after"
    start = worst.next_whole - after.lead - (after.slot.length if after.slot else 0)
    _begins(sheet, after, start, "begun", (suffix, f"the next run of {after.id} begins"), analysis)
    words = f"a fresher image is whole in `{after.store}`: {after.id}"
    _ends(sheet, after, start, ("begun", "next"), (suffix, words), analysis)
    if worst.slack:
        sheet.given("slack", Fraction(worst.slack, 1000), "s", "that clocks change by")


def _begins(sheet: Sheet, job: JobDemand, start: int, name: str, told: tuple[str, str], analysis: Analysis) -> None:
    """A run: its release, and how long after it its first byte moves; it chooses its image so much before. `told`: the
    ending of its own figures, and what this instant is."""
    suffix, words = told
    assert job.slot is not None
    released = start - job.begins
    sheet.given(f"{name}_due", Fraction(released, 1000), "s", f"{clock(released)}, {job.id}", job.schedule.span)
    sheet.once(f"offset{suffix}", Fraction(job.slot.offset, 1000), "s", f"that the plan gives {job.id}")
    thawed = lead(sheet, job, analysis, suffix)
    expression = f"{name}_due + offset{suffix}" + (f" - {thawed}" if thawed else "")
    sheet.follows(name, expression, Fraction(start, 1000), "s", f"{clock(start)}: {words}")


def _ends(
    sheet: Sheet, job: JobDemand, start: int, names: tuple[str, str], told: tuple[str, str], analysis: Analysis
) -> None:
    """A run that began at the first of `names` is over at the second."""
    (begun, over), (suffix, words) = names, told
    assert job.slot is not None
    thawed = lead(sheet, job, analysis, suffix)
    parts = [begun, *([thawed] if thawed else []), slot(sheet, job, analysis, suffix)]
    whole = start + job.lead + job.slot.length
    sheet.follows(over, " + ".join(parts), Fraction(whole, 1000), "s", f"{clock(whole)}: {words}")


def _of_unaligned(sheet: Sheet, jobs: Sequence[JobDemand], amount: Fraction, analysis: Analysis) -> Fraction:
    """Each job may have just missed the one before; of the first so many in a row may be left out."""
    parts: list[str] = []
    zones: dict[str, Fraction] = {}
    for number, job in enumerate(jobs, 1):
        suffix, rhythm = f"_{number}", job.rhythm
        lasts = Fraction(rhythm.period if rhythm.steady else rhythm.gap - rhythm.shift, 1000)
        sheet.given(f"period{suffix}", lasts, "s", f"between two runs of {job.id}", job.schedule.span)
        rare = number == 1 and job.left_out
        more = left_out(sheet, job, of_database(analysis, job.database)) if rare else ""
        parts.append(f"({more} + 1) * period{suffix}" if more else f"period{suffix}")
        if rhythm.shift:
            zones[job.schedule.timezone] = max(
                zones.get(job.schedule.timezone, Fraction(0)), Fraction(rhythm.shift, 1000)
            )
        thawed = lead(sheet, job, analysis, suffix)
        parts += [thawed.strip("()")] if thawed else []
        parts.append(slot(sheet, job, analysis, suffix))
    for number, (zone, shift) in enumerate(zones.items(), 1):
        name = f"shift_{number}" if len(zones) > 1 else "shift"
        sheet.once(name, shift, "s", f"that clocks change by in {zone}")
        parts.append(name)
    return sheet.follows("age", " + ".join(parts), amount, "s", "each may have just missed the one before")


def _of_late(sheet: Sheet, image: ImageCopy) -> Fraction:
    """Of images whose jobs have slots that end after their windows: whether they keep to these or not."""
    parts = []
    for number, job in enumerate(image.jobs, 1):
        assert job.slot is not None
        suffix = f"_{number}"
        parts.append(between(sheet, job, suffix).strip("()"))
        what = f"from a release of {job.id} to the end of its slot, which is later than that of its window"
        sheet.given(f"end{suffix}", Fraction(job.slot.end, 1000), "s", what if job.late else what.partition(",")[0])
        parts.append(f"end{suffix}")
    return sheet.follows("age", " + ".join(parts), Fraction(image.oldest, 1000), "s", "late or not")


def ageing(sheet: Sheet, one: Ageing, analysis: Analysis) -> None:
    """A term of the age of an image: the time between two, or what is left of the age beside it."""
    image, share = one.image, one.share
    assert image.staleness is not None
    amount = image.staleness.quantile(share) / 1000
    between_two = image.between(share)
    if image.joint:
        age(sheet, image, share, analysis)
        name, least = ("between", "max(0, age - fresh)") if one.part is Part.BETWEEN else ("ready", "min(age, fresh)")
        sheet.follows(name, least, between_two if one.part is Part.BETWEEN else amount - between_two, "s")
        return
    last = image.jobs[-1]
    whole = Fraction(last.rhythm.gap, 1000)
    gap(sheet, last)
    expression = "gap" if share >= 1 else f"gap * {share.numerator}/{share.denominator}"
    if whole * share > amount:
        expression = f"min({expression}, age)"
    if one.part is Part.READY or whole * share > amount:
        age(sheet, image, share, analysis)
    if one.part is Part.BETWEEN:
        sheet.follows("between", expression, between_two, "s")
    else:
        sheet.follows("ready", f"age - {expression}", amount - between_two, "s")
