"""The only place where keys of images and plans are made; `segments.py` makes those of the log.

<database>/<identity>/images/<id>/part-<n>.zst[.age]
<database>/<identity>/images/<id>/MANIFEST.json
<database>/<identity>/marks/drills/<id>.json
plans/<digest>.json
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from urllib.parse import quote

from bkpc_runtime.errors import DamagedBackup

MANIFEST = "MANIFEST.json"
PLANS = "plans/"
_IMAGE = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_PART = re.compile(r"part-\d{6}\.zst(\.age)?")


def database_folder(database: str) -> str:
    """The folder of a database: its name, percent-encoded where it is not plain ASCII."""
    return quote(database, safe="")


def prefix_of(database: str, identity: str) -> str:
    """`<database>/<identity>`: all backups of one server."""
    return f"{database_folder(database)}/{quote(identity, safe='')}"


def images_folder(prefix: str) -> str:
    return f"{prefix}/images/"


def image_folder(prefix: str, image: str) -> str:
    return f"{images_folder(prefix)}{image}/"


def new_image_id(now: datetime) -> str:
    """Never the same twice, and later ones sort after earlier ones: the second in UTC, microseconds, randomness."""
    return f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond:05x}{secrets.randbelow(1 << 12):03x}"


def is_image_id(text: str) -> bool:
    return bool(_IMAGE.fullmatch(text))


def part_name(number: int, *, encrypted: bool) -> str:
    return f"part-{number:06d}.zst{'.age' if encrypted else ''}"


def part_key(prefix: str, image: str, name: str) -> str:
    """The key of a part that a manifest names.

    Raises:
        DamagedBackup: the name is not one this program gives.
    """
    if not is_image_id(image) or not _PART.fullmatch(name):
        raise DamagedBackup(f"the manifest of image {image!r} names a part {name!r}: it was changed")
    return f"{images_folder(prefix)}{image}/{name}"


def manifest_key(prefix: str, image: str) -> str:
    return f"{images_folder(prefix)}{image}/{MANIFEST}"


def drills_folder(prefix: str) -> str:
    """The folder of what drills found, with its `/`."""
    return f"{prefix}/marks/drills/"


def drill_key(prefix: str, drill: str) -> str:
    return f"{drills_folder(prefix)}{drill}.json"


def plan_key(digest: str) -> str:
    return f"{PLANS}{digest}.json"


def log_label(prefix: str, epoch: int) -> str:
    """What stands before the names of an epoch's files where they must be told from others, as people say them."""
    return f"{prefix.rpartition('/')[2]}/{epoch:06d}/"
