"""An image of a job: the engine that takes it, and what an incremental one continues."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pymysql.connections import Connection

from bkpc_grammar import plan as contract
from bkpc_grammar.privileges import begins_binlogs
from bkpc_runtime.engines.picking import Kind, engine_called, name_for, refuse_lacking
from bkpc_runtime.errors import DamagedBackup, ServerFailed
from bkpc_runtime.mysql.binlog.receiver import first_event
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import ServerFacts, list_binlogs, read_facts, time_of
from bkpc_runtime.repository import catalogue, holdings, layout, marks
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Engine, Manifest
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.steps.clocks import refuse_ahead
from bkpc_runtime.stores.store import Store
from bkpc_runtime.world import World

log = logging.getLogger(__name__)
IMAGES = frozenset({"backup.full", "backup.incremental"})
"""The kinds of jobs that take images of a server."""
_LSN = {
    "mariadb": "SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'",
    "mysql": "SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_current_lsn'",
}


def kind_of(job: contract.Job) -> Kind:
    """What a job asks of an engine."""
    return "incremental" if job.kind == "backup.incremental" else job.engine


def run_image(
    world: World, job: contract.Job, stores: Sequence[Store], progress: Callable[[int, int], None] = lambda _, __: None
) -> Manifest:
    """Take the image of a job into its stores; `progress` is told how many bytes of how many have been read.

    An incremental one that nothing can begin from is a full one, and the log says why.

    Raises:
        StepFailed: it failed; the repository is consistent, run it again.
        PolicyBroken: the server or this machine lacks what the engine needs.
        Refused: this machine's clock is ahead of the server's.
    """
    (database,) = world.databases(job.database)
    address, password = world.login(database)
    parent = None
    connection = world.connect(database)
    try:
        refuse_ahead(world.clock(), time_of(connection), database.name)
        facts = read_facts(connection)
        name = name_for(kind_of(job), facts)
        if job.kind == "backup.incremental":
            refuse_lacking(connection, facts, address, "incremental")
            parent, reason = _continued(world, job, stores, connection, facts, name)
            if parent is None:
                log.warning("%s takes a full image: %s", job.id, reason)
    finally:
        connection.close()
    return take_image(
        Source(database.name, address, password),
        stores,
        job.recipients,
        expected_size=job.expect_bytes if parent else max(job.expect_bytes, database.size_bytes),
        engine=engine_called(name, parent),
        limit=job.limit if parent or job.kind != "backup.incremental" else limit_of_full(world.plan, job),
        clock=world.clock,
        go_on=world.go_on,
        progress=progress,
        begins_binlog=begins_binlogs(world.plan, database.name),
    )


def limit_of_full(plan: contract.Plan, job: contract.Job) -> int | None:
    """The rate of an incremental job's full image: what the plan reserves for small ones is for what changes only."""
    limits = [one.limit for one in plan.jobs if one.id in job.requires]
    if not limits or None in limits:
        return None if limits else job.limit
    return max(one for one in limits if one is not None)


def _continued(
    world: World,
    job: contract.Job,
    stores: Sequence[Store],
    connection: Connection[Any],
    facts: ServerFacts,
    name: Engine,
) -> tuple[Manifest | None, str]:
    """The image that an incremental one may continue; or why there is none."""
    prefix = layout.prefix_of(job.database, facts.identity)
    found = [newest_to_continue(store, prefix, name, world.clock()) for store in stores]
    images = [one for one, _ in found if one is not None]
    if len(images) < len(found):
        return None, next(why for one, why in found if one is None)
    newest = min(images, key=lambda one: one.manifest.id)
    if any(one.manifest != newest.manifest for one in images):
        return None, f"not all of {', '.join(job.stores)} hold image {images[0].manifest.id}"
    (database,) = world.databases(job.database)
    reason = _behind(connection, facts, newest.manifest) or _other_log(world.connect(database), facts, newest.manifest)
    return (None, reason) if reason else (newest.manifest, "")


def newest_to_continue(store: Store, prefix: str, engine: Engine, now: datetime) -> tuple[Image | None, str]:
    """The newest image in a store by an engine that builds on the newest full one; or why there is none.

    Not on an older one, though an image of that may be newer: chains would grow for ever. Nor on one of the future:
    what continues an image has a later name.
    """
    all_ = [one for one in catalogue.images(store, prefix) if not catalogue.ahead(one.manifest, now)]
    fitting = [one for one in all_ if one.manifest.engine == engine]
    if not fitting:
        return None, f"store `{store.name}` has no image by {engine} of this server"
    full = next((one for one in fitting if one.manifest.kind == "full"), None)
    try:
        chains = (catalogue.chain(one, all_) for one in fitting)
        chain = next((one for one in chains if one[0] == full), None)
    except DamagedBackup as problem:
        return None, str(problem)
    if chain is None:
        return None, f"store `{store.name}` has no full image by {engine} of this server"
    told = marks.marks(store, prefix)
    reason = next(filter(None, (_not_to_build_on(one.manifest.id, told) for one in chain)), "")
    return (None, reason) if reason else (chain[-1], "")


def _not_to_build_on(image: str, told: Sequence[marks.Mark]) -> str:
    """Why no image may continue this one, though it is there."""
    held = holdings.held(image, told)
    if held:
        return f"image {image} is held: {held}"
    verified, expiring = (marks.newest(told, kind, image) for kind in (marks.VERIFIED, marks.EXPIRING))
    if verified and verified.word == "damaged":
        return f"image {image} was found to be damaged"
    return f"image {image} is about to be deleted" if expiring and expiring.word != "revoked" else ""


def _behind(connection: Connection[Any], facts: ServerFacts, parent: Manifest) -> str:
    """Why the server's files can't be those of `parent` with what was written since.

    Pages are asked for by their LSN alone: a server that was set up anew, or went back to an older image, has pages of
    the same numbers that hold other things. Its binlog tells: it must still have the file in which the parent stands.
    """
    sizes = {one.name: one.size for one in list_binlogs(connection)}
    if not parent.binlog_origin or not parent.to_lsn:
        return f"image {parent.id} does not say which binlog it stands in"
    if parent.binlog_file not in sizes:
        return f"the server no longer has {parent.binlog_file}, in which image {parent.id} stands"
    if sizes[parent.binlog_file] < parent.binlog_offset:
        return f"the server's {parent.binlog_file} ends before {parent.binlog_offset}, where image {parent.id} stands"
    lsn = query(connection, _LSN[facts.flavour])
    if lsn and int(lsn[0][1]) < parent.to_lsn:
        return f"the server is at LSN {lsn[0][1]}, before {parent.to_lsn}, where image {parent.id} ends"
    if facts.flavour == "mariadb" and parent.gtid:
        asked = "SELECT BINLOG_GTID_POS(%s, %s)"
        gtid = query(connection, asked, (parent.binlog_file, parent.binlog_offset))[0][0]
        if gtid != parent.gtid:
            return f"where image {parent.id} stands the server's log is at GTID {gtid}, the image at {parent.gtid}"
    return ""


def _other_log(connection: Connection[Any], facts: ServerFacts, parent: Manifest) -> str:
    """Why the binlog in which `parent` stands is not the server's of that name; the connection is used up."""
    try:
        event = first_event(connection, facts, parent.binlog_file)
    except ServerFailed as problem:
        return f"the server does not give {parent.binlog_file}, in which image {parent.id} stands: {problem}"
    finally:
        connection._force_close()  # type: ignore[attr-defined]  # the server goes on sending
    if hashlib.sha256(event).hexdigest() != parent.binlog_origin:
        return f"the server's {parent.binlog_file} is another file than the one in which image {parent.id} stands"
    return ""
