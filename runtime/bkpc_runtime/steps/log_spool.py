"""A folder on local disk where log waits for stores that have not taken it yet.

What is in it is fsynced. It is never full in silence: whoever fills it asks `full` first, and stops reading. It is no
memory across restarts, but `leftover` finds what a process that died could not deliver.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bkpc_runtime.errors import StepFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.segments import Segment
from bkpc_runtime.steps.log_held import Held, pieces_of
from bkpc_runtime.steps.log_parcels import FileEnd, Parcel
from bkpc_runtime.stores.directory import sync_folder

LIMIT = 4 << 30
"""Bytes of log that a stream keeps for stores that are away, unless it is told otherwise."""
_LEAST_FREE = 1 << 30
_SHARE_FREE = 0.05
_SUFFIX = ".log"
_PIECE = 1 << 18


class Spool:
    """`folder` belongs to one process; `prefix` says whose log is in it."""

    def __init__(self, folder: Path, prefix: str, limit: int = LIMIT) -> None:
        self.folder, self.prefix, self.limit = folder, prefix, limit
        self._lock = threading.Lock()
        self._used = 0
        self._number = 0
        with _failures(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            numbers = [int(path.stem) for path in folder.glob(f"*{_SUFFIX}") if path.stem.isdigit()]
        self._number = max(numbers, default=0)

    @property
    def used(self) -> int:
        """Bytes that wait here."""
        with self._lock:
            return self._used

    def hold(self) -> Held:
        """What holds log on its way here, on this disk where there is no memory left."""
        return Held(self.folder)

    def full(self, coming: int) -> str:
        """Why `coming` bytes more should not be read now; empty while there is room."""
        if self.used + coming > self.limit:
            return f"{self.used:,} bytes wait in {self.folder}, of {self.limit:,} allowed"
        usage = shutil.disk_usage(self.folder)
        least = min(_LEAST_FREE, int(usage.total * _SHARE_FREE))
        if usage.free - coming < least:
            return f"the disk of {self.folder} has only {usage.free:,} bytes free"
        return ""

    def add(self, parcel: Parcel) -> None:
        """Makes a parcel durable; it goes when all its stores have it."""
        with self._lock:
            self._number += 1
            path = self.folder / f"{self._number:012d}{_SUFFIX}"
            self._used += parcel.size
        label = self._label(parcel)
        try:
            self._write(path, label, pieces_of(parcel))
        except BaseException:
            self._drop(path, parcel.size)
            raise
        kept = _Kept(path, len(label), parcel.size)
        parcel.on_disk(kept, partial(self._drop, path, parcel.size))

    def _write(self, path: Path, label: bytes, body: Iterable[bytes]) -> None:
        with _failures(self.folder):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                for chunk in itertools.chain([label], body):
                    view = memoryview(chunk)
                    while view:
                        view = view[file.write(view) :]
                os.fdatasync(file.fileno())
            sync_folder(self.folder)

    def _label(self, parcel: Parcel) -> bytes:
        content = parcel.content
        label: dict[str, object] = {"prefix": self.prefix, "arrived": parcel.arrived, "committed": parcel.committed}
        if isinstance(content, Segment):
            label |= {"file": content.file, "start": content.start, "end": content.end, "part": content.part}
            label |= {"sha256": content.sha256, "encrypted": content.encrypted, "origin": parcel.origin}
            label |= {"gtids": content.gtids, "ending": content.ending, "before": parcel.before}
        else:
            label |= {"file": content.position.file, "ends": content.position.offset, "then": parcel.end.file}
        return json.dumps(label).encode() + b"\n"

    def _drop(self, path: Path, size: int) -> None:
        with self._lock:
            self._used -= size
        path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Throws away what an earlier process left."""
        with _failures(self.folder):
            for path in self.folder.glob(f"*{_SUFFIX}"):
                path.unlink(missing_ok=True)


def leftover(folder: Path) -> Iterator[tuple[str, Parcel]]:
    """What an earlier process left in a spool, in its order, each with its prefix; what is torn is not told."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            with path.open("rb") as file:
                line = file.readline()
            label = json.loads(line)
            parcel = _labelled(label)
            parcel.on_disk(_Kept(path, len(line), path.stat().st_size - len(line)), lambda: None)
            yield str(label["prefix"]), parcel


def labels(folder: Path) -> list[tuple[Path, str]]:
    """The files of a spool, each with the prefix of the log in it; what is torn is not told."""
    found = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError), path.open("rb") as file:
            found.append((path, str(json.loads(file.readline())["prefix"])))
    return found


def _labelled(label: dict[str, object]) -> Parcel:
    file = str(label["file"])
    content: Segment | FileEnd
    if "ends" in label:
        content = FileEnd(Position(file, int(str(label["ends"]))), str(label["then"]))
    else:
        start, end = int(str(label["start"])), int(str(label["end"]))
        flags = bool(label["encrypted"]), bool(label["part"])
        named = str(label.get("gtids", "")), str(label.get("ending", ""))
        content = Segment(0, file, start, end, str(label["sha256"]), *flags, *named)
    return Parcel(
        content,
        arrived=float(str(label["arrived"])),
        committed=float(str(label["committed"])),
        origin=str(label.get("origin", "")),
        before=str(label.get("before", "")),
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """The body of a parcel that is in a file, after its label."""

    path: Path
    begins: int
    size: int

    def read(self, at: int) -> bytes:
        with _failures(self.path), self.path.open("rb", buffering=0) as file:
            file.seek(self.begins + at)
            found = file.read(min(_PIECE, self.size - at))
        if at < self.size and not found:
            raise StepFailed(f"the log's spool {self.path} is shorter than it was", retryable=True)
        return found

    def close(self) -> None:
        """It stays."""


@contextlib.contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise StepFailed(
            f"the log's spool {path} can't be used: {problem.strerror or problem}",
            help="free space there, or name another folder: bkpc agent --work FOLDER",
            retryable=True,
        ) from problem
