"""The agent's folder on local disk: log that waits for stores, and how each stream stands.

Nothing in it is needed to restore anything, nor to go on after a crash: stores are what counts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bkpc_runtime.errors import BadUsage
from bkpc_runtime.lock_file import hold, is_held
from bkpc_runtime.steps.log_state import StreamState

FOLDER = "bkpc-work"
_STATE, _LOCK = "state.json", "lock"


def work_folder(given: Path | None, beside: Path, environ: Mapping[str, str]) -> Path:
    """What `--work` says, else BKPC_WORK, else the state folder that systemd gives, else one beside the plan."""
    named = given or environ.get("BKPC_WORK") or environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(named) if named else beside / FOLDER


def stream_folder(work: Path, stream: str) -> Path:
    return work / quote(stream, safe="")


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder is this process's alone; whoever looks sees that somebody is at work.

    Raises:
        BadUsage: another agent has it, or it can't be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        text = f"the agent's folder {folder} can't be used: {problem.strerror}"
        raise BadUsage(text, help="name one on local disk that can be written to: --work FOLDER") from problem
    try:
        try:
            hold(descriptor)
        except OSError:
            text = f"another agent is at work in {folder}"
            raise BadUsage(text, help="stop it, or give this one a folder of its own: --work FOLDER") from None
        yield
    finally:
        os.close(descriptor)


def publish(folder: Path, state: StreamState) -> None:
    """How a stream stands now."""
    body = json.dumps({"version": 1, "written_at": time.time(), "stream": dataclasses.asdict(state)})
    path = folder / f"{_STATE}.new"
    with contextlib.suppress(OSError):  # a full disk is told by the stream itself
        path.write_text(body)
        path.replace(folder / _STATE)


@dataclass(frozen=True, slots=True)
class Published:
    """What an agent on this machine has last said of a stream. `running`: it holds the folder now."""

    running: bool
    written_at: float
    stream: dict[str, Any]


def published(folder: Path) -> Published | None:
    """None where no agent ever was."""
    try:
        found = json.loads((folder / _STATE).read_text())
        return Published(is_held(folder / _LOCK), float(found["written_at"]), dict(found["stream"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
