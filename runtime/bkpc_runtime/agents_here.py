"""Which agents work in a folder, and on which plans: for `status` and `apply`, which may know another plan."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bkpc_grammar.plan import Plan
from bkpc_runtime.lock_file import hold, is_held

log = logging.getLogger(__name__)
_FOLDER = "agents"


@dataclass(frozen=True, slots=True)
class AgentHere:
    """One agent: the digest of its plan, the file it has it from, and what the plan is of. `says`: why it does not go
    over to another plan, in words; empty where it knows of none."""

    digest: str
    file: str
    databases: tuple[str, ...]
    says: str = ""


class Note:
    """An agent's own, which counts for as long as its process is there."""

    def __init__(self, path: Path | None, agent: AgentHere) -> None:
        self._path, self._agent = path, agent
        self._write()

    def say(self, words: str) -> None:
        if words != self._agent.says:
            self._agent = replace(self._agent, says=words)
            self._write()

    def _write(self) -> None:
        if self._path:
            new = self._path.with_suffix(".new")
            with contextlib.suppress(OSError):  # a full disk keeps nothing from being backed up
                new.write_text(json.dumps({"version": 1, **asdict(self._agent)}))
                new.replace(self._path)


@contextlib.contextmanager
def noted(work: Path, plan: Plan, file: Path) -> Iterator[Note]:
    """Says in the folder that an agent works there on `plan`, which it has from `file`."""
    where = str(file.absolute())
    agent = AgentHere(plan.header.digest, where, tuple(one.name for one in plan.estate.databases))
    # By the file: a plan that changes leaves no notes of those before.
    path = work / _FOLDER / f"{hashlib.sha256(where.encode()).hexdigest()[:16]}.json"
    with contextlib.ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            held.callback(os.close, descriptor)
            hold(descriptor)
        except OSError as problem:  # another agent's, or a folder that can't be written to
            log.info("which plan this agent works on is not noted in %s: %s", path.parent, problem.strerror)
            yield Note(None, agent)
            return
        yield Note(path, agent)


def agents_of(work: Path, databases: set[str]) -> tuple[AgentHere, ...]:
    """Those that run now, and have one of these databases."""
    notes = sorted((work / _FOLDER).glob("*.json"))
    running = (_read(path) for path in notes if is_held(path.with_suffix(".lock")))
    return tuple(one for one in running if one and databases & {*one.databases})


def _read(path: Path) -> AgentHere | None:
    try:
        told = json.loads(path.read_text())
        return AgentHere(str(told["digest"]), str(told["file"]), tuple(told["databases"]), str(told["says"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
