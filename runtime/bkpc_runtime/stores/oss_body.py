"""The bytes of one request on their way to OSS: in memory when they are few, in a temporary file when many."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from typing import IO

from bkpc_runtime.stores.crc64 import crc64

IN_MEMORY = 16 * 1024 * 1024
_SLICE = 256 * 1024
"""What is handed to the socket at once: each must pass within the connection's time-out."""


class Body:
    """Filled once, then sent as often as need be. `len()` and iteration are what `requests` asks of a body."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self.size = self.crc = 0

    def write(self, piece: memoryview) -> None:
        if self._file is None and self.size + len(piece) > IN_MEMORY:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
            self._file.write(self._memory)
            self._memory = bytearray()
        if self._file is None:
            self._memory += piece
        else:
            self._file.write(piece)
        self.crc = crc64(piece, self.crc)
        self.size += len(piece)

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

    def md5(self) -> str:
        """As the service names a part."""
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self:
            digest.update(piece)
        return digest.hexdigest().upper()

    def close(self) -> None:
        """Frees it; safe to call twice."""
        self._memory = bytearray()
        if self._file:
            self._file.close()
