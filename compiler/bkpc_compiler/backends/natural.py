"""Names in the order in which people look for them: `db2` before `db10`."""

from __future__ import annotations

import re


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts numbers in names by what they count."""
    return tuple((one.isdecimal(), int(one) if one.isdecimal() else 0, one) for one in re.split(r"(\d+)", name) if one)
