"""A document that was named on the command line: a file, or a pipe that somebody writes to."""

from __future__ import annotations

import errno
import os
import select
import stat
from pathlib import Path

_PATIENCE_MS = 5000
"""So long a pipe may have nobody at its other end."""
_AT_ONCE = 1 << 16


def read_given(path: Path) -> bytes:
    """All of it. A pipe (also that of `/dev/stdin` and of `<(…)`) is read to its end, however long its writer takes.

    Raises:
        OSError: it can't be read, or is a pipe that nothing writes to.
    """
    if not stat.S_ISFIFO(path.stat().st_mode):
        return path.read_bytes()
    # To open a pipe as a file would wait for a writer, for ever where there is none.
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        first = _first(pipe)
        if first == b"":
            poll = select.poll()
            poll.register(pipe, select.POLLIN)
            poll.poll(_PATIENCE_MS)
            first = _first(pipe)
        if first == b"":
            raise OSError(errno.ENODATA, "it is a pipe, and nothing writes to it")
        os.set_blocking(pipe, True)
        read = [first or b""]
        while more := os.read(pipe, _AT_ONCE):
            read.append(more)
        return b"".join(read)
    finally:
        os.close(pipe)


def _first(pipe: int) -> bytes | None:
    """What is in it; nothing where it has no writer, None where that has not written yet."""
    try:
        return os.read(pipe, _AT_ONCE)
    except BlockingIOError:
        return None
