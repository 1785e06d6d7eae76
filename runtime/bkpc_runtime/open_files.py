"""How many files a process may have open: a stream that is behind needs ten, and the usual 1024 are for programs that
use select(2), which we do not."""

from __future__ import annotations

import contextlib
import resource

_ENOUGH = 1 << 16


def allow_many() -> None:
    """As many as the system lets us; programs that we start may, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
