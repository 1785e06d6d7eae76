"""A server of our own on this machine, for as long as a drill or a recovery needs one.

It listens on a Unix socket only, in a folder that nobody else may enter, and its data goes when it stops: what is
restored into it is somebody's production data.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bkpc_runtime.errors import ServerFailed, StepFailed, ToolFailed
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.flavour import Flavour
from bkpc_runtime.mysql.tools import find_tool

log = logging.getLogger(__name__)
_START_SECONDS = 120.0
_STOP_SECONDS = 120.0
_INITIALISE_SECONDS = 600.0
_TAKEN_OVER = (
    "lower_case_table_names", "character_set_server", "collation_server", "max_allowed_packet",
)  # fmt: skip
"""Variables of the source without which its definitions mean something else, or can't be loaded."""
_CAREFREE = {
    "innodb_flush_log_at_trx_commit": "0",
    "innodb_doublewrite": "0",
    "sync_binlog": "0",
    "event_scheduler": "OFF",
    "skip_networking": "ON",
}
"""What is in it can be restored again: it need not survive a power cut. No event may fire in it."""


@dataclass(frozen=True, slots=True)
class ScratchServer:
    """A running server: its process, its data folder, and how its own user logs in."""

    flavour: Flavour
    folder: Path
    socket: Path
    process: subprocess.Popen[bytes]

    @property
    def datadir(self) -> Path:
        return self.folder / "data"

    @property
    def address(self) -> Address:
        return _root(self.socket)


def _root(socket: Path) -> Address:
    return Address("root", "", 0, str(socket), "disabled", "", "", "")


def find_server(flavour: Flavour) -> str:
    """The path of `mariadbd` or `mysqld`; `ToolFailed` names the package."""
    return find_tool(flavour, "server")


@contextmanager
def scratch_server(
    flavour: Flavour,
    work: Path,
    variables: Mapping[str, str],
    *,
    needed_bytes: int = 0,
    options: Mapping[str, str] | None = None,
) -> Iterator[ScratchServer]:
    """An empty server in a new folder below `work`, stopped and removed at the end.

    `variables` are those of the source, of which the ones that matter for loading are taken over; `options` come last
    and win. `needed_bytes` is what will be loaded: it must fit before anything is begun.

    Raises:
        ToolFailed: the server's program is not installed, or can't make a data folder.
        StepFailed: `work` has no room.
        ServerFailed: it does not start; the message has the end of its log.
    """
    program = find_server(flavour)
    _room(work, needed_bytes)
    folder = Path(tempfile.mkdtemp(prefix="bkpc-scratch-", dir=work))
    # The path of a Unix socket holds 107 bytes; work folders are often deeper than that.
    run = Path(tempfile.mkdtemp(prefix="bkpc-", dir="/tmp"))
    process: subprocess.Popen[bytes] | None = None
    try:
        chosen = {**_CAREFREE, **_taken_over(variables), **(options or {})}
        _initialise(flavour, program, folder, chosen)
        process = _start(flavour, program, folder, run / "s", chosen)
        yield ScratchServer(flavour, folder, run / "s", process)
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(run, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _room(work: Path, needed: int) -> None:
    free = shutil.disk_usage(work).free
    if free < needed:
        raise StepFailed(
            f"{work} has {free:,} bytes free, and about {needed:,} are to be loaded there",
            help="name a larger folder: --work FOLDER",
        )


def _taken_over(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: variables[name] for name in _TAKEN_OVER if variables.get(name)}


def _options(chosen: Mapping[str, str]) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]


def _account() -> list[str]:
    """It runs as whoever runs bkpc; a server refuses to run as root unless told to."""
    return ["--user=root"] if os.geteuid() == 0 else []


def _initialise(flavour: Flavour, program: str, folder: Path, chosen: Mapping[str, str]) -> None:
    data = f"--datadir={folder / 'data'}"
    if flavour == "mariadb":
        command = [
            find_tool(flavour, "initialise"), "--no-defaults", data, "--auth-root-authentication-method=normal",
            "--skip-test-db", *_account(),
        ]  # fmt: skip
    else:
        # The case of names is fixed when a data folder is made.
        case = {name: chosen[name] for name in ("lower_case_table_names",) if name in chosen}
        command = [program, "--no-defaults", "--initialize-insecure", "--secure-file-priv=", data]
        command += [*_account(), *_options(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INITIALISE_SECONDS)
    if done.returncode:
        raise ToolFailed(f"{command[0]} made no data folder: {_last(done.stdout + done.stderr)}")


def _start(
    flavour: Flavour, program: str, folder: Path, socket: Path, chosen: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    fixed = {"datadir": str(folder / "data"), "socket": str(socket), "pid_file": str(folder / "pid")}
    if flavour == "mysql":
        fixed |= {"mysqlx": "OFF", "secure_file_priv": ""}
    command = [program, "--no-defaults", *_account(), *_options(fixed), *_options(chosen)]
    errors = folder / "server.log"
    with errors.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(process, socket, errors)
    except BaseException:
        _stop(process)
        raise
    return process


def _wait(process: subprocess.Popen[bytes], socket: Path, errors: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if process.poll() is not None:
            raise ServerFailed(f"the scratch server did not start: {_last(errors.read_text(errors='replace'))}")
        if socket.exists():
            try:
                connect(_root(socket)).close()
                return
            except ServerFailed as problem:
                if not problem.retryable:
                    raise
        if time.monotonic() > deadline:
            raise ServerFailed(f"the scratch server does not answer: {_last(errors.read_text(errors='replace'))}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """An orderly end; its data goes anyway, so that nobody waits long for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("the scratch server did not stop within %.0f s: killed", _STOP_SECONDS)
            process.kill()
    process.wait()


def _last(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    wrong = [line for line in lines if "ERROR" in line]
    return " / ".join((wrong or lines)[-3:]) or "it said nothing"
