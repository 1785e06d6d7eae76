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

CHUNK = 1024 * 1024
_LAST_WORDS = 4000


class Program:
    """A running program; leaving the block early kills it. Its stderr goes to an unnamed file."""

    def __init__(self, command: Sequence[str], *, feeds: bool = False) -> None:
        self.name = Path(command[0]).name
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE if feeds else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if feeds else subprocess.PIPE,
            stderr=self._complaints,
        )
        pipe = self._process.stdin if feeds else self._process.stdout
        assert pipe is not None
        self._pipe = pipe
        with contextlib.suppress(OSError):  # a larger pipe is faster, not needed
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, CHUNK)

    def chunks(self) -> Iterator[bytes]:
        """What it prints, as it comes."""
        while chunk := os.read(self._pipe.fileno(), CHUNK):
            yield chunk

    def feed(self, chunk: bytes) -> None:
        """Give it bytes; raises `ToolFailed` with its own words if it has stopped reading."""
        try:
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._pipe.fileno(), view) :]
        except BrokenPipeError:
            self._process.wait()
            raise self._failed() from None

    def finish(self) -> None:
        """Wait for its end; raises `ToolFailed` unless it says that all went well."""
        self._pipe.close()
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
        if self._process.poll() is None:
            self._process.kill()
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._process.wait()
        self._complaints.close()
