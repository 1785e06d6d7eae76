"""What tables need of the target itself, made before them. Nothing here is fatal: what can't be made is named."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import closing

from bkpc_runtime.engines.server_objects import ServerObject, parse_server_objects
from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import inbound
from bkpc_runtime.transfer.ranges import read_checked

log = logging.getLogger(__name__)
_THERE = ("(error 1125)", "(error 1476)", "(error 1813)", "(error 3515)")
"""A function, a server, a tablespace of that name is there."""
_NUMBER = re.compile(r"\(error \d+\)$")


def make_server_objects(image: Image, store: Store, target: Target, identities: Sequence[Secret]) -> None:
    """Those that are not there.

    Raises:
        DamagedBackup: the part is not what was stored.
    """
    found = _objects_of(image, store, identities)
    if not found:
        return
    with closing(target.connect()) as connection:
        query(connection, "SET SESSION sql_mode = ''")
        for one in found:
            try:
                query(connection, one.sql.reveal())
            except ServerFailed as problem:
                text = str(problem)
                if text.endswith(_THERE):
                    log.info("%s is there, and stays as it is", one.name)
                    continue
                # What a server says of a statement may repeat it, and the password in it.
                said = _NUMBER.search(text)
                shown = said[0] if one.name.startswith("server ") and said else text
                log.warning("%s can't be made, and what uses it can't be, either: %s", one.name, shown)


def _objects_of(image: Image, store: Store, identities: Sequence[Secret]) -> tuple[ServerObject, ...]:
    found: list[ServerObject] = []
    for part in image.manifest.parts:
        if part.kind == "server":
            key = layout.part_key(image.prefix, image.manifest.id, part.name)
            plain = inbound(
                read_checked(store, key, part.sums), name=key, encrypted=image.manifest.encrypted,
                identities=identities, expected=part.sums,
            )  # fmt: skip
            found += parse_server_objects(b"".join(plain))
    return tuple(found)
