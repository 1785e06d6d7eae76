"""`bkpc plan`: what `apply` would change; nothing is written."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bkpc_grammar import plan as contract
from bkpc_grammar.shares import MILLION
from bkpc_runtime.commands import keeping
from bkpc_runtime.commands.answering import with_those_that_answer
from bkpc_runtime.commands.buckets import Looked, lines, look_at_buckets
from bkpc_runtime.commands.keeping_json import history_row, store_row
from bkpc_runtime.commands.outcome import add_plan, complain, reported, world_of
from bkpc_runtime.commands.status_promises import due_troubles, stream_troubles
from bkpc_runtime.commands.status_stream import stream_rows
from bkpc_runtime.coverage import Coverage, coverage
from bkpc_runtime.endangered import Endangered, Part, Trouble, endangered
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.executor import due_jobs
from bkpc_runtime.forecast import Outlook
from bkpc_runtime.settings import retention_lock
from bkpc_runtime.world import World

EXAMPLE = "example: bkpc plan plan.json; exit code 3 when a bucket is not as the plan asks, or less is kept"
DRIFT = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    parser.add_argument("--only", metavar="DB", help="only this database and its stores")
    parser.add_argument("--format", choices=["text", "json"], default="text")


@reported
def run(arguments: argparse.Namespace) -> int:
    seen = _looked_at(with_those_that_answer(world_of(arguments), patient=True), arguments.only)
    print(json.dumps(_document(seen), indent=2)) if arguments.format == "json" else _print(seen)
    for problem in seen.problems:
        complain(problem)
    return seen.exit_code


@dataclass(slots=True)
class _Seen:
    """All that `plan` says; `not_known` of images and of expiry: the stores that it is not known of."""

    buckets: list[Looked]
    due: list[contract.Job]
    due_not_known: list[str]
    some_due_known: bool
    ahead: list[Outlook]
    ahead_not_known: list[str]
    orphans: list[str]
    coverage: Coverage
    endangered: list[Endangered]
    failures: list[RuntimeFailure]

    @property
    def problems(self) -> list[RuntimeFailure]:
        """Each told once."""
        failed = [one.failure for one in self.buckets if one.failure]
        return list({str(one): one for one in (*failed, *self.failures)}.values())

    @property
    def exit_code(self) -> int:
        worst = max((one.exit_code for one in self.problems), default=0)
        if not worst and any(one.problems for one in self.buckets):
            return 1
        drifted = any(one.changes for one in self.buckets) or keeping.shortened(self.ahead)
        return worst or (DRIFT if drifted or keeping.history_lost(self.ahead) else 0)


def _looked_at(world: World, only: str | None) -> _Seen:
    buckets = look_at_buckets(world, only)
    missing, unknown = _missing(buckets), _unknown(buckets)
    due = _Due()
    due.look(world, only, missing, unknown)
    ahead, failed = keeping.look_ahead(world, world.databases(only), missing, unknown)
    return _Seen(
        buckets=buckets,
        due=due.jobs,
        due_not_known=sorted(due.not_known),
        some_due_known=due.known,
        ahead=ahead,
        ahead_not_known=keeping.not_known(world, only, ahead, missing),
        orphans=[*keeping.orphans(world)] if only is None and not unknown else [],
        coverage=coverage(world, world.databases(only)),
        endangered=endangered(world.plan, _troubles(world, only, buckets, due.jobs)),
        failures=[*failed, *due.problems],
    )


def _print(seen: _Seen) -> None:
    for line in lines(seen.buckets):
        print(line)
    for job in seen.due:
        print(f"+ {job.id}: {job.kind} to {', '.join(job.stores)} (missing or overdue)")
    nothing = "nothing is missing or overdue" if seen.some_due_known or not seen.due_not_known else ""
    told = f"{len(seen.due)} to take" if seen.due else nothing
    rest = f"not known of those to {', '.join(seen.due_not_known)}" if seen.due_not_known else ""
    print(f"images: {'; '.join(filter(None, (told, rest)))}")
    for line in (*keeping.lines(seen.ahead, seen.ahead_not_known), *seen.orphans):
        print(line)
    for one in seen.endangered:
        print(f"endangered: `{one.database}`: {one.text}")
    for line in _coverage(seen.coverage):
        print(line)


def _coverage(found: Coverage) -> Iterator[str]:
    for one in found.uncovered:
        yield f"note: `{one.database}`: {one.text}"
        yield from (f"    {line}" for line in one.mend)
    if found.not_known:
        names = ", ".join(dict.fromkeys(f"`{name}`" for name, _ in found.not_known))
        why = "; ".join(dict.fromkeys(why for _, why in found.not_known))
        yield f"coverage: not all is known of {names}: {why}"


def _document(seen: _Seen) -> dict[str, Any]:
    return {
        "format_version": 1,
        "buckets": [
            {
                "bucket": one.wanted.bucket,
                "stores": [place.store for place in one.wanted.places],
                "known": one.failure is None,
                "differences": [
                    {"sign": it.sign, "setting": it.setting, "text": it.text, "forever": it.forever}
                    for it in one.differences
                ],
            }
            for one in seen.buckets
        ],
        "images": {
            "due": [{"job": job.id, "kind": job.kind, "stores": list(job.stores)} for job in seen.due],
            "not_known": seen.due_not_known,
        },
        "expiry": [store_row(one) for it in seen.ahead for one in it.forecasts],
        "expiry_not_known": seen.ahead_not_known,
        "history": [history_row(one.history) for one in seen.ahead],
        "notes": seen.orphans,
        "endangered": [
            {
                "database": one.database,
                "promise": one.promise,
                "promised_seconds": one.promised_ms / 1000,
                "share": one.millionths / MILLION,
                "against": list(one.scopes),
                "why": one.why,
            }
            for one in seen.endangered
        ],
        "coverage": {
            "uncovered": [
                {"database": one.database, "text": one.text, "mend": list(one.mend)} for one in seen.coverage.uncovered
            ],
            "not_known": [{"database": name, "why": why} for name, why in seen.coverage.not_known],
        },
        "problems": [{"text": str(one), "help": one.help, "exit_code": one.exit_code} for one in seen.problems],
        "exit_code": seen.exit_code,
    }


def _troubles(world: World, only: str | None, looked: Sequence[Looked], due: Sequence[contract.Job]) -> list[Trouble]:
    """What is not as the plan has it, for each database that it matters to."""
    found = dict(_bucket_trouble(looked))
    names = {one.name: world.stores_of(one.name) for one in world.databases(only)}
    troubles = [
        Trouble(database, store, *found[store])
        for database, stores in names.items()
        for store in stores
        if store in found
    ]
    away = {store for store, (part, _) in found.items() if part == "all"}
    troubles += due_troubles(due, away)
    for (database, store), said in stream_rows(world, None).items():
        troubles += stream_troubles(database, store, said) if database in names else ()
    return troubles


def _bucket_trouble(looked: Sequence[Looked]) -> Iterator[tuple[str, tuple[Part, str]]]:
    """By store: which part of what it keeps, and why."""
    for one in looked:
        bucket = f"bucket {one.wanted.bucket}"
        for store in (place.store for place in one.wanted.places):
            if one.missing:
                yield store, ("all", f"{bucket} is still to be made")
            elif one.failure:
                yield store, ("all", f"{bucket} can't be looked at")
            elif any(it.setting == retention_lock.NAME and it.sign != "i" for it in one.differences):
                yield store, ("lock", f"{bucket} is not locked as the plan asks")


def _missing(looked: Sequence[Looked]) -> set[str]:
    """Stores whose bucket is still to be made."""
    return {place.store for one in looked if one.missing for place in one.wanted.places}


def _unknown(looked: Sequence[Looked]) -> set[str]:
    return {place.store for one in looked if one.failure or one.problems for place in one.wanted.places}


@dataclass(slots=True)
class _Due:
    """The images and copies that are missing or overdue; those into stores that can't be looked at are not known."""

    jobs: list[contract.Job] = field(default_factory=list)
    known: bool = False
    not_known: set[str] = field(default_factory=set)
    problems: list[RuntimeFailure] = field(default_factory=list)

    def look(self, world: World, only: str | None, missing: set[str], unknown: set[str]) -> None:
        names = {one.name for one in world.databases(only)}
        for job in world.plan.jobs:
            if job.database not in names or job.kind in contract.UPKEEP:
                continue
            if unseen := unknown & set(job.stores):
                self.not_known |= unseen
                continue
            try:
                self.jobs += [job] if missing & set(job.stores) else due_jobs(world, [job], datetime.now(UTC))
                self.known = True
            except RuntimeFailure as problem:
                self.not_known |= set(job.stores)
                self.problems.append(problem)
