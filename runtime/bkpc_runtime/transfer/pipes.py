"""What pyrage reads from and writes to: it asks for 8 KiB at a time, and gives small pieces."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BLOCK = 1024 * 1024


class Pulled(io.BufferedIOBase):
    """A readable file over what `next_chunk` gives: chunks, then an empty one."""

    def __init__(self, next_chunk: Callable[[], bytes]) -> None:
        super().__init__()
        self._next_chunk = next_chunk
        self._chunk = memoryview(b"")
        self._at = 0
        self._ended = False
        self.failure: BaseException | None = None  # pyrage makes errors of its own of ours

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if self._at == len(self._chunk) and not self._ended:
            try:
                self._chunk, self._at = memoryview(self._next_chunk()), 0
            except BaseException as problem:
                self.failure = problem
                raise
            self._ended = not self._chunk
        end = len(self._chunk) if size is None or size < 0 else self._at + size
        taken = bytes(self._chunk[self._at : end])
        self._at += len(taken)
        return taken


class Pushed(io.BufferedIOBase):
    """A writable file that delivers blocks, not age's small chunks."""

    def __init__(self, deliver: Callable[[bytes], None]) -> None:
        super().__init__()
        self._deliver = deliver
        self._waiting = bytearray()
        self.failure: BaseException | None = None

    def writable(self) -> bool:
        return True

    def write(self, chunk: Buffer) -> int:
        before = len(self._waiting)
        self._waiting += chunk
        taken = len(self._waiting) - before
        if len(self._waiting) >= _BLOCK:
            self.flush()
        return taken

    def flush(self) -> None:
        if self._waiting and self.failure is None:
            ready, self._waiting = bytes(self._waiting), bytearray()
            try:
                self._deliver(ready)
            except BaseException as problem:
                self.failure = problem
                raise
