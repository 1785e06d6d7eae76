"""Images and log as they lie in a store, made without a server."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import layout, segments
from bkpc_runtime.repository.expiry import Rules
from bkpc_runtime.repository.manifest import Manifest, Part, encode_manifest
from bkpc_runtime.repository.segments import Segment
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.sums import Sums

SERVER = "mariadb-1-0"
PREFIX = f"shop/{SERVER}"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BODY = b"part"


def rules(
    span: timedelta | None = None, counts: tuple[int, int, int, int] = (0, 0, 0, 0), zone: str = "UTC",
    *, fresh: timedelta = 2 * DAY, grace: timedelta = 3 * DAY, verified: bool = False, judged: bool = False,
) -> Rules:  # fmt: skip
    return Rules(span, counts, zone, grace, fresh, verified, judged)


def manifest(
    began: datetime, position: Position, *, parent: str = "", took: timedelta = HOUR, identity: str = SERVER,
    parts: int = 2, origin: str = "", encrypted: bool = False,
) -> Manifest:  # fmt: skip
    sums = Sums(
        plain_size=9, plain_sha256="0" * 64, stored_size=len(BODY), stored_sha256=hashlib.sha256(BODY).hexdigest()
    )
    names = [layout.part_name(number + 1, encrypted=encrypted) for number in range(parts)]
    return Manifest(
        format_version=1,
        id=layout.new_image_id(began),
        database="shop",
        identity=identity,
        kind="incremental" if parent else "full",
        engine="logical",
        flavour="mariadb",
        server_version="10.11",
        variables={},
        binlog_file=position.file,
        binlog_offset=position.offset,
        binlog_origin=origin,
        gtid="",
        encrypted=encrypted,
        parts=tuple(Part(name=name, kind="table", schema="shop", table=name, sums=sums) for name in names),
        inventory=(),
        sequences=(),
        not_included=(),
        began=began.isoformat(),
        finished=(began + took).isoformat(),
        parent=parent,
    )


def put_parts(store: Store, made: Manifest) -> None:
    for part in made.parts:
        store.put(layout.part_key(f"shop/{made.identity}", made.id, part.name), BODY)


def put_manifest(store: Store, made: Manifest) -> None:
    store.put(layout.manifest_key(f"shop/{made.identity}", made.id), encode_manifest(made))


def put_image(store: Store, made: Manifest) -> Manifest:
    put_parts(store, made)
    put_manifest(store, made)
    return made


def binlog(number: int) -> str:
    return f"binlog.{number:06d}"


def origin_of(epoch: int, number: int) -> str:
    """What tells a binlog from another of its name."""
    return hashlib.sha256(f"{epoch} {number}".encode()).hexdigest()


def put_log(store: Store, epoch: int, number: int, start: int, end: int, prefix: str = PREFIX) -> None:
    digest = hashlib.sha256(f"{epoch} {number} {start}".encode()).hexdigest()
    store.put(Segment(epoch, binlog(number), start, end, digest, False).key(prefix), b"log")
    if start == 0:
        origin = json.dumps({"first_event_sha256": origin_of(epoch, number)}).encode()
        store.put(segments.origin_key(prefix, epoch, binlog(number)), origin)


def put_end(store: Store, epoch: int, number: int, end: int, prefix: str = PREFIX) -> None:
    store.put(segments.end_key(prefix, epoch, binlog(number), end), b"")


def put_gap(store: Store, epoch: int, seen: datetime, prefix: str = PREFIX) -> None:
    store.put(
        segments.gap_key(prefix, epoch), json.dumps({"reason": "a gap", "detected_at": seen.timestamp()}).encode()
    )
