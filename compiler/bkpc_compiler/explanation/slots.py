"""What a job is known by in a calculation: the time between two runs, its slot, and what it moves in it."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from bkpc_compiler.explanation import image_pieces
from bkpc_compiler.explanation.chains import Of, changed, counted, increments
from bkpc_compiler.explanation.rhythms import between, shortest
from bkpc_compiler.explanation.sheet import Sheet, renamed
from bkpc_compiler.feasibility.demand import JobDemand, effort_of, sought_of
from bkpc_compiler.feasibility.starting import tried_again
from bkpc_compiler.feasibility.thaw import DAY, copied_of
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.model import StorageClass
from bkpc_grammar.thaws import A_SECOND

SHOWN = 6
"""Figures of one kind that a calculation shows; the others are added up."""


def slot(sheet: Sheet, job: JobDemand, analysis: Analysis, suffix: str = "") -> str:
    """What the bytes of a job take at the rate its slot reserves, failed attempts included."""
    name = f"slot{suffix}"
    if any(one.name == name for one in sheet.cells):
        return name
    assert job.slot is not None
    retries = analysis.program.retries
    if not job.slot.rate and not job.beside:
        sheet.given(name, 0, "s", f"nothing on the way of {job.id} is known to be narrow")
        return name
    sheet.once("retries", retries.value, "", "what failed attempts may cost", retries.span)
    beside = _beside(sheet, job, analysis, suffix)
    if not job.slot.rate:
        note = f"nothing on the way of {job.id} is known to be narrow"
        sheet.follows(name, beside, Fraction(job.slot.length, 1000), "s", note)
        return name
    if not any(one.name == f"size{suffix}" for one in sheet.cells):
        size(sheet, job, analysis, suffix)
    expression = f"ceil(size{suffix} * (1 + retries))"
    effort = sheet.follows(f"effort{suffix}", expression, effort_of(job, retries.value), "B")
    sheet.given(f"slot_rate{suffix}", job.slot.rate, "B/s", f"reserved for {job.id}")
    if job.slot.reads:
        _reading(sheet, job, analysis, suffix, beside)
        return name
    moving = f"moving{suffix}" if beside else name
    sheet.takes(effort, Fraction(job.slot.rate), moving, (f"effort{suffix}", f"slot_rate{suffix}"))
    if beside:
        sheet.follows(name, f"{moving} + {beside}", Fraction(job.slot.length, 1000), "s")
    return name


def _reading(sheet: Sheet, job: JobDemand, analysis: Analysis, suffix: str, beside: str) -> None:
    """The slot of a job that reads more than it moves."""
    assert job.slot is not None
    assert job.whole is not None
    note = f"that {job.id} reads to find what changed: all of `{job.database}`"
    sheet.given(f"whole{suffix}", job.read, "B", note, job.whole.span)
    sheet.given(f"slot_rate_read{suffix}", job.slot.reads, "B/s", f"reserved for {job.id} where it reads")
    sought = sought_of(job, analysis.program.retries.value)
    note = "read and not moved, failed attempts included"
    sheet.follows(f"sought{suffix}", f"ceil((whole{suffix} - size{suffix}) * (1 + retries))", sought, "B", note)
    reading, moving = f"sought{suffix} / slot_rate_read{suffix}", f"effort{suffix} / slot_rate{suffix}"
    effort = effort_of(job, analysis.program.retries.value)
    takes = Fraction(sought, job.slot.reads) + Fraction(effort, job.slot.rate)
    expression = f"ceil(({reading} + {moving}) * 1000) / 1000"
    lasts = Fraction(ceil(takes * 1000) + tried_again(job.beside, analysis.program.retries.value), 1000)
    sheet.follows(f"slot{suffix}", f"{expression} + {beside}" if beside else expression, lasts, "s")


def _beside(sheet: Sheet, job: JobDemand, analysis: Analysis, suffix: str) -> str:
    """What a job takes to start, for its tables and requests, failed attempts included: its name; empty: no time."""
    if not job.beside:
        return ""
    database, parts = analysis.setting.databases[job.database], []
    starts, tables, each = database.starts, database.tables, database.table
    rest = job.beside - (job.objects.wait if job.objects else 0)
    if starts and starts.value.amount:
        sheet.given(f"starts{suffix}", starts.value, "s", "until it moves anything", starts.span)
        parts.append(f"ceil(starts{suffix} * 1000)")
        rest -= starts.value.milliseconds_up()
    if rest and tables and each:
        sheet.once(f"tables{suffix}", tables.value, "", "and schemas", tables.span)
        sheet.given(f"table{suffix}", each.value, "s", "what one of them takes beside its bytes", each.span)
        parts.append(f"tables{suffix} * ceil(table{suffix} * 1000)")
    if job.objects and job.objects.wait:
        parts.append(f"{_requests(sheet, job, analysis, suffix)} * 1000")
    takes = Fraction(tried_again(job.beside, analysis.program.retries.value), 1000)
    expression = f"ceil(({' + '.join(parts)}) * (1 + retries)) / 1000"
    sheet.follows(f"beside{suffix}", expression, takes, "s", "beside its bytes")
    return f"beside{suffix}"


def _requests(sheet: Sheet, job: JobDemand, analysis: Analysis, suffix: str) -> str:
    """What requests for the objects of its image take."""
    assert job.objects is not None
    return image_pieces.storing(sheet, job.objects, _held(sheet, job, analysis, suffix), suffix)


def _held(sheet: Sheet, job: JobDemand, analysis: Analysis, suffix: str) -> tuple[str, str]:
    """The name of the bytes of its image, and how many are behind a full one, as what is added."""
    behind, database = "", analysis.setting.databases[job.database]
    bytes_ = f"all{suffix}" if job.incremental else f"size{suffix}"
    if job.incremental:
        sheet.once(bytes_, database.size.value, "B", f"of `{job.database}`", database.size.span)
    elif not any(one.name == bytes_ for one in sheet.cells):
        size(sheet, job, analysis, suffix)
    if job.behind and job.source:
        behind = f" + {counted(sheet, of_database(analysis, job.database), job.source, suffix, planned=False)}"
    return bytes_, behind


def of_database(analysis: Analysis, database: str) -> Of:
    """The jobs of a database and of its server."""
    jobs = analysis.demand.jobs_by_database[database]
    servers = {job.server for job in jobs}
    server = [job for job in analysis.demand.jobs if job.server in servers]
    return Of(jobs, server, lambda sheet, job, suffix: slot(sheet, job, analysis, suffix))


def size(sheet: Sheet, job: JobDemand, analysis: Analysis, suffix: str = "") -> None:
    """What a job moves: a whole database, what changed of it, or a copy with all that it builds on."""
    name = f"size{suffix}"
    of = of_database(analysis, job.database)
    if job.behind:
        assert job.source is not None
        sheet.given(f"full{suffix}", job.size.value, "B", f"of `{job.database}`", job.size.span)
        behind = increments(sheet, of, job.source, suffix, planned=False)
        sheet.follows(name, f"full{suffix} + {behind}", job.bytes.amount, "B")
    elif job.incremental and job.changes is not None and job.size.span == job.changes.span:
        changed(sheet, job, of.server, suffix)
    else:
        sheet.given(name, job.bytes, "B", f"of `{job.database}`", job.size.span)


def lead(sheet: Sheet, job: JobDemand, analysis: Analysis, suffix: str = "") -> str:
    """What passes between its choice of an image and its first byte, as an expression; empty: nothing."""
    if job.thaw is None or job.source is None:
        return ""
    sheet.once(f"thaw{suffix}", job.thaw.value, "s", f"before `{job.source}` can be read", job.thaw.span)
    parts = [f"thaw{suffix}"]
    if job.objects:
        if not any(one.name == f"asked{suffix}" for one in sheet.cells):
            image_pieces.asking(sheet, job.objects, _held(sheet, job, analysis, suffix), suffix)
        parts.append(f"asked{suffix}")
    if job.others:
        parts.append(_others(sheet, job, analysis, suffix))
    if job.queue:
        parts.append(f"queue{suffix}")
    told = f"({' + '.join(parts)})" if len(parts) > 1 else parts[0]
    if not job.queue or any(one.name == f"queue{suffix}" for one in sheet.cells):
        return told
    storage = _class_of(job, analysis)
    assert storage is not None
    asked = copied(sheet, storage, analysis, suffix)
    day = quota(sheet, storage, suffix)
    expression = f"(ceil({asked} / {day}) - 1) * {DAY}"
    sheet.follows(f"queue{suffix}", expression, Fraction(job.queue, 1000), "s", "behind all other copies of its class")
    return told


def _others(sheet: Sheet, job: JobDemand, analysis: Analysis, suffix: str) -> str:
    """How long what other copies ask for holds up what it asks: the name of that figure."""
    assert job.others is not None
    if not any(one.name == f"others{suffix}" for one in sheet.cells):
        own = Sheet(sheet.clauses)
        asked_by_copies(own, analysis, but=job.id)
        sheet.add(renamed(own.cells, f"age{suffix.strip('_') or 0}"))
        takes = f"ceil({sheet.cells[-1].name} * 1000 / {A_SECOND}) / 1000"
        note = f"while others ask: the service takes {A_SECOND} a second of all"
        sheet.follows(f"others{suffix}", takes, Fraction(job.behind_others, 1000), "s", note)
    return f"others{suffix}"


def least_apart(sheet: Sheet, analysis: Analysis) -> str:
    """The least time between two that one copy out of what must thaw asks: the name of the figure."""
    jobs = [job for job in analysis.demand.jobs if job.thaw is not None]
    job = min(jobs, key=lambda one: (one.rhythm.least, one.id))
    return shortest(sheet, job, "_apart")


def asked_by_copies(sheet: Sheet, analysis: Analysis, but: str = "") -> str:
    """Objects that all copies out of what must thaw ask for, once each, `but` one: the name of the figure."""
    jobs = [job for job in analysis.demand.jobs if job.thaw is not None and job.objects and job.id != but]
    counts = {job.id: job.objects.count for job in jobs if job.objects}
    jobs.sort(key=lambda one: (-counts[one.id], one.id))
    parts = []
    for number, job in enumerate(jobs[:SHOWN], 1):
        assert job.objects is not None
        own = Sheet(sheet.clauses)
        count = image_pieces.moved(own, job.objects, _held(own, job, analysis, ""), "")
        own.follows("asks", count, counts[job.id], "", f"objects that {job.id} asks for")
        sheet.add(renamed(own.cells, f"log{number}"))
        parts.append(sheet.cells[-1].name)
    if more := jobs[SHOWN:]:
        note = f"objects that {len(more)} more copies ask for"
        sheet.given("copies_others", sum(counts[one.id] for one in more), "", note)
        parts.append("copies_others")
    sheet.follows("asked_by_copies", " + ".join(parts) or "0", sum(counts.values()), "", "of all that thaws")
    return "asked_by_copies"


def quota(sheet: Sheet, storage: StorageClass, suffix: str = "") -> str:
    """Bytes that a class thaws in a day, as an expression."""
    assert storage.quota is not None
    name = f"quota{suffix}"
    note = f"that class {storage.name} thaws in a region in a day"
    sheet.once(name, storage.quota.value.amount * DAY, "B", note, storage.quota.span)
    return f"max(1, floor({name}))"


def copied(sheet: Sheet, storage: StorageClass, analysis: Analysis, suffix: str = "") -> str:
    """What all copies out of a class ask to thaw, once each and in a day: the name of its figure."""
    name, stores = f"copied{suffix}", analysis.setting.stores
    jobs = [job for job in analysis.demand.jobs if (found := _class_of(job, analysis)) and found.name == storage.name]
    jobs.sort(key=lambda one: (-one.bytes.amount, one.id))
    parts = []
    for number, job in enumerate(jobs[:SHOWN], 1):
        own = f"{suffix}_{number}"
        sheet.given(f"copies{own}", job.bytes, "B", f"that {job.id} asks to thaw", job.size.span)
        between(sheet, job, f"_copies{own}")
        parts.append(f"copies{own} * (1 + {DAY} / period_copies{own})")
    if more := jobs[SHOWN:]:
        others = copied_of(more, stores)[storage.name]
        note = f"that {len(more)} more copies ask once, and in a day"
        sheet.given(f"copies{suffix}_others", others.once + others.daily, "B", note)
        parts.append(f"copies{suffix}_others")
    total = copied_of(jobs, stores)[storage.name]
    sheet.follows(name, " + ".join(parts), total.once + total.daily, "B", f"of class {storage.name} by copies")
    return name


def _class_of(job: JobDemand, analysis: Analysis) -> StorageClass | None:
    """The class that a copy reads, where that must thaw."""
    if job.source is None or job.thaw is None:
        return None
    storage = analysis.setting.stores[job.source].storage_class
    return storage.value if storage else None
