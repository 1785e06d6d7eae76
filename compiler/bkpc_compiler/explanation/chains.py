"""How much the incremental images behind a full one hold: the arithmetic of feasibility/increments.py, shown."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

from bkpc_compiler.explanation.rhythms import between, shortest, window
from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.increments import increments_in, least_between


def changed(sheet: Sheet, job: JobDemand, jobs: Sequence[JobDemand], suffix: str) -> None:
    """One incremental image: what changes from when the one before it begins."""
    assert job.changes is not None
    sheet.once("changes", job.changes.value, "B/s", f"of `{job.database}`", job.changes.span)
    parts = [_longest(sheet, job, f"{suffix}_held")]
    others = [one for one in jobs if one.id != job.id]
    for number, one in enumerate(others, 1):
        parts.append(window(sheet, one, f"{suffix}_held_{number}"))
    since = Fraction(
        job.rhythm.gap + job.window.milliseconds_up() + sum(one.window.milliseconds_up() for one in others), 1000
    )
    note = f"from when the image before {job.id} begins until it is whole; it is left out while others run"
    sheet.follows(f"since{suffix}", " + ".join(parts), since, "s", note)
    sheet.follows(f"size{suffix}", f"ceil(changes * since{suffix})", job.bytes.amount, "B")


def increments(sheet: Sheet, jobs: Sequence[JobDemand], store: str, suffix: str = "") -> str:
    """The bytes of all incremental images behind a full one in `store`: the name of the figure."""
    name = f"increments{suffix}"
    behind = increments_in(jobs)
    numbers = {one: number for number, one in enumerate(dict.fromkeys(job.store for job in jobs), 1)}

    def of(at: str, passed: frozenset[str]) -> str:
        parts = []
        if any(job.incremental and job.store == at for job in jobs):
            parts.append(_own(sheet, jobs, at, f"{suffix}_in_{numbers[at]}"))
        sources = {job.source for job in jobs if job.store == at and job.source}
        carried = [
            of(one, passed | {at}) for one in sorted(sources) if one not in passed and one != at and one in behind
        ]
        carried = [one for one in carried if one != "0"]
        if carried:
            parts.append(_most(carried))
        return " + ".join(parts) or "0"

    note = f"of all incremental images behind a full one in `{store}`"
    sheet.follows(name, of(store, frozenset()), behind[store].bytes, "B", note)
    return name


def counted(sheet: Sheet, jobs: Sequence[JobDemand], store: str) -> str:
    """How many incremental images a full one in `store` has behind it: an expression."""
    increments(sheet, jobs, store)
    behind = increments_in(jobs)
    numbers = {one: number for number, one in enumerate(dict.fromkeys(job.store for job in jobs), 1)}

    def of(at: str, passed: frozenset[str]) -> str:
        adding = sum(1 for job in jobs if job.incremental and job.store == at)
        parts = [f"images_in_{numbers[at]}_{number}" for number in range(1, adding + 1)]
        sources = {job.source for job in jobs if job.store == at and job.source}
        carried = [
            of(one, passed | {at}) for one in sorted(sources) if one not in passed and one != at and one in behind
        ]
        parts += [_most(carried)] if carried else []
        return " + ".join(parts) or "0"

    return of(store, frozenset())


def _own(sheet: Sheet, jobs: Sequence[JobDemand], store: str, suffix: str) -> str:
    """Those that are taken into `store`: as many as are released between two full ones, and no more than changes."""
    name = f"taken{suffix}"
    if any(one.name == name for one in sheet.cells):
        return name
    fulls = [job for job in jobs if job.store == store and job.begins_chains]
    adding = [job for job in jobs if job.store == store and job.incremental]
    apart = Fraction(max((one.rhythm.gap + one.window.milliseconds_up() for one in fulls), default=0), 1000)
    longest = [_longest(sheet, job, f"{suffix}_full_{number}") for number, job in enumerate(fulls, 1)]
    widest = _most(longest) if longest else "0"
    sheet.follows(f"apart{suffix}", widest, apart, "s", "until the next full one is whole")
    parts, counts, total, windows = [], [], 0, []
    for number, job in enumerate(adding, 1):
        own = f"{suffix}_{number}"
        alike = least_between(job, fulls) > job.rhythm.least  # clocks of both: their change is in `apart`
        within, least = window(sheet, job, own), shortest(sheet, job, own, changed=not alike)
        windows.append(within)
        lasts = job.window.milliseconds_up()
        images = (apart * 1000 + lasts) // least_between(job, fulls) + 1
        sheet.follows(f"images{own}", f"floor((apart{suffix} + {within}) / {least}) + 1", Fraction(images), "")
        if job.changes is not None and job.size.span == job.changes.span:
            changed(sheet, job, jobs, f"{own}")
        else:
            sheet.given(f"size{own}", job.bytes, "B", f"of {job.id}", job.size.span)
        parts.append(f"images{own} * size{own}")
        counts.append(f"images{own}")
        total += images * job.bytes.bytes_up()
    changes = next((job.changes for job in adding if job.changes), None)
    expression = " + ".join(parts)
    if changes:
        sheet.once("changes", changes.value, "B/s", "of the database", changes.span)
        taking_ms = max(job.window.milliseconds_up() for job in adding)
        count = sum((one.value for one in sheet.cells if one.name in counts), start=Fraction(0))
        until = apart + (count + 1) * Fraction(taking_ms, 1000)
        most = f"apart{suffix} + ({' + '.join(counts)} + 1) * {_most(windows)}"
        note = "what changes while one is taken is in two"
        sheet.follows(f"until{suffix}", most, until, "s", note)
        expression = f"min({expression}, ceil(changes * until{suffix}))"
        total = min(total, ceil(changes.value.amount * until))
    sheet.follows(name, expression, Fraction(total), "B", f"taken into `{store}` between two full ones")
    return name


def _longest(sheet: Sheet, job: JobDemand, suffix: str) -> str:
    """From when one run is released until the next one is over."""
    return f"{between(sheet, job, suffix)} + {window(sheet, job, suffix)}"


def _most(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"max({', '.join(names)})"
