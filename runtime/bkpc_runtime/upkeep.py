"""Jobs that keep a repository in order, from the plan's words to the steps that do them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime

from bkpc_grammar import plan as contract
from bkpc_runtime import events
from bkpc_runtime.errors import DamagedBackup, StepFailed, StoreFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import read_facts
from bkpc_runtime.repository import plans
from bkpc_runtime.repository.expiry import Rules, rules_of
from bkpc_runtime.schedule import last_start
from bkpc_runtime.steps.expire import Source, expire
from bkpc_runtime.steps.judge import judge_images, limits_of
from bkpc_runtime.steps.verification import due_images, verify_into_mark
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.identity import identities_here
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
_COMPARED = ("keep_ms", "daily", "weekly", "monthly", "yearly", "lock_ms", "timezone")


def run_expiry(world: World, job: contract.Job) -> str:
    """Expires what the plan in force no longer keeps; a sentence for each store.

    Raises:
        ServerFailed: the server does not answer: then nothing expires.
        StepFailed: a store does not answer, or failed; what was begun is finished by the next run. The others are done.
    """
    (database,) = world.databases(job.database)
    stores = {name: world.store(name) for name in world.stores_of(database.name)}
    barred: dict[str, str] = {}
    failed = False
    for name, store in stores.items():
        try:
            why = _not_agreed(world, store, name, database.name)
        except StoreFailed as problem:
            why, failed = f"it can't be looked at: {problem}", True
        barred |= {name: why} if why else {}
    source = _source(world, database)
    try:
        judge_database(world, database.name)
    except StoreFailed as problem:
        log.warning("new images of `%s` are not compared: %s", database.name, problem)
    ours = rules(world.plan, database.name)
    done = expire(tuple(stores.values()), database.name, ours, source, world.clock(), barred)
    told = f"expiry of `{database.name}`: " + "; ".join(one.text for one in done)
    if failed:
        raise StepFailed(told, help="what can be looked at was done", retryable=True)
    return told


def run_verification(world: World, job: contract.Job, *, due_only: bool = False) -> str:
    """Reads back what has its turn in the job's stores; a sentence, empty where nothing was due.

    With `due_only` it is a step only where something was: the agent looks every few minutes.

    Raises:
        DamagedBackup: an image is not what was written.
    """
    now = world.clock()
    identities = identities_here(world.environ)
    done: list[str] = []
    damaged: list[str] = []
    with ExitStack() as begun:
        begins = events.step(job.id, job.kind, job.database)
        step = None if due_only else begun.enter_context(begins)
        for name in job.stores:
            store = world.store(name)
            for image in due_images(store, job.database, last_start(job.schedule, now) if due_only else now):
                step = step or begun.enter_context(begins)
                problems = verify_into_mark(image, store, identities, job.limit, world.clock())
                done.append(f"image {image.manifest.id} in {name}")
                damaged += problems
        if damaged:
            text = f"`{job.database}`: {'; '.join(damaged[:5])}"
            raise DamagedBackup(text, help="a new image is taken by `bkpc run`")
        if step is None:
            return ""
        nothing = f"nothing of `{job.database}` is there to be verified"
        step.text = f"verified of `{job.database}`: {', '.join(done)}" if done else nothing
        return step.text


def judge_database(world: World, database: str) -> tuple[str, ...]:
    """Compares new images with their predecessors, where the policy says so; what is held or remarkable, in words."""
    limits = limits_of(next((one for one in world.plan.flow if one.database == database), None))
    if limits is None:
        return ()
    stores = [world.store(name) for name in world.stores_of(database)]
    judged = judge_images(stores, database, limits, world.clock())
    for image, one in judged:
        if one.word == "hold":
            events.tell(events.Hold(database=database, image=image, reasons=tuple(one.reasons)))
    words = {"hold": "held", "warn": "warning"}
    return tuple(
        f"{words[one.word]}: image {image}: {'; '.join(one.reasons)}" for image, one in judged if one.word in words
    )


def rules(plan: contract.Plan, database: str) -> Mapping[str, Rules]:
    """What a plan keeps of a database, by store."""
    flow = next((one for one in plan.flow if one.database == database), None)
    return {one.store: rules_of(one, flow) for one in plan.retention if one.database == database}


def _not_agreed(world: World, store: Store, name: str, database: str) -> str:
    """Why this plan may not delete: only one that was applied, and so agreed to, does."""
    force = plans.in_force(store, database)
    if force is None:
        return "no plan is in force in it; bkpc apply puts this one in force"
    if force.plan is None:
        return f"the plan in force in it can't be read: {force.unreadable}"
    ours = next(one for one in world.plan.retention if (one.database, one.store) == (database, name))
    theirs = force.retention(database, name)
    if theirs is None or any(getattr(ours, one) != getattr(theirs, one) for one in _COMPARED):
        differs = "the plan in force in it keeps something else"
        if plans.was_applied(store, world.plan.header.digest):
            # To apply this one would take the change back.
            return (
                f"{differs}, and was applied after this one, {plans.short(world.plan.header.digest)}: use that one, "
                f"{plans.short(force.digest)} (an agent goes over to it by itself once it is its plan file)"
            )
        return f"{differs}; bkpc apply puts this one in force"
    return ""


def _source(world: World, database: contract.Database) -> Source:
    connection = world.connect(database)
    try:
        seconds = float(query(connection, "SELECT UNIX_TIMESTAMP(NOW(6))")[0][0])
        return Source(read_facts(connection).identity, datetime.fromtimestamp(seconds, UTC))
    finally:
        connection.close()
