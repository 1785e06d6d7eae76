"""What a recovery of a scope has done so far, in a file of its work folder, so that the same command goes on.

Nothing in it is needed to restore: without it, name what is restored with `--without`.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote

from bkpc_grammar import plan as contract
from bkpc_runtime.errors import Refused


@dataclass(slots=True)
class Note:
    """Of one database: `point` as `--to` takes it, fixed when the recovery began. `done`: where it stands since."""

    point: str
    target: str = ""
    server: str = ""
    done: str = ""


@dataclass(slots=True)
class Notes:
    """Of all of them; `asked` is what `--to` said; empty: nothing."""

    path: Path
    asked: str
    databases: dict[str, Note] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def found(cls, work: Path, recovery: contract.Recovery, digest: str, asked: str) -> Self:
        """What an earlier run of this plan has left, or nothing.

        Raises:
            Refused: it was to another point.
        """
        name = quote(f"{recovery.scope}-{recovery.lost}", safe="")
        notes = cls(work / f"bkpc-restore-{name}-{digest[:12]}.json", asked)
        try:
            if notes.path.stat().st_uid != os.geteuid():
                raise Refused(f"{notes.path} is another user's", help="name a folder of your own: --work FOLDER")
            text = json.loads(notes.path.read_text())
            notes.databases = {name: Note(**one) for name, one in text["databases"].items()}
        except FileNotFoundError:
            return notes
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise Refused(
                f"{notes.path} can't be read: {problem}", help="remove it, and say --without DB for what is restored"
            ) from problem
        if text.get("asked") != asked:
            before = text.get("asked")
            again = f"with --to {before}" if before else "without --to"
            raise Refused(
                f"an unfinished recovery to {before or 'what the plan says'} is noted in {notes.path}",
                help=f"go on {again}; or remove that file, and empty the targets",
            )
        return notes

    def fixed(self, database: str, point: str, target: str) -> None:
        """A database goes to a point; kept as it was first."""
        with self._lock:
            if database not in self.databases or self.databases[database].target != target:
                self.databases[database] = Note(point, target)
                self._write()

    def restored(self, database: str, position: str, server: str) -> None:
        with self._lock:
            self.databases[database].done, self.databases[database].server = position, server
            self._write()

    def forget(self) -> None:
        """All is done."""
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        body = {
            "asked": self.asked,
            "databases": {
                name: {"point": one.point, "target": one.target, "server": one.server, "done": one.done}
                for name, one in self.databases.items()
            },
        }
        fresh = self.path.with_suffix(".new")
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(body, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
