"""How many physical images a recovery prepares at least, one onto the other, and what that takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bkpc_compiler.planning.verified.estate import Estate
from bkpc_grammar.plan import Job, Step

Jobs = Mapping[str, list[Job]]
"""All jobs of each database."""


def jobs_of(jobs: Iterable[Job]) -> Jobs:
    found: dict[str, list[Job]] = {}
    for one in jobs:
        found.setdefault(one.database, []).append(one)
    return found


def preparing_takes(step: Step, jobs: Jobs, estate: Estate) -> int:
    """Milliseconds of a `restore.image` that pass when its bytes are there."""
    each = estate.databases[step.database].prepares
    if each is None or not each.value.amount:
        return 0
    taken = [*taken_into(jobs, step.database, step.store or "")]
    fulls = [job for job in taken if job.kind == "backup.full"]
    if not fulls or any(job.engine != "physical" for job in fulls):
        return 0
    apart = min(job.schedule.period_ms for job in fulls)
    behind = sum(apart // job.schedule.period_ms for job in taken if job.kind == "backup.incremental")
    return (1 + behind) * each.value.milliseconds_up()


def taken_into(jobs: Jobs, database: str, store: str) -> Iterator[Job]:
    """The jobs whose images of `database` get to `store`, by copies too."""
    yield from _taken(jobs.get(database, []), store, frozenset())


def _taken(jobs: list[Job], store: str, passed: frozenset[str]) -> Iterator[Job]:
    for job in jobs:
        if store not in job.stores or store in passed:
            continue
        if job.kind == "copy" and job.source_store:
            yield from _taken(jobs, job.source_store, passed | {store})
        elif job.kind.startswith("backup."):
            yield job
