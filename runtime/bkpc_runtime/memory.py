"""Memory that was freed goes back to the system: a process with many streams would keep the most that each ever had."""

from __future__ import annotations

import ctypes

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Of `mallopt(3)`."""
_LARGE = 1 << 20
_ARENAS = 2


def give_back() -> None:
    """Large objects are mapped each for itself, from now on. glibc maps none any more once one of up to 32 MiB has been
    freed, and has a heap for each of many threads. Another C library has no such function, or does nothing with it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_ARENA_MAX, _ARENAS)
