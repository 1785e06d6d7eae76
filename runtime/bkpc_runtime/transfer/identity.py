"""The private key that opens a backup: a file in age's own format, readable by its owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

from bkpc_runtime.errors import BadUsage, Refused
from bkpc_runtime.secret import Secret


def read_identities(path: Path) -> tuple[Secret, ...]:
    """The secret keys in a file that `age-keygen -o FILE` wrote.

    Raises:
        BadUsage: there is no such file, or no key in it.
        Refused: others than its owner may read it.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise BadUsage(f"the identity file {path} can't be read: {problem}") from problem
    if stat.S_IMODE(mode) & 0o077:
        raise Refused(f"the identity file {path} is readable by others", help=f"chmod 600 {path}")
    keys = tuple(Secret(line.strip()) for line in lines if line.strip().startswith("AGE-SECRET-KEY-1"))
    if not keys:
        raise BadUsage(f"{path} holds no age identity", help="one line starts with AGE-SECRET-KEY-1: see age-keygen")
    return keys
