"""Wakes a thread that waits for a socket."""

from __future__ import annotations

import contextlib
import os
import select
import threading


class Wake:
    """`set` may be called from any thread; whoever waits for `descriptor` wakes, and calls `clear`."""

    def __init__(self) -> None:
        self.descriptor, self._write = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._write, False)
        self._lock = threading.Lock()
        self._closed = False

    def set(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):  # full: it is set already
            if not self._closed:
                os.write(self._write, b"x")

    def wait(self, seconds: float) -> None:
        """Until it is set, or so many seconds."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        poll.poll(seconds * 1000)
        self.clear()

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self.descriptor, 4096):
                pass

    def close(self) -> None:
        """What is set from now on wakes nobody."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self.descriptor)
                os.close(self._write)
