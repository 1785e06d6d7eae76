"""A directory as a store: a file is written beside its place, made durable, then renamed into it."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from bkpc_runtime.errors import ObjectMissing, StoreDenied, StoreFailed, StoreFull, StoreUnreachable
from bkpc_runtime.stores import roots
from bkpc_runtime.stores.keys import PROBE, can_be_key, checked_key
from bkpc_runtime.stores.store import StoredObject, Tier

_CHUNK = 1024 * 1024
_UNFINISHED = ".unfinished-"
_TRIES = 10


class DirectoryStore:
    """Objects as files below `root`, readable by their owner alone.

    `begun_by`: the folder whose objects alone make a store of a directory that holds nothing; None: any do.
    """

    def __init__(self, name: str, root: Path, begun_by: str | None = None) -> None:
        self.name = name
        self.root = root
        self._begun_by = begun_by

    @property
    def requests(self) -> int:
        return 0

    def writer(
        self,
        key: str,
        expected_size: int,  # noqa: ARG002 - a file grows by itself
        *,
        resumes: bool = False,  # noqa: ARG002 - written again is soon done
        limit: int | None = None,  # noqa: ARG002 - nothing between us and the disk keeps one
    ) -> DirectoryWriter:
        with self._failures(key):
            target = self._path(key)
            self._be_begun(key)
            for _ in range(_TRIES):
                try:
                    self._make_folders(target.parent)
                    return DirectoryWriter(self, key, target)
                except (FileNotFoundError, FileExistsError):  # who deleted the last of others took the folder, too
                    continue
            self._make_folders(target.parent)
            return DirectoryWriter(self, key, target)

    def put(self, key: str, body: bytes) -> StoredObject:
        with self.writer(key, len(body)) as writer:
            writer.write(body)
            return writer.commit()

    def get(self, key: str) -> bytes:
        return b"".join(self.read(key))

    def read(
        self,
        key: str,
        start: int = 0,
        end: int | None = None,
        *,
        limit: int | None = None,  # noqa: ARG002 - nothing between us and the disk keeps one
    ) -> Iterator[bytes]:
        with self._failures(key), self._path(key).open("rb") as file:
            file.seek(start)
            left = None if end is None else end - start
            while left is None or left > 0:
                chunk = file.read(_CHUNK if left is None else min(_CHUNK, left))
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield chunk

    def head(self, key: str) -> StoredObject | None:
        with self._failures(key):
            try:
                found = self._path(key).stat()
                return StoredObject(key, found.st_size, modified=datetime.fromtimestamp(found.st_mtime, UTC))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def thaw(self, one: StoredObject, days: int, tier: Tier) -> None:
        """A directory has nothing that is cold."""

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        folder, _, _ = prefix.rpartition("/")
        with self._failures(prefix):
            self._be_a_folder()
            root = self.root / checked_key(folder) if folder else self.root
            found = list(self._files(root))
        wanted = (one for one in found if one.key.startswith(prefix) and one.key > after)
        yield from sorted(wanted, key=lambda one: one.key)

    def _files(self, root: Path) -> Iterator[StoredObject]:
        """Everything below a folder; what another deletes meanwhile may be in it or not."""
        for folder, _, names in os.walk(root, onerror=_unless_gone):
            for name in names:
                path = Path(folder, name)
                if name.startswith(_UNFINISHED):
                    continue
                key = path.relative_to(self.root).as_posix()
                if not can_be_key(key):
                    continue
                try:
                    yield StoredObject(key, path.stat().st_size)
                except FileNotFoundError:
                    continue

    def folders(self, prefix: str) -> Iterator[str]:
        folder = prefix.rstrip("/")
        with self._failures(prefix):
            self._be_a_folder()
            root = self.root / checked_key(folder) if folder else self.root
            names = sorted(path.name for path in _entries(root) if path.is_dir() and can_be_key(path.name))
        yield from names

    def delete(self, key: str) -> None:
        with self._failures(key):
            path = self._path(key)
            try:
                path.unlink()
            except FileNotFoundError:
                return
            # A manifest must not come back after a power cut when its parts have gone.
            with contextlib.suppress(FileNotFoundError):  # another has deleted the folder with it
                sync_folder(path.parent)
            self._drop_empty(path.parent)

    def delete_many(self, keys: Sequence[str]) -> int:
        for key in keys:
            self.delete(key)
        return 0

    def _drop_empty(self, folder: Path) -> None:
        """A folder is there while there is something in it, as in a bucket."""
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def sweep(self, before: float) -> int:
        dropped = 0
        with self._failures(""):
            for path in self.root.rglob(f"{_UNFINISHED}*") if self.root.is_dir() else ():
                if path.is_file() and path not in _under_way and path.stat().st_mtime < before:
                    path.unlink(missing_ok=True)
                    dropped += 1
        return dropped

    def probe(self) -> None:
        key = f"{PROBE}{secrets.token_hex(8)}"
        self.put(key, b"bkpc")
        try:
            if self.get(key) != b"bkpc":
                raise StoreFailed(f"store `{self.name}` does not give back what was written to {self.root}")
        finally:
            self.delete(key)

    def holds_something(self, key: str) -> bool:
        """Whether the folder of `key` is there, of those right below the root."""
        return (self.root / checked_key(key.partition("/")[0])).is_dir()

    def _be_begun(self, key: str) -> None:
        """A directory that holds nothing may be where a disk is mounted that is away now."""
        begun = self._begun_by is None or key.startswith((self._begun_by, PROBE))
        if not begun and not self.holds_something(self._begun_by or key) and not self.holds_something(key):
            raise StoreUnreachable(
                f"store `{self.name}`: {self.root} holds nothing of bkpc: it is new, or its disk is not mounted",
                help=f"mount it: findmnt --target {self.root}; if it is new, `bkpc apply` begins it",
                retryable=True,
            )

    def _be_a_folder(self) -> None:
        """A store that was never written to has no folder yet: that is empty, not broken."""
        if self.root.exists() and not self.root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def _make_folders(self, folder: Path) -> None:
        if not self.root.exists() and not self.root.parent.is_dir():
            raise StoreUnreachable(
                f"store `{self.name}`: {self.root.parent} does not exist",
                help=f"create it or mount it: mkdir -p {self.root.parent}",
            )
        missing = [one for one in (folder, *folder.parents) if one.is_relative_to(self.root) and not one.exists()]
        for one in reversed(missing):
            one.mkdir(mode=0o700, exist_ok=True)
            sync_folder(one.parent)

    @contextlib.contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        """Names what fails. The root must be the folder it was, before and after: else "not there" means nothing."""
        try:
            self._be_the_same()
            try:
                yield
            except OSError:
                self._be_the_same()
                raise
            self._be_the_same()
        except OSError as problem:
            raise self._named(problem, key) from problem

    def _be_the_same(self, folder: roots.Folder | None = None) -> None:
        """The root is the folder that this process has known, and `folder`, where that is given."""
        if roots.is_another(self.root) or (folder and roots.folder_of(self.root) != folder):
            raise StoreUnreachable(
                f"store `{self.name}`: {self.root} is not the folder it was: its disk is not mounted, or another is",
                help=f"mount it again: findmnt --target {self.root}; if it was moved on purpose, restart bkpc",
                retryable=True,
            )

    def _named(self, problem: OSError, key: str) -> StoreFailed:
        what = f"store `{self.name}` ({self.root}): {problem.strerror or problem} at {key}"
        if problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return StoreFull(what, help="free space or move the store; nothing incomplete is visible in it")
        if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return StoreDenied(what, help="give the user that runs bkpc write access to this directory")
        if problem.errno == errno.ENOENT:
            return ObjectMissing(what)
        if problem.errno in (errno.ENOTDIR, errno.EIO, errno.ESTALE):
            return StoreUnreachable(what, help="check that the directory is mounted and is a directory")
        return StoreFailed(what)


def _unless_gone(problem: OSError) -> None:
    if not isinstance(problem, FileNotFoundError):
        raise problem


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


_under_way: set[Path] = set()
"""Files that this process writes. One told to stop may have no other hold of them at that moment."""


@atexit.register
def _clear_away() -> None:
    for path in _under_way:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


class DirectoryWriter:
    """One file on its way; see `store.ObjectWriter`."""

    def __init__(self, store: DirectoryStore, key: str, target: Path) -> None:
        self._store, self._key, self._target = store, key, target
        self._path = target.with_name(f"{_UNFINISHED}{secrets.token_hex(8)}")
        self._file: BinaryIO | None = None
        self._size = 0
        self._folder = roots.folder_of(store.root)
        _under_way.add(self._path)
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            _under_way.discard(self._path)
            raise
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, chunk: bytes) -> None:
        assert self._file is not None
        with self._store._failures(self._key):
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
        self._size += len(chunk)

    def commit(self) -> StoredObject:
        assert self._file is not None
        with self._store._failures(self._key):
            os.fsync(self._file.fileno())
            self._file.close()
            self._store._be_the_same(self._folder)
            self._path.rename(self._target)
            _under_way.discard(self._path)
            self._file = None
            sync_folder(self._target.parent)
            if self._folder:
                roots.remember(self._store.root, self._folder, self._target)
        return StoredObject(self._key, self._size)

    def abort(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)
            _under_way.discard(self._path)

    def __enter__(self) -> DirectoryWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
