"""The folder a physical restore fills: empty until all is whole, so that no server starts on half of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bkpc_runtime.errors import BadUsage, Refused, StepFailed

UNFINISHED = ".bkpc-unfinished"
_NOTES = ("xtrabackup_*", "mariadb_backup_*", "backup-my.cnf")
"""What the tools wrote for themselves."""
_LAST = "mysql"
"""Without the server's own schema no server starts: it is moved last."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A folder that is ours while the block runs; `work` lies in it, on the same file system."""

    path: Path

    @property
    def work(self) -> Path:
        return self.path / UNFINISHED

    @property
    def data(self) -> Path:
        """What is restored, until `settle`."""
        return self.work / "data"

    def settle(self) -> str:
        """Moves what is whole to its place, owned by whoever owns the folder; returns the owner's name."""
        for pattern in _NOTES:
            for note in self.data.glob(pattern):
                note.unlink()
        owner = self.path.stat()
        for path in (self.data, *self.data.rglob("*")):
            if (path.lstat().st_uid, path.lstat().st_gid) != (owner.st_uid, owner.st_gid):
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        os.sync()  # the tools leave that to the system
        for path in sorted(self.data.iterdir(), key=lambda one: one.name == _LAST):
            path.rename(self.path / path.name)
        shutil.rmtree(self.work)
        os.sync()
        return self.path.owner()


@contextmanager
def claimed(path: Path, needed: int) -> Iterator[DataFolder]:
    """The folder `path`, empty and with room for `needed` bytes; what a failure leaves in it goes.

    Raises:
        BadUsage: it is not a folder and can't be made one.
        Refused: something is in it, or another restore is.
        StepFailed: it has no room.
    """
    try:
        path.mkdir(mode=0o750, exist_ok=True)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as problem:
        raise BadUsage(f"the data directory {path} can't be used: {problem.strerror}") from problem
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"another restore into {path} is running") from None
        folder = DataFolder(path)
        _be_empty(path)
        shutil.rmtree(folder.work, ignore_errors=True)  # of a restore that was broken off
        _have_room(path, needed)
        folder.data.mkdir(mode=0o750, parents=True)
        try:
            yield folder
        finally:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder.work)
    finally:
        os.close(handle)


def _be_empty(path: Path) -> None:
    found = sorted(one.name for one in path.iterdir() if one.name not in {UNFINISHED, "lost+found"})
    if found:
        raise Refused(
            f"the data directory {path} is not empty: it holds {', '.join(found[:5])}",
            help="restore into an empty folder; nothing was changed",
        )


def _have_room(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path).free
    if free < needed:
        raise StepFailed(f"{path} has {free:,} bytes free, and {needed:,} are to be restored into it")
