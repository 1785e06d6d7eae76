"""A server of our own on this machine, for as long as a drill or a recovery needs one.

It listens on a Unix socket only, in a folder that nobody else may enter, and its data goes when it stops: what is
restored into it is somebody's production data.
"""

from __future__ import annotations

import ctypes
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bkpc_runtime.errors import ServerFailed, StepFailed, ToolFailed
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.connection import connect, query
from bkpc_runtime.mysql.flavour import Flavour
from bkpc_runtime.mysql.identifiers import literal
from bkpc_runtime.mysql.tools import find_tool
from bkpc_runtime.temporary_folder import temporary_folder

log = logging.getLogger(__name__)
_LIBRARY = ctypes.CDLL(None)
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
_QUIET: dict[Flavour, dict[str, str]] = {
    "mariadb": {"skip_slave_start": "ON", "skip_log_bin": "ON"},
    "mysql": {
        "skip_replica_start": "ON",
        "skip_log_bin": "ON",
        "persisted_globals_load": "OFF",
        "auto_generate_certs": "OFF",
        "caching_sha2_password_auto_generate_rsa_keys": "OFF",
        "loose_sha256_password_auto_generate_rsa_keys": "OFF",
    },
}
_LAYOUT = ("innodb_page_size", "innodb_data_file_path", "innodb_undo_tablespaces")


@dataclass(frozen=True, slots=True)
class ScratchServer:
    """A running server: its process, its data folder, and how its own user logs in."""

    flavour: Flavour
    folder: Path
    socket: Path
    process: subprocess.Popen[bytes]
    address: Address

    @property
    def datadir(self) -> Path:
        return self.folder / "data"


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
    run = _run_folder()
    process: subprocess.Popen[bytes] | None = None
    try:
        chosen = {**_CAREFREE, **_taken_over(variables), **(options or {})}
        _initialise(flavour, program, folder, chosen)
        process = _start(flavour, program, folder, _root(run / "s"), chosen)
        yield ScratchServer(flavour, folder, run / "s", process, _root(run / "s"))
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(run, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server_over(
    flavour: Flavour, folder: Path, variables: Mapping[str, str], options: Mapping[str, str] | None = None
) -> Iterator[ScratchServer]:
    """A server over data that is there, in `folder`/data: with its own accounts, and one more while the block runs.

    The data outlives it, so that it must stop in good order; it writes no binary log, replicates nothing and is reached
    over its socket alone.

    Raises:
        ToolFailed: the server's program is not installed.
        ServerFailed: it does not start, or did not stop as it should: the data is then good for nothing.
    """
    program = find_server(flavour)
    run = _run_folder()
    process: subprocess.Popen[bytes] | None = None
    try:
        address, guest = _guest(run)
        chosen = {**_CAREFREE, **_QUIET[flavour], **_taken_over(variables), **_files(variables), **(options or {})}
        chosen["init_file"] = str(run / "init.sql")
        process = _start(flavour, program, folder, address, chosen)
        yield ScratchServer(flavour, folder, run / "s", process, address)
        with connect(address) as connection:
            query(connection, f"DROP USER {guest}")
        _stop(process)
        if process.returncode != 0:
            raise ServerFailed(f"the server over the restored data did not stop in good order: {process.returncode}")
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(run, ignore_errors=True)
        shutil.rmtree(folder / "temporary", ignore_errors=True)


def _guest(run: Path) -> tuple[Address, str]:
    """An account that the server makes as it starts: what is restored has its own, whose passwords nobody gave us."""
    name, password = f"bkpc-{secrets.token_hex(4)}", f"Aa1-{secrets.token_urlsafe(32)}"
    account = f"{literal(name)}@'localhost'"
    made = f"CREATE USER {account} IDENTIFIED BY {literal(password)};\n"
    _write_private(run / "init.sql", f"{made}GRANT ALL ON *.* TO {account} WITH GRANT OPTION;\n")
    _write_private(run / "password", password)
    return Address(name, "", 0, str(run / "s"), "disabled", "", "", str(run / "password")), account


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _files(variables: Mapping[str, str]) -> dict[str, str]:
    """How InnoDB's files are laid out, which the server must be told."""
    return {name: variables[name] for name in _LAYOUT if variables.get(name)}


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
    environ = os.environ | {"TMPDIR": str(_temporary(folder))}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_INITIALISE_SECONDS, env=environ
    )
    if done.returncode:
        raise ToolFailed(f"{command[0]} made no data folder: {_last(done.stdout + done.stderr)}")


def _start(
    flavour: Flavour, program: str, folder: Path, address: Address, chosen: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    fixed = {
        "datadir": str(folder / "data"), "socket": address.socket, "pid_file": str(folder / "pid"),
        "tmpdir": str(_temporary(folder)),
    }  # fmt: skip
    if flavour == "mysql":
        fixed |= {"mysqlx": "OFF", "secure_file_priv": ""}
    command = [program, "--no-defaults", *_account(), *_options(fixed), *_options(chosen)]
    errors = folder / "server.log"
    with errors.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_us,  # noqa: PLW1509 - nothing else can tell a child that its parent was killed
        )
    try:
        _wait(process, address, errors)
    except BaseException:
        _stop(process)
        raise
    return process


def _temporary(folder: Path) -> Path:
    """Its own: MariaDB deletes what begins with `#sql` in its `tmpdir` as it starts, which in a folder that all share,
    as /tmp, are the temporary tables of another server at work (`mysql_rm_tmp_tables` in its sql_base.cc)."""
    place = folder / "temporary"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def _end_with_us() -> None:
    """A server over somebody's data must not outlive a bkpc that was killed (PR_SET_PDEATHSIG of Linux)."""
    if sys.platform == "linux":
        _LIBRARY.prctl(1, signal.SIGTERM)


def _wait(process: subprocess.Popen[bytes], address: Address, errors: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if process.poll() is not None:
            raise ServerFailed(f"the scratch server did not start: {_last(errors.read_text(errors='replace'))}")
        if Path(address.socket).exists():
            try:
                connect(address).close()
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


def _run_folder() -> Path:
    """For the socket: its path holds 107 bytes, and work folders, or what TMPDIR names, are often deeper than that."""
    try:
        return Path(tempfile.mkdtemp(prefix="bkpc-", dir="/tmp"))
    except OSError:  # a container's root that can't be written to
        return Path(tempfile.mkdtemp(prefix="bkpc-", dir=temporary_folder()))
