"""What no schedule betters of the age of an image, worked out: periods, windows, and transfers at full capacity."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

from bkpc_compiler.explanation.rhythms import clock, mean
from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.images import least_gap, mean_of, uncovered, widest_left
from bkpc_compiler.feasibility.working import Apart, Forced


def waiting(sheet: Sheet, one: Apart | Forced, lasts: Fraction) -> None:
    """What no schedule avoids: between two snapshots, or between an image and its copy."""
    if isinstance(one, Apart):
        apart(sheet, one)
    else:
        forced(sheet, one, lasts)


def apart(sheet: Sheet, one: Apart) -> None:
    """The longest time between two snapshots that no schedule avoids, whichever jobs bring them."""
    chains, share = one.chains, one.share
    least = Fraction(least_gap(chains, share), 1000)
    if len(chains) == 1 and share >= 1:
        slowest = max(chains[0], key=lambda job: (job.rhythm.period, job.source or ""))
        note = f"between two runs of {slowest.id}"
        sheet.given("period", Fraction(slowest.rhythm.period, 1000), "s", note, slowest.schedule.span)
        sheet.follows("apart", "period", least, "s")
        return
    names = ["period"] if len(chains) == 1 else [f"period_{number}" for number, _ in enumerate(chains, 1)]
    periods = [
        mean(sheet, max(jobs, key=lambda job: (mean_of(job), job.source or "")), name)
        for name, jobs in zip(names, chains, strict=True)
    ]
    part = "1" if share >= 1 else f"{share.numerator}/{share.denominator}"
    expression = f"{part} / ({' + '.join(f'1 / {name}' for name in names)})"
    by_turns = share / sum(1 / period for period in periods)
    left = widest_left(chains, share) / 1000
    if left > by_turns and least <= left:
        _left(sheet, names, periods, share, left)
        expression = f"max({expression}, left)"
    elif least > by_turns:
        _closed(sheet, chains)
        expression = f"max({expression}, closed)"
    sheet.follows("apart", f"floor({expression} * 1000) / 1000", least, "s")


def _left(sheet: Sheet, names: Sequence[str], periods: Sequence[Fraction], share: Fraction, left: Fraction) -> None:
    """What one job leaves between two of its images, however the others fall into its gaps."""
    for name, period in zip(names, periods, strict=True):
        others = sum((period / other for other in periods), start=Fraction(-1))
        fewer = "floor(" if share >= 1 else "("
        beside = f"{fewer}{' + '.join(f'{name} / {other}' for other in names if other != name) or 0})"
        if share >= 1:
            found, expression = period / (others // 1 + 1), f"{name} / (others + 1)"
            others = Fraction(others // 1)
        elif others < 1:
            part = f"{share.numerator}/{share.denominator}"
            found, expression = period * (1 - (1 - share) / (1 - others)), f"{name} * (1 - (1 - {part}) / (1 - others))"
        else:
            continue
        if found == left:
            note = f"images of all others in {name}, on the average; each job keeps its offset"
            sheet.follows("others", beside, others, "", note)
            sheet.follows("left", expression, left, "s", "in one gap at least")
            return
    raise AssertionError("no job leaves so much")


def _closed(sheet: Sheet, chains: Sequence[Sequence[JobDemand]]) -> None:
    firsts = list(dict.fromkeys(jobs[0] for jobs in chains))
    closes, opens = uncovered(firsts, max(job.rhythm.period for job in firsts))
    sheet.given("closes", Fraction(closes, 1000), "s", f"{clock(closes)}: the last window of these jobs")
    sheet.given("opens", Fraction(opens, 1000), "s", f"{clock(opens)}: the next window")
    sheet.follows("closed", "opens - closes", Fraction(opens - closes, 1000), "s", "none of them may begin")


def forced(sheet: Sheet, one: Forced, lasts: Fraction) -> None:
    """The wait between an image and its copy that their windows force."""
    before, job = one.before, one.job
    moved, copied = one.took
    between = Fraction(job.rhythm.phase - before.rhythm.phase, 1000)
    due = Fraction(before.rhythm.phase, 1000)
    sheet.given("due", due, "s", f"{clock(before.rhythm.phase)}, {before.id}", before.schedule.span)
    due = Fraction(job.rhythm.phase, 1000)
    sheet.given("due_copy", due, "s", f"{clock(job.rhythm.phase)}, {job.id}", job.schedule.span)
    sheet.given("window", before.window, "s", f"that {before.id} has", before.schedule.span)
    sheet.given("window_copy", job.window, "s", f"that {job.id} has", job.schedule.span)
    _at_capacity(sheet, before, "moved", moved)
    _at_capacity(sheet, job, "copied", copied)
    period = sheet.given("period", Fraction(job.rhythm.period, 1000), "s", "of both", job.schedule.span)
    latest = between + max(Fraction(0), job.window.amount - copied) - moved
    expression = "ceil(-(due_copy - due + max(0, window_copy - copied) - moved) / period)"
    sheet.follows("turns", expression, ceil(-latest / period), "", "periods until the copy can begin after it")
    wait = "max(0, due_copy - due - max(0, window - moved) - moved + turns * period)"
    sheet.follows("wait", wait, lasts, "s")


def _at_capacity(sheet: Sheet, job: JobDemand, name: str, lasts: Fraction) -> None:
    """What the least bytes of a job take through the narrowest resource that is declared."""
    firm = [one for one in job.resources if one.firm]
    if not firm or not lasts:
        sheet.given(name, 0, "s", f"nothing on the way of {job.id} is known to be narrow, or it may be empty")
        return
    narrow = min(firm, key=lambda one: (one.most, one.name))
    sheet.given(f"bytes_{name}", job.least, "B", f"of `{job.database}`", job.size.span)
    sheet.given(f"capacity_{name}", narrow.most, "B/s", narrow.words, narrow.span)
    sheet.follows(name, f"bytes_{name} / capacity_{name}", lasts, "s", f"that {job.id} takes at full capacity")
