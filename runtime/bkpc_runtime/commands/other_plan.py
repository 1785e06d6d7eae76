"""What `status` and `apply` say where another plan than the one that they are given is run, or is in force."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from bkpc_grammar import plan as contract
from bkpc_runtime import plan_watch
from bkpc_runtime.agents_here import AgentHere, agents_of
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.repository import plans
from bkpc_runtime.stores.store import Store
from bkpc_runtime.work_folder import work_folder
from bkpc_runtime.world import World, open_world


def agents_of_other_plans(world: World, given: Path | None) -> dict[str, str]:
    """By database: that an agent of this machine works on another plan, and what to do."""
    told = [(one, _words(world, one)) for one in _others(world, given)]  # which reads its plan
    return {name: words for one, words in told for name in one.databases}


def replaced_in(world: World, database: str, store: Store) -> str:
    """That another plan was put in force in a store since this one was; empty where this one is, or never was."""
    digest = world.plan.header.digest
    if plans.last_applied(store) in {digest, ""} or not plans.was_applied(store, digest):
        return ""
    force = plans.in_force(store, database)
    return plan_watch.replaced(database, store.name, force.digest, digest) if force and force.digest != digest else ""


def told_of_agents(world: World, given: Path | None, *, replaced: bool) -> Iterator[str]:
    """What comes of a plan that was put in force, where it took the place of another."""
    others = _others(world, given)
    for one in others:
        yield f"warning: {_words(world, replace(one, says=''))}"
    if replaced and not others and not agents_of(_work(world, given), _databases(world)):
        yield (
            "no agent works here on the plan before this one; one that runs elsewhere goes over to this one by itself "
            "once it is its plan file, and has the plan before this one until then"
        )


def told_of_keys(world: World, stores: Collection[str], due: Collection[contract.Job]) -> Iterator[str]:
    """Of databases whose backups the plan seals for other keys than the one in force did: what is there is not, unless
    a full image is `due` now. Asked before the plan is put in force."""
    for database in world.databases(None):
        name, ours = database.name, _recipients(world.plan, database.name)
        fulls = [job for job in world.plan.jobs if job.database == name and job.kind == "backup.full"]
        there = sorted({*stores} & {*world.stores_of(name)})
        theirs = {one for store in there for one in _in_force(world, store, name)}
        if ours and theirs - {ours} and fulls and not any(job in due for job in fulls):
            yield (
                f"warning: `{name}` is sealed for other keys from now on, and what is there is not: keep the old ones, "
                f"and take an image for the new ones now: bkpc run PLAN {fulls[0].id}"
            )


def _in_force(world: World, store: str, database: str) -> Iterator[frozenset[str]]:
    try:
        force = plans.in_force(world.store(store), database)
    except RuntimeFailure:
        return  # told where the plan is put in force
    if force and force.plan:
        yield _recipients(force.plan, database)


def _recipients(plan: contract.Plan, database: str) -> frozenset[str]:
    sealing: list[contract.Stream | contract.Job] = [
        *plan.streams,
        *(job for job in plan.jobs if job.kind.startswith("backup.")),
    ]
    return frozenset(key for one in sealing if one.database == database for key in one.recipients)


def _others(world: World, given: Path | None) -> list[AgentHere]:
    found = agents_of(_work(world, given), _databases(world))
    return [one for one in found if one.digest != world.plan.header.digest]


def _work(world: World, given: Path | None) -> Path:
    return work_folder(given, world.folder, world.environ)


def _databases(world: World) -> set[str]:
    return {one.name for one in world.plan.estate.databases}


def _words(world: World, agent: AgentHere) -> str:
    ours = world.plan.header.digest
    told = f"the agent here runs plan {plans.short(agent.digest)}, not this one ({plans.short(ours)})"
    try:
        there = open_world(Path(agent.file)).plan.header.digest
    except RuntimeFailure:
        there = ""
    if there == ours:
        why = f"; its log says why it has not: {agent.says}" if agent.says else ""
        return f"{told}: it goes over to this one by itself once this is in force and its jobs under way are done{why}"
    return f"{told}: put this one into {agent.file}, and apply it; the agent goes over to it by itself then"
