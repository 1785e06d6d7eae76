"""Which folder each directory store is, so that the empty mountpoint of a disk that went away is not taken for it.

A store is opened anew for every job, so what it was is kept per process. Another device and inode may still be the
same store: a network file system has another number each time it is mounted. What was written lately, found there,
proves it.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

Folder = tuple[int, int]
_LATELY = 4


@dataclass(frozen=True, slots=True)
class _Written:
    """A file that this process has stored: where below the root, its size and when it was changed."""

    place: Path
    size: int
    changed: int

    def is_below(self, root: Path) -> bool:
        try:
            found = (root / self.place).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (found.st_size, found.st_mtime_ns) == (self.size, self.changed)


@dataclass(frozen=True, slots=True)
class _Known:
    folder: Folder
    written: tuple[_Written, ...] = ()


_known: dict[Path, _Known] = {}
_lock = threading.Lock()
"""Never held while a disk is asked: one that hangs must not hold up the others."""


def folder_of(root: Path) -> Folder | None:
    """Device and inode; None where there is nothing."""
    try:
        found = root.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def is_another(root: Path) -> bool:
    """Whether what is at `root` now, if anything, is not what this process has known there."""
    name, now = root.absolute(), folder_of(root)
    with _lock:
        known = _known.get(name)
    if known is None:
        # An empty folder may be a mountpoint that still waits for its disk: nothing to hold on to.
        if now and _holds_something(root):
            with _lock:
                _known.setdefault(name, _Known(now))
        return False
    if now == known.folder:
        return False
    if now is None or not any(one.is_below(root) for one in known.written):
        return True
    with _lock:
        _known[name] = _Known(now, known.written)
    return False


def remember(root: Path, folder: Folder, target: Path) -> None:
    """`target` was stored below `root`, which was `folder` then."""
    try:
        found = target.stat()
    except FileNotFoundError:  # another has deleted it already
        return
    written = _Written(target.relative_to(root), found.st_size, found.st_mtime_ns)
    name = root.absolute()
    with _lock:
        known = _known.get(name)
        before = known.written[1 - _LATELY :] if known else ()
        _known[name] = _Known(folder, (*before, written))


def _holds_something(root: Path) -> bool:
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is not None
    except OSError:
        return False
