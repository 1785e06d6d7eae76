"""Real database servers that live as long as a test, the demo or a bench needs them.

    with start_mariadb(folder) as server:
        with server.connect() as connection: ...

Each has a data folder of its own, listens on 127.0.0.1 and a Unix socket, writes its binlog in full
rows, and trades durability against power loss (not against `kill -9`) for speed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pymysql
from pymysql.connections import Connection

from tests.database_server.installation import Installation, find_mariadb, find_mysql

Flavour = Literal["mysql", "mariadb"]
Option = str | int | bool | None
_server_ids = count(1000 + os.getpid() % 100_000)


class ThrowawayServer:
    """One server process over one data folder; started and stopped by `start_mariadb` and `start_mysql`."""

    def __init__(self, installation: Installation, folder: Path, options: dict[str, Option]) -> None:
        self.installation = installation
        self.flavour: Flavour = installation.flavour
        self.folder = folder
        self.datadir = folder / "data"
        self.errors = folder / "server.log"
        self.port = free_port()
        self.server_id = next(_server_ids)
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None
        # A Unix socket's path is limited to 107 bytes; test folders are often longer.
        self._short = Path(tempfile.mkdtemp(prefix="bkpc-", dir="/tmp"))
        self.socket = self._short / "server.sock"

    @property
    def bin(self) -> Path:
        """The folder of this flavour's own tools (`mysqldump`, `mariadb-dump`, …)."""
        return self.installation.bin

    @property
    def url(self) -> str:
        """This server's root account over its socket, as `--from` and `--to` take it."""
        return f"mysql+unix://{quote(str(self.socket))}?user=root"

    def tcp_url(self, user: str, **options: str) -> str:
        """An account over TCP; TLS options as the address takes them."""
        query = "&".join(f"{name.replace('_', '-')}={quote(value)}" for name, value in options.items())
        return f"mysql://{quote(user)}@127.0.0.1:{self.port}/" + (f"?{query}" if query else "")

    def connect(self, **options: Any) -> Connection[Any]:
        """A PyMySQL connection, as root over the socket unless told otherwise; autocommit."""
        chosen: dict[str, Any] = {
            "user": "root",
            "unix_socket": str(self.socket),
            "autocommit": True,
            "charset": "utf8mb4",
        }
        if "host" in options or "port" in options:
            del chosen["unix_socket"]
            chosen |= {"host": "127.0.0.1", "port": self.port}
        return pymysql.connect(**(chosen | options))

    def run(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Runs the statements one after the other; rows of the last one."""
        rows: list[tuple[Any, ...]] = []
        with self.connect(database=database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    @property
    def series(self) -> tuple[int, int]:
        """(10, 11), (9, 7): the first two numbers of its version."""
        ((version,),) = self.run("SELECT VERSION()")
        major, minor = str(version).split(".")[:2]
        return int(major), int(minor)

    def reset_binlogs(self) -> None:
        """`RESET MASTER`, under the name that this version has for it."""
        renamed = self.flavour == "mysql" and self.series >= (8, 2)
        self.run("RESET BINARY LOGS AND GTIDS" if renamed else "RESET MASTER")

    def client_command(self, *arguments: str) -> list[str]:
        """The command line of the flavour's own client, as root over the socket."""
        return [self.installation.tool("client"), *self._login(), *arguments]

    def dump_command(self, *arguments: str) -> list[str]:
        """The command line of the flavour's own dump tool, as root over the socket."""
        return [self.installation.tool("dump"), *self._login(), *arguments]

    def binlog_command(self, *arguments: str) -> list[str]:
        """The command line of `mysqlbinlog` or `mariadb-binlog`, for files on disk."""
        return [self.installation.tool("binlog"), "--no-defaults", *arguments]

    def _login(self) -> list[str]:
        return ["--no-defaults", f"--socket={self.socket}", "--user=root"]

    def start(self) -> None:
        """Starts the process and waits until it answers; a server that dies shows the end of its log."""
        with self.errors.open("ab") as log:
            self.process = subprocess.Popen(self._command_line(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                # PyMySQL leaves its socket open when nobody listens: ask the socket first.
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(self.socket))
                self.connect(connect_timeout=5).close()
                return
            except (OSError, pymysql.err.OperationalError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"{self.flavour} did not start:\n{self.errors.read_text()[-4000:]}") from None
                time.sleep(0.03)

    def _command_line(self) -> list[str]:
        options: dict[str, Option] = {
            "datadir": str(self.datadir), "socket": str(self.socket), "pid-file": str(self._short / "pid"),
            "port": self.port, "bind-address": "127.0.0.1", "tmpdir": str(self._short),
            "server-id": self.server_id, "log-bin": "binlog", "binlog-format": "ROW",
            "binlog-row-image": "FULL",
            "binlog-checksum": "CRC32", "sync-binlog": 0, "innodb-flush-log-at-trx-commit": 2,
            "innodb-buffer-pool-size": "64M", "innodb-doublewrite": 0, "innodb-flush-method": "nosync",
            "character-set-server": "utf8mb4", "max-allowed-packet": "256M", "event-scheduler": "OFF",
        }  # fmt: skip
        if os.geteuid() == 0:
            options["user"] = "root"
        options |= self.installation.options
        options |= {name.replace("_", "-"): value for name, value in self.options.items()}
        return [
            *self.installation.server,
            *(_option(*item) for item in options.items() if item[1] is not None),
        ]

    def kill(self) -> None:
        """`kill -9`, and waits for the end. Fine when it is dead already."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """An orderly shutdown; `kill -9` when it takes more than 30 s."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self) -> None:
        """Stops (if it still runs) and starts again on the same port and data."""
        self.stop()
        self.start()

    def discard(self) -> None:
        """Kills the server and removes its data."""
        self.kill()
        shutil.rmtree(self._short, ignore_errors=True)
        shutil.rmtree(self.datadir, ignore_errors=True)


def _option(name: str, value: Option) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--skip-{name}"
    return f"--{name}={value}"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def start(installation: Installation, folder: Path, **options: Option) -> Iterator[ThrowawayServer]:
    """A running server in `folder`; `options` are the server's own, with `_` for `-`; None drops one."""
    folder.mkdir(parents=True, exist_ok=True)
    server = ThrowawayServer(installation, folder, options)
    try:
        shutil.copytree(installation.pristine(), server.datadir)
        # Two servers from one template must not share an identity.
        (server.datadir / "auto.cnf").unlink(missing_ok=True)
        server.start()
        yield server
    finally:
        server.discard()


@contextmanager
def start_over(installation: Installation, datadir: Path, **options: Option) -> Iterator[ThrowawayServer]:
    """A running server over a data folder that is there; it goes with the server."""
    server = ThrowawayServer(installation, datadir.parent, options)
    server.datadir, server.errors = datadir, datadir.parent / f"{datadir.name}.log"
    try:
        server.start()
        yield server
    finally:
        server.discard()


@contextmanager
def start_mariadb(folder: Path, **options: Option) -> Iterator[ThrowawayServer]:
    """A MariaDB server of this machine's packages."""
    with start(find_mariadb(), folder, **options) as server:
        yield server


@contextmanager
def start_mysql(folder: Path, **options: Option) -> Iterator[ThrowawayServer]:
    """A MySQL 9 server from the cache that `fetch_mysql.sh` fills."""
    with start(find_mysql(), folder, **options) as server:
        yield server


def start_server(flavour: str, folder: Path, **options: Option) -> AbstractContextManager[ThrowawayServer]:
    """`start_mariadb` or `start_mysql`, by name."""
    return {"mariadb": start_mariadb, "mysql": start_mysql}[flavour](folder, **options)
