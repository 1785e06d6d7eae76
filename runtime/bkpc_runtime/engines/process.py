"""Running a server's own program as a source or sink of bytes, without losing what it complains about."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bkpc_runtime.errors import ToolFailed
from bkpc_runtime.temporary_folder import temporary_folder

CHUNK = 1024 * 1024
_LAST_WORDS = 4000


class Program:
    """A running program; leaving the block early kills it. Its stderr goes to an unnamed file.

    `feeds`: it is given bytes; `gives`: it is read from too, where one thread feeds and another reads.
    """

    def __init__(self, command: Sequence[str], *, feeds: bool = False, gives: bool = False) -> None:
        self.name = Path(command[0]).name
        self._complaints: IO[bytes] = tempfile.TemporaryFile(dir=temporary_folder())  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE if feeds else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if feeds and not gives else subprocess.PIPE,
            stderr=self._complaints,
        )
        self._pipes = [one for one in (self._process.stdin, self._process.stdout) if one]
        for pipe in self._pipes:
            with contextlib.suppress(OSError):  # a larger pipe is faster, not needed
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, CHUNK)

    def chunks(self) -> Iterator[bytes]:
        """What it prints, as it comes."""
        assert self._process.stdout is not None
        while chunk := os.read(self._process.stdout.fileno(), CHUNK):
            yield chunk

    def feed(self, chunk: bytes) -> None:
        """Give it bytes; raises `ToolFailed` with its own words if it has stopped reading."""
        assert self._process.stdin is not None
        try:
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._process.stdin.fileno(), view) :]
        except BrokenPipeError:
            self._process.wait()
            raise self._failed() from None

    def end_input(self) -> None:
        """It is given no more."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def kill(self) -> None:
        """Whoever feeds or reads it fails then."""
        if self._process.poll() is None:
            self._process.kill()

    def finish(self) -> None:
        """Wait for its end; raises `ToolFailed` unless it says that all went well."""
        for pipe in self._pipes:
            pipe.close()
        if self._process.wait() != 0:
            raise self._failed()

    def complaints(self) -> str:
        """The end of what it wrote on stderr."""
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - _LAST_WORDS))
        return self._complaints.read().decode("utf-8", "replace").strip()

    def _failed(self) -> ToolFailed:
        words = self.complaints() or "it said nothing"
        return ToolFailed(f"{self.name} failed with status {self._process.returncode}: {words}", retryable=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()
        self._complaints.close()
