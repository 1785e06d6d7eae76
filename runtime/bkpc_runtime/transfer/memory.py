"""Memory that makes transfers faster, shared by all of a process: who gets none does without, and waits for nobody.

What a transfer needs at least (some MiB of chunks on their way) is not counted.
"""

from __future__ import annotations

import contextlib
import threading

MIB = 1024 * 1024


class Allowance:
    """At most `size` bytes at once."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Whether so many bytes may be used; then they are given back."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give(self, size: int) -> None:
        with self._lock:
            self._left += size


ALLOWANCE = Allowance(32 * MIB)
_ARENAS, _LARGE, _SPARE = -8, -3, -1
"""M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc."""


def settle() -> None:
    """What threads have freed goes back to the system. Otherwise each keeps the largest it ever had, and a process
    with many takes twice what it uses."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):  # another library than glibc: nothing to be told
        library = ctypes.CDLL(None)
        for what, value in ((_ARENAS, 1), (_LARGE, 4 * MIB), (_SPARE, 4 * MIB)):
            library.mallopt(what, value)
