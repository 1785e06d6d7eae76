"""Where a flavour's programs are, and a pristine data folder of each, made once per version."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

_TOOLS = {
    "mariadb": {"client": "mariadb", "dump": "mariadb-dump", "binlog": "mariadb-binlog"},
    "mysql": {"client": "mysql", "dump": "mysqldump", "binlog": "mysqlbinlog"},
}
_MARIADB_OPTIONS: dict[str, str | int | bool | None] = {"performance-schema": "OFF", "innodb-log-file-size": "32M"}


class MissingServer(RuntimeError):
    """A flavour is not installed; the message says which command installs it."""


@dataclass(frozen=True)
class Installation:
    """One flavour's programs: `server` starts it, `bin` holds its tools, `initialise` fills a data folder."""

    flavour: Literal["mysql", "mariadb"]
    bin: Path
    server: tuple[str, ...]
    initialise: tuple[str, ...]
    version: str
    options: dict[str, str | int | bool | None]

    def tool(self, kind: str) -> str:
        """The path of the `client`, `dump` or `binlog` program."""
        return str(self.bin / _TOOLS[self.flavour][kind])

    def pristine(self) -> Path:
        """A data folder nobody has used: copy it. Made once per version, kept in the cache."""
        return _pristine(self.flavour, self.version, self.initialise)


def cache() -> Path:
    """Where downloads and prepared data folders stay between runs."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bkpc"
    return Path(os.environ.get("BKPC_CACHE") or default)


@lru_cache
def find_mariadb() -> Installation:
    """MariaDB as Debian's `mariadb-server` installs it, or of the series that BKPC_MARIADB names."""
    if series := os.environ.get("BKPC_MARIADB"):
        root = _of_series(f"mariadb-{series}")
        return Installation(
            "mariadb", root / "bin", (str(root / "bin" / "mariadbd"), "--no-defaults"),
            (str(root / "bin" / "mariadb-install-db"),), _version(str(root / "bin" / "mariadbd")), _MARIADB_OPTIONS,
        )  # fmt: skip
    server = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    install = shutil.which("mariadb-install-db")
    dump = shutil.which("mariadb-dump")
    if not (server and install and dump):
        raise MissingServer("MariaDB is missing. Install it: apt-get install mariadb-server")
    return Installation(
        "mariadb", Path(dump).parent, (server, "--no-defaults"),
        (install, "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"),
        _version(server), _MARIADB_OPTIONS,
    )  # fmt: skip


@lru_cache
def find_mysql() -> Installation:
    """MySQL 9 as `fetch_mysql.sh` unpacks it into the cache, or of the series that BKPC_MYSQL names."""
    series = os.environ.get("BKPC_MYSQL")
    root = _of_series(f"mysql-{series}") if series else cache() / "mysql-sid"
    server = root / "bin" / "mysqld"
    if not server.exists():
        raise MissingServer("MySQL is missing. Fetch it: bash tests/database_server/fetch_mysql.sh")
    options: dict[str, str | int | bool | None] = {
        "secure-file-priv": "", "mysqlx": "OFF", "loose-innodb-redo-log-capacity": "64M", "binlog-format": None,
    }  # fmt: skip
    if series:  # as MySQL 9.7 has it by itself
        options |= {"gtid-mode": "ON", "enforce-gtid-consistency": "ON"}
    return Installation(
        "mysql", root / "bin", (str(server),),
        (str(server), "--initialize-insecure", "--secure-file-priv=", "--loose-innodb-redo-log-capacity=64M"),
        _version(str(server)), options,
    )  # fmt: skip


def _of_series(name: str) -> Path:
    root = cache() / name
    if not root.exists():
        raise MissingServer(f"{name} is missing. Fetch it: bash tests/database_server/fetch_series.sh {name}")
    return root


def _version(server: str) -> str:
    return subprocess.run([server, "--version"], check=True, capture_output=True, text=True).stdout.strip()


@lru_cache
def _pristine(flavour: str, version: str, initialise: tuple[str, ...]) -> Path:
    key = hashlib.sha256("\0".join((version, *initialise)).encode()).hexdigest()[:12]
    ready = cache() / "pristine" / f"{flavour}-{key}"
    if ready.exists():
        return ready
    ready.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{flavour}-", dir=ready.parent))
    try:
        user = ["--user=root"] if os.geteuid() == 0 else []
        command = [*initialise, f"--datadir={work / 'data'}", *user]
        # MariaDB deletes the temporary tables of other servers that share its temporary folder.
        environ = os.environ | {"TMPDIR": str(work)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environ)
        if done.returncode:
            raise RuntimeError(f"{initialise[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        try:
            (work / "data").rename(ready)
        except OSError:
            # Another process was faster; its copy is as good.
            if not ready.exists():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return ready
