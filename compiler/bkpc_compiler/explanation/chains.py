"""How much the incremental images behind a full one hold: the arithmetic of feasibility/increments.py, shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from bkpc_compiler.explanation.rhythms import between, shortest, window
from bkpc_compiler.explanation.sheet import Sheet
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.increments import (
    between_fulls,
    increments_in,
    lasting,
    least_between,
    left_out_at_most,
)
from bkpc_compiler.feasibility.left_out import fulls_met


@dataclass(frozen=True, slots=True)
class Of:
    """The jobs of a database, and all of its server; `slot` works out what a run of one takes, under an ending."""

    jobs: Sequence[JobDemand]
    server: Sequence[JobDemand]
    slot: Callable[[Sheet, JobDemand, str], str]


def changed(sheet: Sheet, job: JobDemand, beside: Sequence[JobDemand], suffix: str) -> None:
    """One incremental image: what changes from when the one before it begins. `beside`: all jobs of its server."""
    assert job.changes is not None
    sheet.once("changes", job.changes.value, "B/s", f"of `{job.database}`", job.changes.span)
    after, within = between(sheet, job, f"{suffix}_held"), window(sheet, job, f"{suffix}_held")
    fulls = [one for one in beside if not one.source and not one.incremental]
    least = shortest(sheet, job, f"{suffix}_held") if fulls else ""
    note = f"images in a row that full ones may meet: {job.id} is left out then"
    if job.presumed == left_out_at_most(job, beside):
        parts = []
        for number, one in enumerate(fulls, 1):
            parts.append(f"ceil(({window(sheet, one, f'{suffix}_held_{number}')} + {within}) / {least})")
        sheet.follows(f"left_out{suffix}", " + ".join(parts) or "0", job.presumed, "", note)
    else:
        sheet.follows(
            f"left_out{suffix}", f"{job.presumed}", job.presumed, "", f"{note}, in the slots that are planned"
        )
    since = Fraction(job.rhythm.gap + job.presumed * job.rhythm.period + job.window.milliseconds_up(), 1000)
    note = f"from when the image before {job.id} begins until it is whole"
    expression = f"{after} + left_out{suffix} * {f'period{suffix}_held'} + {within}"
    sheet.follows(f"since{suffix}", expression, since, "s", note)
    sheet.follows(f"size{suffix}", f"ceil(changes * since{suffix})", job.bytes.amount, "B")


def left_out(sheet: Sheet, job: JobDemand, of: Of) -> str:
    """How many incremental images in a row are not taken, since full ones of the server are: the name of the figure."""
    assert job.left_out is not None
    least = shortest(sheet, job, "_own")
    lasts = of.slot(sheet, job, "_own")
    met = enumerate(fulls_met(job, of.server), 1)
    parts = [f"ceil(({of.slot(sheet, one, f'_met_{number}')} + {lasts}) / {least})" for number, one in met]
    note = "images in a row that meet a full one of the server, and are left out"
    sheet.follows("left_out", " + ".join(parts), job.left_out, "", note)
    return "left_out"


def _lasting(sheet: Sheet, job: JobDemand, of: Of, suffix: str, *, planned: bool) -> str:
    """What one run takes at most, from the earliest that it may begin."""
    return of.slot(sheet, job, suffix) if planned and job.slot else window(sheet, job, suffix)


def increments(sheet: Sheet, of: Of, store: str, suffix: str = "", *, planned: bool = True) -> str:
    """The bytes of all incremental images behind a full one in `store`: the name of the figure.

    `planned`: in their slots; else wherever these may lie in their windows.
    """
    name, jobs = f"increments{suffix}", of.jobs
    behind = increments_in(jobs, planned=planned)
    numbers = {one: number for number, one in enumerate(dict.fromkeys(job.store for job in jobs), 1)}
    kind = "in" if planned else "ever_in"

    def at(store: str, passed: frozenset[str]) -> str:
        parts = []
        if any(job.incremental and job.store == store for job in jobs):
            parts.append(_own(sheet, of, store, f"{suffix}_{kind}_{numbers[store]}", planned=planned))
        sources = {job.source for job in jobs if job.store == store and job.source}
        carried = [
            at(one, passed | {store}) for one in sorted(sources) if one not in passed and one != store and one in behind
        ]
        carried = [one for one in carried if one != "0"]
        if carried:
            parts.append(_most(carried))
        return " + ".join(parts) or "0"

    note = f"of all incremental images behind a full one in `{store}`"
    sheet.follows(name, at(store, frozenset()), behind[store].bytes, "B", note)
    return name


def counted(sheet: Sheet, of_: Of, store: str, suffix: str = "", *, planned: bool = True) -> str:
    """How many incremental images a full one in `store` has behind it: an expression."""
    if not any(one.name == f"increments{suffix}" for one in sheet.cells):
        increments(sheet, of_, store, suffix, planned=planned)
    jobs, kind = of_.jobs, "in" if planned else "ever_in"
    behind = increments_in(jobs, planned=planned)
    numbers = {one: number for number, one in enumerate(dict.fromkeys(job.store for job in jobs), 1)}

    def of(at: str, passed: frozenset[str]) -> str:
        adding = sum(1 for job in jobs if job.incremental and job.store == at)
        parts = [f"images{suffix}_{kind}_{numbers[at]}_{number}" for number in range(1, adding + 1)]
        sources = {job.source for job in jobs if job.store == at and job.source}
        carried = [
            of(one, passed | {at}) for one in sorted(sources) if one not in passed and one != at and one in behind
        ]
        parts += [_most(carried)] if carried else []
        return " + ".join(parts) or "0"

    return of(store, frozenset())


def _own(sheet: Sheet, of: Of, store: str, suffix: str, *, planned: bool) -> str:
    """Those that are taken into `store`: as many as are released between two full ones, and no more than changes."""
    name = f"taken{suffix}"
    if any(one.name == name for one in sheet.cells):
        return name
    fulls = [job for job in of.jobs if job.store == store and job.begins_chains]
    adding = [job for job in of.jobs if job.store == store and job.incremental]
    apart_ms = max((one.rhythm.gap + lasting(one, planned=planned) for one in fulls), default=0)
    longest = [
        f"{between(sheet, job, own)} + {_lasting(sheet, job, of, own, planned=planned)}"
        for number, job in enumerate(fulls, 1)
        for own in (f"{suffix}_full_{number}",)
    ]
    apart = sheet.follows(
        f"apart{suffix}", _most(longest) if longest else "0", Fraction(apart_ms, 1000), "s", "until the next is whole"
    )
    counts, total, taking = [], 0, []
    for number, job in enumerate(adding, 1):
        own = f"{suffix}_{number}"
        alike = least_between(job, fulls) > job.rhythm.least  # clocks of both: their change is in `apart`
        lasts, least = _lasting(sheet, job, of, own, planned=planned), shortest(sheet, job, own, changed=not alike)
        taking.append(lasts)
        images = between_fulls(job, fulls, apart_ms, planned=planned)
        moved = "" if planned and job.slot else f" + {lasts}"
        sheet.follows(f"images{own}", f"ceil((apart{suffix}{moved}) / {least})", Fraction(images), "")
        if any(one.name == f"size{own}" for one in sheet.cells):
            pass  # its slot was worked out from it
        elif job.changes is not None and job.size.span == job.changes.span:
            changed(sheet, job, of.server, f"{own}")
        else:
            sheet.given(f"size{own}", job.bytes, "B", f"of {job.id}", job.size.span)
        counts.append((f"images{own}", f"size{own}", images))
        total += images * job.bytes.bytes_up()
    changes = next((job.changes for job in adding if job.changes), None)
    expression = " + ".join(f"{images} * {size}" for images, size, _ in counts)
    if changes:
        sheet.once("changes", changes.value, "B/s", "of the database", changes.span)
        longest_ms = max(lasting(job, planned=planned) for job in adding)
        until = apart + (sum(number for _, _, number in counts) + 1) * Fraction(longest_ms, 1000)
        most = f"apart{suffix} + ({' + '.join(images for images, _, _ in counts)} + 1) * {_most(taking)}"
        note = "what changes while one is taken is in two"
        sheet.follows(f"until{suffix}", most, until, "s", note)
        expression = f"min({expression}, ceil(changes * until{suffix}))"
        total = min(total, ceil(changes.value.amount * until))
    sheet.follows(name, expression, Fraction(total), "B", f"taken into `{store}` between two full ones")
    return name


def _most(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"max({', '.join(names)})"
