"""The private key that opens a backup: a file in age's own format, readable by its owner alone."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from bkpc_runtime.errors import BadUsage, Refused
from bkpc_runtime.secret import Secret

IDENTITY = "BKPC_AGE_IDENTITY"


def identity_file(environ: Mapping[str, str], named: Path | None = None) -> Path | None:
    """The file that was `named`, else that which BKPC_AGE_IDENTITY names; None where neither names one."""
    path = named or environ.get(IDENTITY)
    return Path(path) if path else None


def identities_here(environ: Mapping[str, str], named: Path | None = None) -> tuple[Secret, ...]:
    """The keys in it; none where there is none. Raises as `read_identities`."""
    path = identity_file(environ, named)
    return read_identities(path) if path else ()


def need_key(*, encrypted: bool, identities: Sequence[Secret], what: str = "the image") -> None:
    """Raises `Refused` where nothing can open what is encrypted."""
    if encrypted and not identities:
        raise Refused(f"{what} is encrypted", help="name the file with the age identity: --identity FILE")


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
