"""Loading an image into an empty server, part by part, and comparing what is there with what was."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.engines.inventory import read_contents, without_more
from bkpc_runtime.errors import DamagedBackup, Refused, ServerFailed
from bkpc_runtime.mysql.account_statements import AccountName
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import ServerFacts, read_facts
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.tools import client_options
from bkpc_runtime.recovery.accounts_back import existing_accounts
from bkpc_runtime.recovery.loading import Loading, Noted, client_command
from bkpc_runtime.recovery.marker import KEPT, SCHEMA, Marker, Unfinished, recalled, refuse_others, unfinished
from bkpc_runtime.recovery.server_objects import make_server_objects
from bkpc_runtime.recovery.table_needs import Engines
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Inventory, Part
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
MOST_CLIENTS = 8


def ready_target(target: Target, image: Image) -> ServerFacts:
    """What the target is, once it is known to take the image.

    Raises:
        Refused: it is of the other flavour, or already holds schemas that are not from an unfinished restore of it.
    """
    connection = target.connect()
    try:
        facts = read_facts(connection)
        held = _holding(connection)
        earlier = unfinished(connection)
        made = _made(connection) if earlier else ()
    finally:
        connection.close()
    if earlier:
        refuse_others(target, earlier, image.manifest.id, made)
    packet, needed = facts.variable("max_allowed_packet"), image.manifest.variables.get("max_allowed_packet", "0")
    if int(packet) < int(needed):
        raise Refused(
            f"the target {target.address.text} takes packets of {int(packet):,} bytes, its source {int(needed):,}",
            help=f"SET GLOBAL max_allowed_packet = {needed}; nothing was changed",
        )
    case = image.manifest.variables.get("lower_case_table_names", "")
    if case and facts.variable("lower_case_table_names") != case:
        raise Refused(
            f"lower_case_table_names of the target {target.address.text} is "
            f"{facts.variable('lower_case_table_names')}, of its source {case}: names would not be what they were",
            help=f"set up a server with lower_case_table_names = {case}; nothing was changed",
        )
    events = any(one.events for one in image.manifest.inventory)
    if events and facts.variable("event_scheduler") == "DISABLED":
        raise Refused(
            f"the event scheduler of {target.address.text} is DISABLED: the events of the image can't be made there",
            help="start it with event_scheduler = OFF; nothing was changed",
        )
    if facts.flavour != image.manifest.flavour:
        raise Refused(
            f"the image is of {image.manifest.flavour} {image.manifest.server_version}, "
            f"the target {target.address.text} is {facts.flavour} {facts.version_text}",
            help="restore into a server of the same flavour",
        )
    ours = {one.schema for one in image.manifest.inventory} if earlier and earlier.image else set()
    clashing = sorted(set(held) - ours - {SCHEMA})
    if clashing:
        raise Refused(
            f"the target {target.address.text} is not empty: it holds {', '.join(clashing[:5])}",
            help="restore into an empty server; nothing was changed",
        )
    return facts


def _made(connection: Connection[Any]) -> list[str]:
    """The accounts that are there since an earlier run began, which a later one would take for the target's own."""
    before = recalled(connection, KEPT)
    if before is None:
        return []
    kept = {AccountName(user, host) for user, host in json.loads(before)}
    return [one.text for one in sorted(set(existing_accounts(connection)) - kept)]


def _holding(connection: Connection[Any]) -> list[str]:
    schemas = read_contents(connection).schemas
    return [one.schema for one in schemas if one.tables or one.views or one.routines or one.events]


def holds_anything(connection: Connection[Any]) -> bool:
    """Whether a server has anything in schemas that are not its own."""
    return bool(_holding(connection))


def quiet_target(target: Target) -> None:
    """No event may fire while a restore runs, and none before someone has looked at the result."""
    connection = target.connect()
    try:
        (found,) = query(connection, "SELECT @@GLOBAL.event_scheduler")
        if str(found[0]).upper() in {"OFF", "DISABLED"}:
            return
        query(connection, "SET GLOBAL event_scheduler = OFF")
    except ServerFailed as problem:
        raise ServerFailed(
            f"the event scheduler of {target.address.text} can't be switched off: {problem}",
            help="restore as a user that may set global variables; restored events would change restored data",
        ) from problem
    finally:
        connection.close()


def load_image(
    image: Image,
    store: Store,
    target: Target,
    facts: ServerFacts,
    identities: Sequence[Secret],
    progress: Callable[[Part, int, int], None],
    before_views: Callable[[], None] = lambda: None,
    *,
    clients: int | None = None,
    marker: Marker | None = None,
    other_engines: bool = False,
) -> dict[tuple[str, str], str]:
    """All parts, those of tables by several clients at once; then the inventories must be equal.

    Not those of accounts: `before_views` gives definers what they need.
    `marker`: what an earlier run has loaded is not loaded again, and what this one loads is noted.
    With `other_engines` tables whose engine the target lacks get its default one; returns these, with theirs.

    Raises:
        ToolFailed: the client refused a part; the others are stopped, but for those of other tables where it is one
            table's: all that can be loaded of them is.
        DamagedBackup: a part is not what was stored, or something is missing after the load.
    """
    parts = _parts_left(image, target, marker)
    make_server_objects(image, store, target, identities)
    engines = Engines.of(target)
    with client_options(target.address, facts.flavour) as options:
        loading = Loading(
            image, store, client_command(facts, str(options)), identities, Noted(progress, marker, parts), engines,
            other_engines=other_engines,
        )  # fmt: skip
        # Schemas and their sequences first: a table of one may take its numbers from another.
        loading.run([part for part in parts if part.kind == "schema"], 1)
        tables = [part for part in parts if part.kind == "table"]
        loading.run(sorted(tables, key=lambda part: -part.sums.plain_size), clients or default_clients())
        loading.again()
        loading.run([part for part in parts if part.kind == "objects"], 1)
        before_views()
        loading.run([part for part in parts if part.kind in {"views", "check_option", "doubtful"}], 1)
    compare(image, target)
    return loading.other_engines


def _parts_left(image: Image, target: Target, marker: Marker | None) -> list[Part]:
    """Those that an earlier run has not loaded, or that may be lost since; what would stand in their way is gone."""
    before = marker.before if marker else Unfinished("", frozenset(), frozenset(), False)
    loaded = before.loaded - _perhaps_lost(image, target) if before.loaded else before.loaded
    apart = {"accounts", "server"}
    parts = [part for part in image.manifest.parts if part.kind not in apart and part.name not in loaded]
    if any(part.kind == "objects" and part.name in before.loaded | before.begun for part in parts):
        _drop_triggers(image, target)
    return parts


def _perhaps_lost(image: Image, target: Target) -> frozenset[str]:
    """Parts of tables whose engine may lose them when a server dies, though they were loaded; and what made their
    triggers."""
    with closing(target.connect()) as connection:
        rows = query(
            connection,
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE engine IN (SELECT engine FROM information_schema.engines WHERE COALESCE(transactions, '') <> 'YES')",
        )
    held = {(str(schema), str(table)) for schema, table in rows}
    lost = frozenset(part.name for part in image.manifest.parts if (part.schema, part.table) in held)
    objects = frozenset(part.name for part in image.manifest.parts if part.kind == "objects")
    return lost | objects if lost else lost


def default_clients() -> int:
    """As many as there are processors, within what memory is promised."""
    return max(2, min(os.cpu_count() or 2, MOST_CLIENTS))


def _drop_triggers(image: Image, target: Target) -> None:
    """The dump makes them without dropping those that are there; of a run that broke off some may be."""
    with closing(target.connect()) as connection:
        for one in image.manifest.inventory:
            for trigger in one.triggers:
                query(connection, f"DROP TRIGGER IF EXISTS {quote(one.schema, trigger)}")


def compare(image: Image, target: Target) -> None:
    """Whether a server holds what an image does.

    Raises:
        DamagedBackup: it does not; the message names what is missing.
    """
    connection = target.connect()
    try:
        doubtful = frozenset((one.schema, one.table) for one in image.manifest.parts if one.kind == "doubtful")
        found = {one.schema: one for one in read_contents(connection).without_views(doubtful).schemas}
    finally:
        connection.close()
    for wanted in image.manifest.inventory:
        there = found.get(wanted.schema)
        if image.manifest.inventory_loose and there is not None:
            there = without_more(there, wanted)
        if there != wanted:
            raise DamagedBackup(
                f"after the load, schema {wanted.schema} is not what the image holds: {_difference(wanted, found)}"
            )


def _difference(wanted: Inventory, found: dict[str, Inventory]) -> str:
    there = found.get(wanted.schema)
    if there is None:
        return "it is missing"
    kinds = ("tables", "views", "triggers", "routines", "events")
    missing = [
        f"{kind[:-1]} {name}" for kind in kinds for name in set(getattr(wanted, kind)) - set(getattr(there, kind))
    ]
    added = [f"{kind[:-1]} {name}" for kind in kinds for name in set(getattr(there, kind)) - set(getattr(wanted, kind))]
    return f"missing {sorted(missing)[:5]}, too many {sorted(added)[:5]}"
