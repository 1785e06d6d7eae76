"""Log that is kept for a while: in memory as far as there is some, else in a file that has no name.

Who has none left waits for nobody, and does not grow: what it holds goes to local disk, where only this process can
read it. It is sealed by a key that is nowhere else, and it is gone with the process, however that ends.
"""

from __future__ import annotations

import itertools
import logging
import os
import tempfile
import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bkpc_runtime.errors import StepFailed
from bkpc_runtime.transfer.memory import MIB, Allowance

log = logging.getLogger(__name__)
ROOM = Allowance(48 * MIB)
"""For all that is held in a process."""
OWN = MIB // 4
"""Of each, beside that: what is no larger is never on disk."""
_STEP = MIB // 4
_BLOCK = MIB // 4
_SMALL = 64 << 10
"""Pieces that are joined as they come: a million of few bytes would take several times their size."""


class Gone(Exception):
    """Nobody needs these bytes any more, or they are somewhere else now."""


class Readable(Protocol):
    """`read` gives some of what begins at an offset, and nothing at the end."""

    @property
    def size(self) -> int: ...
    def read(self, at: int) -> bytes: ...
    def close(self) -> None: ...


def pieces_of(body: Readable) -> Iterator[bytes]:
    """All of it, a piece at a time."""
    at = 0
    while at < body.size:
        piece = body.read(at)
        at += len(piece)
        yield piece


class Whole:
    """A few bytes, in memory."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self.size = len(body)

    def read(self, at: int) -> bytes:
        body = self._body
        if body is None:
            raise Gone
        return body[at:] if at else body

    def close(self) -> None:
        self._body = None


@dataclass(frozen=True, slots=True)
class _Block:
    """Where in the file some bytes are, sealed."""

    at: int
    stored: int
    number: int


_SEAL = AESGCM(AESGCM.generate_key(256))
_numbers = itertools.count()
"""Of all that this key seals: none comes twice."""


class Held:
    """One thread adds, any may read. `folder`: where the file is made, if it must be."""

    def __init__(self, folder: Path, room: Allowance = ROOM) -> None:
        self.size = 0
        self._folder, self._room = folder, room
        self._lock = threading.Lock()
        self._parts: list[bytes | _Block] = []
        self._starts: list[int] = []
        self._tail = bytearray()
        self._in_memory = self._allowed = 0
        self._first = 0
        """The first part that is in memory."""
        self._file: IO[bytes] | None = None
        self._file_size = 0
        self._no_file = self._closed = False

    def add(self, piece: bytes) -> None:
        with self._lock:
            if len(self._tail) + len(piece) > _BLOCK:
                self._settle()
            if len(piece) < _SMALL:
                self._tail += piece
            else:
                self._settle()
                self._append(piece)
            self.size += len(piece)
            self._in_memory += len(piece)
            if not self._fits():
                self._to_file()

    def _append(self, part: bytes) -> None:
        self._starts.append(self.size - len(self._tail))
        self._parts.append(part)

    def _settle(self) -> None:
        if self._tail:
            self._append(bytes(self._tail))
            self._tail = bytearray()

    def _fits(self) -> bool:
        """Whether what is in memory may be there."""
        if self._no_file:
            return True
        if self._file is not None:
            return self._in_memory < _BLOCK
        while self._in_memory > OWN + self._allowed:
            if not self._room.take(_STEP):
                return False
            self._allowed += _STEP
        return True

    def _to_file(self) -> None:
        self._settle()
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - `close` closes it
            while self._first < len(self._parts):
                self._write(self._first)
        except OSError as problem:
            self._no_file = True
            _tell(self._folder, problem)
        else:
            _tell(self._folder, None)
            self._give_back()

    def _write(self, index: int) -> None:
        """A part, as blocks in its place."""
        part, start = self._parts[index], self._starts[index]
        assert isinstance(part, bytes)
        blocks = [self._written(part[at : at + _BLOCK]) for at in range(0, len(part), _BLOCK)]
        self._parts[index : index + 1] = blocks
        self._starts[index : index + 1] = range(start, start + len(part), _BLOCK)
        self._first += len(blocks)
        self._in_memory -= len(part)

    def _written(self, plain: bytes) -> _Block:
        assert self._file is not None
        number = next(_numbers)
        view = memoryview(_SEAL.encrypt(number.to_bytes(12, "big"), plain, None))
        block = _Block(self._file_size, len(view), number)
        while view:
            count = os.pwrite(self._file.fileno(), view, block.at + block.stored - len(view))
            view = view[count:]
        self._file_size += block.stored
        return block

    def _give_back(self) -> None:
        """What is allowed beyond what is in memory."""
        needed = max(0, -(-(self._in_memory - OWN) // _STEP) * _STEP)
        if needed < self._allowed:
            self._room.give(self._allowed - needed)
            self._allowed = needed

    def read(self, at: int) -> bytes:
        """
        Raises:
            Gone: it has been closed.
            StepFailed: the file does not give it back.
        """
        with self._lock:
            if self._closed:
                raise Gone
            index = bisect_right(self._starts, at) - 1
            tail = self.size - len(self._tail)
            if at >= tail:
                return bytes(memoryview(self._tail)[at - tail :])
            part = self._parts[index]
            plain = part if isinstance(part, bytes) else self._unsealed(part)
            offset, left = at - self._starts[index], self.size - at
            return plain if not offset and len(plain) <= left else plain[offset : offset + left]

    def _unsealed(self, block: _Block) -> bytes:
        assert self._file is not None
        try:
            stored = os.pread(self._file.fileno(), block.stored, block.at)
            return _SEAL.decrypt(block.number.to_bytes(12, "big"), stored, None)
        except (OSError, InvalidTag) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "it is not what was written"
            raise StepFailed(
                f"what waits in a file in {self._folder} can't be read: {reason}",
                help="look at that disk, or name another folder: bkpc agent --work FOLDER",
                retryable=True,
            ) from problem

    def beginning(self, size: int) -> bytes:
        """So many bytes of it, or all there are."""
        found = b""
        while len(found) < min(size, self.size):
            found += self.read(len(found))
        return found[:size]

    def drained(self) -> Iterator[bytes]:
        """All of it once, a piece at a time; what was given is no longer here."""
        at = 0
        while at < self.size:
            piece = self.read(at)
            at += len(piece)
            with self._lock:
                self._forget(at)
            yield piece
        self.close()

    def _forget(self, until: int) -> None:
        while self._first < len(self._parts) and self._starts[self._first] < until:
            part = self._parts[self._first]
            self._in_memory -= len(part) if isinstance(part, bytes) else 0
            self._parts[self._first] = b""
            self._first += 1
        self._give_back()

    def split(self, at: int) -> Held:
        """What comes from `at` on, as a Held of its own; here it ends there."""
        rest = Held(self._folder, self._room)
        while at + rest.size < self.size:
            rest.add(self.read(at + rest.size))
        with self._lock:
            self._settle()
            while self._starts and self._starts[-1] >= at:
                self._starts.pop()
                part = self._parts.pop()
                self._in_memory -= len(part) if isinstance(part, bytes) else 0
            self._first = min(self._first, len(self._parts))
            self.size = at
            self._give_back()
        return rest

    def close(self) -> None:
        """Frees it; safe to call twice."""
        with self._lock:
            self._closed = True
            self._parts.clear()
            self._starts.clear()
            self._tail = bytearray()
            self._in_memory = 0
            self._give_back()
            if self._file is not None:
                self._file.close()
                self._file = None


_told: set[Path] = set()


def _tell(folder: Path, problem: OSError | None) -> None:
    """Once, until it works again."""
    if problem and folder not in _told:
        _told.add(folder)
        log.error("log is kept in memory, since it can't wait in %s: %s", folder, problem.strerror or problem)
    elif not problem and folder in _told:
        _told.discard(folder)
        log.info("log can wait in %s again", folder)
