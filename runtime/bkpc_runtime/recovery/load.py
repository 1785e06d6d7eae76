"""Loading an image into an empty server, part by part, and comparing what is there with what was."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.engines.inventory import read_contents, without_more
from bkpc_runtime.engines.process import Program
from bkpc_runtime.errors import DamagedBackup, Refused, ServerFailed, ToolFailed
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.connection import connect, query
from bkpc_runtime.mysql.flavour import ServerFacts, read_facts
from bkpc_runtime.mysql.tools import client_options, find_tool
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Inventory, Part
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import inbound

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """The server that is restored into."""

    address: Address
    password: Secret

    def connect(self) -> Connection[Any]:
        return connect(self.address, self.password)


def ready_target(target: Target, image: Image) -> ServerFacts:
    """What the target is, once it is known to take the image.

    Raises:
        Refused: it is of the other flavour, or already holds schemas.
    """
    connection = target.connect()
    try:
        facts = read_facts(connection)
        held = [one.schema for one in read_contents(connection).schemas if _holds_anything(one)]
    finally:
        connection.close()
    packet, needed = facts.variable("max_allowed_packet"), image.manifest.variables.get("max_allowed_packet", "0")
    if int(packet) < int(needed):
        raise Refused(
            f"the target {target.address.text} takes packets of {int(packet):,} bytes, its source {int(needed):,}",
            help=f"SET GLOBAL max_allowed_packet = {needed}; nothing was changed",
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
    clashing = sorted(set(held) | ({one.schema for one in image.manifest.inventory} & set(held)))
    if clashing:
        raise Refused(
            f"the target {target.address.text} is not empty: it holds {', '.join(clashing[:5])}",
            help="restore into an empty server; nothing was changed",
        )
    return facts


def _holds_anything(one: Inventory) -> bool:
    return bool(one.tables or one.views or one.routines or one.events)


def client_command(facts: ServerFacts, options: str) -> list[str]:
    """The server's own client, fed with SQL; `--binary-mode` keeps it from interpreting bytes of values."""
    return [
        find_tool(facts.flavour, "client"),
        f"--defaults-file={options}",
        "--binary-mode",
        "--comments",  # or the bodies of routines and triggers lose theirs
        "--max-allowed-packet=1G",
        "--default-character-set=utf8mb4",
    ]


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
) -> None:
    """All parts in order; then the inventories must be equal.

    Not those of accounts: `before_views` gives definers what they need.

    Raises:
        ToolFailed: the client refused a part.
        DamagedBackup: a part is not what was stored, or something is missing after the load.
    """
    # Schemas and their sequences first: a table of one may take its numbers from another.
    parts = sorted(
        (part for part in image.manifest.parts if part.kind != "accounts"), key=lambda part: part.kind != "schema"
    )
    with client_options(target.address, facts.flavour) as options:
        for number, part in enumerate(parts, 1):
            progress(part, number, len(parts))
            if part.kind == "views":
                before_views()
            try:
                _load_part(image, store, part, client_command(facts, str(options)), identities)
            except ToolFailed as problem:
                if part.kind != "doubtful":
                    raise
                log.warning("view %s.%s was broken before, and can't be made: %s", part.schema, part.table, problem)
    compare(image, target)


def _load_part(image: Image, store: Store, part: Part, command: Sequence[str], identities: Sequence[Secret]) -> None:
    key = layout.part_key(image.prefix, image.manifest.id, part.name)
    plain = inbound(
        store.read(key), name=key, encrypted=image.manifest.encrypted, identities=identities, expected=part.sums
    )
    with Program(command, feeds=True) as program:
        for chunk in plain:
            program.feed(chunk)
        program.finish()


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
