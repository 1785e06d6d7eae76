"""The bytes of one request on their way to OSS: in memory when they are few and there is some left, else in a
temporary file."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from typing import IO

from bkpc_grammar.log_objects import OBJECT
from bkpc_runtime.stores.crc64 import crc64
from bkpc_runtime.transfer.memory import ALLOWANCE

IN_MEMORY = OBJECT + 1024 * 1024
"""An object of the log, and what sealing adds."""
_SMALL = 256 * 1024
"""So much is always in memory."""
_STEP = 1024 * 1024
_SLICE = 256 * 1024
"""What is handed to the socket at once."""


class Body:
    """Filled once, then sent as often as need be. `len()` and iteration are what `requests` asks of a body."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._allowed = 0
        self.size = self.crc = 0

    def write(self, piece: memoryview) -> None:
        if self._file is None and not self._fits(self.size + len(piece)):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
            self._file.write(self._memory)
            self._let_go()
        if self._file is None:
            self._memory += piece
        else:
            self._file.write(piece)
        self.crc = crc64(piece, self.crc)
        self.size += len(piece)

    def _fits(self, size: int) -> bool:
        """Whether so many bytes may be in memory."""
        if size > IN_MEMORY:
            return False
        while size > _SMALL + self._allowed:
            if not ALLOWANCE.take(_STEP):
                return False
            self._allowed += _STEP
        return True

    def _let_go(self) -> None:
        self._memory = bytearray()
        ALLOWANCE.give(self._allowed)
        self._allowed = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes | memoryview]:
        if self._file is None:
            view = memoryview(self._memory)
            for start in range(0, self.size, _SLICE):
                yield view[start : start + _SLICE]
            return
        self._file.seek(0)
        while piece := self._file.read(_SLICE):
            yield piece

    def to_send(self) -> Body | bytes:
        """What `requests` sends with a length: of an empty iterable it makes a chunked body."""
        return self if self.size else b""

    def md5(self) -> bytes:
        """By which the service refuses other bytes than these, and names a part."""
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self:
            digest.update(piece)
        return digest.digest()

    def close(self) -> None:
        """Frees it; safe to call twice."""
        self._let_go()
        if self._file:
            self._file.close()
