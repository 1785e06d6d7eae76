"""A file on local disk that a process holds for as long as it lives: the kernel lets go of it with the process."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

_TRIES = 10
_PAUSE = 0.05


def hold(descriptor: int) -> None:
    """Holds the open file, which its closing ends. Whoever looks whether it is held holds it for a moment: that is
    waited for.

    Raises:
        BlockingIOError: another process holds it.
    """
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not left:
                raise
        time.sleep(_PAUSE)


def is_held(lock: Path) -> bool:
    """Whether a process holds it now; a file that is not there is held by nobody."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
