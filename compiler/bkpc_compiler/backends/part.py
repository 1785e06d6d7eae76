"""A plan cut down to what concerns some databases, to be drawn; or to the recoveries that bring them back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from bkpc_compiler.backends.estate import needs_of
from bkpc_grammar.plan import Job, Objective, Plan, Recovery, Stream

T = TypeVar("T", Job, Stream, Objective)


def part_of(plan: Plan, databases: Collection[str]) -> Plan:
    """They, all they need, the stores their backups go to, and the links on the way."""
    kept, needs = set(databases), needs_of(plan)
    while more := {needed for one, needed in needs if one in kept} - kept:
        kept |= more
    jobs = tuple(one for one in plan.jobs if one.database in kept)
    streams = tuple(one for one in plan.streams if one.database in kept)
    flows: tuple[Job | Stream, ...] = (*jobs, *streams)
    stores = {name for one in flows for name in one.stores}
    settings = tuple(one for one in plan.settings if one.store in stores)
    stores |= {one.replicates_to for one in settings if one.replicates_to is not None}
    reserved = {one.resource for flow in flows for one in flow.reserve}
    return replace(
        plan,
        estate=replace(
            plan.estate,
            databases=tuple(one for one in plan.estate.databases if one.name in kept),
            stores=tuple(one for one in plan.estate.stores if one.name in stores),
        ),
        resources=tuple(one for one in plan.resources if one.name in reserved),
        jobs=jobs,
        streams=streams,
        settings=settings,
        recoveries=tuple(
            replace(one, steps=tuple(step for step in one.steps if step.database in kept))
            for one in plan.recoveries
            if kept.intersection(one.down)
        ),
    )


class Recovering:
    """The recoveries of a plan, some at a time, each with what is planned for the databases it brings back."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._jobs, self._streams, self._objectives = (
            _by_database(plan.jobs),
            _by_database(plan.streams),
            _by_database(plan.objectives),
        )

    def of(self, databases: Collection[str]) -> Plan:
        """Those that bring back any of `databases`, each whole."""
        wanted = set(databases)
        return self.only([one for one in self._plan.recoveries if wanted.intersection(one.databases)])

    def only(self, recoveries: Sequence[Recovery]) -> Plan:
        """Some of them."""
        names = sorted({name for one in recoveries for name in (*one.databases, *one.down)})
        return replace(
            self._plan,
            jobs=tuple(one for name in names for one in self._jobs.get(name, ())),
            streams=tuple(one for name in names for one in self._streams.get(name, ())),
            objectives=tuple(one for name in names for one in self._objectives.get(name, ())),
            recoveries=tuple(recoveries),
        )


def _by_database(parts: Iterable[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for one in parts:
        found.setdefault(one.database, []).append(one)
    return found
