"""The one place where a key is checked before it becomes a path or a URL."""

from __future__ import annotations

from bkpc_runtime.errors import Refused

LONGEST_KEY = 1023
"""Bytes of UTF-8 that OSS takes for an object's name."""
PROBE = "probe-"
"""Begins the name of the small object that preflight writes and deletes."""
_DATA = (".zst", ".zst.age")


def is_data(key: str) -> bool:
    """Whether it is a backup's bulk: a part of an image, a segment of the log. All else is small, and says what is
    there: it must be readable at once, in whatever class the bulk is kept."""
    return key.endswith(_DATA)


def checked_key(key: str) -> str:
    """The key itself, when it is relative, has no empty, `.` or `..` component and no control character.

    Raises:
        Refused: anything else; such a key can only come from a damaged or hostile manifest.
    """
    if not can_be_key(key):
        raise Refused(f"refused to use the key {key!r}: it does not name an object inside a store")
    return key


def can_be_key(name: str) -> bool:
    """Whether an object of that name can be one of ours: a console's empty object `folder/` is none, for one."""
    parts = name.split("/")
    hostile = any(part in ("", ".", "..") for part in parts) or any(ord(char) < 32 or char == "\\" for char in name)
    return not hostile and len(name.encode("utf-8", "surrogatepass")) <= LONGEST_KEY
