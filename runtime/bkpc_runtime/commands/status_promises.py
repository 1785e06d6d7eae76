"""What `status` and `plan` say of promises that are not kept now: what they have found wrong, in the terms of these."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from bkpc_grammar import plan as contract
from bkpc_grammar.quantities import Duration
from bkpc_grammar.shares import MILLION, for_share
from bkpc_runtime.commands.status_drill import drill_fine
from bkpc_runtime.commands.status_metrics import answers
from bkpc_runtime.commands.status_stream import sync_fine, sync_line
from bkpc_runtime.endangered import Trouble, endangered, told

Row = Mapping[str, Any]


def promised_rpos(plan: contract.Plan, database: str) -> dict[str, Any]:
    """The shortest RPO of a database for all instants of failure, and those for a share of them, the shortest first.

    What is looked at is one instant: only the first is broken by what is so now.
    """
    found = {
        (one.rpo_ms, one.rpo_millionths)
        for one in plan.objectives
        if one.database == database and one.rpo_ms is not None
    }
    always = [milliseconds for milliseconds, share in found if share == MILLION]
    return {
        "promised_rpo_seconds": min(always) / 1000 if always else None,
        "promised_rpo_for_share": [
            {"seconds": milliseconds / 1000, "share": share / MILLION}
            for milliseconds, share in sorted(found)
            if share < MILLION
        ],
    }


def promised_lines(row: Row) -> Iterator[str]:
    """For people."""
    if row["promised_rpo_seconds"] is not None:
        yield f"promised: rpo {Duration(Fraction(str(row['promised_rpo_seconds']))).human()}"
    for one in row["promised_rpo_for_share"]:
        human = Duration(Fraction(str(one["seconds"]))).human()
        yield f"promised: rpo {human}{for_share(round(one['share'] * MILLION))} of all instants"


def endangered_rows(plan: contract.Plan, row: Row) -> list[dict[str, Any]]:
    """The promises that fall with what a row of `status` says."""
    return [
        {
            "promise": one.promise,
            "promised_seconds": one.promised_ms / 1000,
            "share": one.millionths / MILLION,
            "against": list(one.scopes),
            "why": one.why,
        }
        for one in endangered(plan, _troubles(row))
    ]


def endangered_lines(row: Row) -> Iterator[str]:
    """For people."""
    for one in row["endangered"]:
        promised = told(round(one["promised_seconds"] * 1000), round(one["share"] * MILLION))
        yield f"endangered: {one['promise']} {promised} against {', '.join(one['against'])}: {one['why']}"


def _troubles(row: Row) -> Iterator[Trouble]:
    database, store = row["database"], row["store"]
    if not answers(row):
        yield Trouble(database, store, "all", f"{store} {row['what']}")
        yield from stream_troubles(database, store, row["stream"])
        return
    if not row["image"] and not row["continues"]:
        yield Trouble(database, store, "all", f"{store} has no image")
        return
    if row["image"] in row["damaged"]:
        yield Trouble(database, store, "image", f"the newest image in {store} is damaged")
    if row["lacking"]:
        yield Trouble(database, store, "image", f"the newest image in {store} lacks parts")
    yield from (Trouble(database, store, "image", f"{job} is overdue") for job in row["overdue"])
    if not drill_fine(row["drill"]):
        yield Trouble(database, store, "image", f"the newest drill from {store} failed")
    if row["severed"]:
        yield Trouble(database, store, "log", f"the log in {store} does not continue the newest image")
    if row["unlocked"]:
        yield Trouble(database, store, "lock", row["unlocked"])
    yield from stream_troubles(database, store, row["stream"])
    if row["sync"] and not sync_fine(row["sync"], row["stream"]):
        yield Trouble(database, store, "commits", sync_line(row["sync"], row["stream"]).removeprefix("problem: "))


def stream_troubles(database: str, store: str, stream: Row | None) -> Iterator[Trouble]:
    """What the agent of this machine says of a stream into a store."""
    if stream is None or stream["agent"] == "none here":
        return
    if stream["agent"] == "stopped":
        yield Trouble(database, store, "log", f"the agent that streamed into {store} has stopped")
    elif stream["pausing"]:
        yield Trouble(database, store, "log", f"no log is read: {stream['pausing']}")
    elif stream["lag_seconds"] is not None:
        lag = Duration(Fraction(round(stream["lag_seconds"]))).human()
        milliseconds = round(stream["lag_seconds"] * 1000)
        yield Trouble(database, store, "log", f"the log in {store} lags {lag}", milliseconds)


def due_troubles(jobs: Iterable[contract.Job], unknown: Collection[str]) -> Iterator[Trouble]:
    """What images and copies that are due mean; `unknown`: stores of which nothing is known, told by themselves."""
    for job in jobs:
        for store in job.stores:
            if store not in unknown:
                yield Trouble(job.database, store, "image", f"{job.id} is missing or overdue")
