"""The servers' own programs: where they are, and how they log in without a password on a command line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bkpc_runtime.errors import ToolFailed
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.flavour import Flavour

_PROGRAMS = {
    ("mariadb", "dump"): ("mariadb-dump",),
    ("mariadb", "client"): ("mariadb",),
    ("mariadb", "binlog"): ("mariadb-binlog",),
    ("mariadb", "server"): ("mariadbd",),
    ("mariadb", "initialise"): ("mariadb-install-db",),
    ("mariadb", "mariabackup"): ("mariadb-backup", "mariabackup"),
    ("mariadb", "mbstream"): ("mbstream",),
    ("mysql", "dump"): ("mysqldump",),
    ("mysql", "client"): ("mysql",),
    ("mysql", "binlog"): ("mysqlbinlog",),
    ("mysql", "server"): ("mysqld",),
    ("mysql", "xtrabackup"): ("xtrabackup",),
    ("mysql", "xbstream"): ("xbstream",),
}
_PACKAGES = {
    "mariadb": "mariadb-client",
    # Debian's own packages under MySQL's name install MariaDB.
    "mysql": "mysql-client (on Debian from MySQL's repository: https://dev.mysql.com/downloads/repo/apt/)",
}
_SERVER_PACKAGES = {
    "mariadb": "mariadb-server",
    "mysql": "mysql-server (on Debian from MySQL's repository: https://dev.mysql.com/downloads/repo/apt/)",
}
_PHYSICAL_PACKAGES = {
    **dict.fromkeys(("mariabackup", "mbstream"), "mariadb-backup"),
    **dict.fromkeys(
        ("xtrabackup", "xbstream"),
        "percona-xtrabackup-NN of the server's series (from Percona's repository: https://docs.percona.com/)",
    ),
}
_SERVER_KINDS = frozenset({"server", "initialise"})
_SERVER_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec")
"""Where servers are installed, which the PATH of a user often lacks."""
_SSL = {
    "mysql": {
        "disabled": "ssl-mode=DISABLED",
        "required": "ssl-mode=REQUIRED",
        "verify-ca": "ssl-mode=VERIFY_CA",
        "verify-identity": "ssl-mode=VERIFY_IDENTITY",
    },
    "mariadb": {
        "disabled": "skip-ssl",
        "required": "ssl",
        "verify-ca": "ssl-verify-server-cert",
        "verify-identity": "ssl-verify-server-cert",
    },
}


def find_tool(flavour: Flavour, kind: str) -> str:
    """The path of one of the flavour's programs: `dump`, `client`, `binlog`, `server`, `initialise`, `mariabackup`, …

    Searched in BKPC_MYSQL_BIN (folders, as in PATH), then in PATH; `ToolFailed` names the package.
    """
    of_server = kind in _SERVER_KINDS
    folders = (os.environ.get("BKPC_MYSQL_BIN"), os.environ.get("PATH"), *(_SERVER_FOLDERS if of_server else ()))
    places = os.pathsep.join(filter(None, folders)).split(os.pathsep)
    names = _PROGRAMS[flavour, kind]
    for name in names:
        for place in places:
            found = shutil.which(name, path=place)
            # MariaDB's packages install links under MySQL's names; a dump goes back into its own flavour.
            if found and not (flavour == "mysql" and "mariadb" in Path(found).resolve().name):
                return found
    package = _PHYSICAL_PACKAGES.get(kind) or (_SERVER_PACKAGES if of_server else _PACKAGES)[flavour]
    raise ToolFailed(
        f"{' or '.join(names)} is not installed",
        help=f"apt-get install {package}, or name its folder in BKPC_MYSQL_BIN",
    )


@contextmanager
def client_options(address: Address, flavour: Flavour) -> Iterator[Path]:
    """An options file with the login, in memory only: pass it first, as `--defaults-file=PATH`.

    Not on disk: nothing cleans up after `kill -9`.
    """
    lines = ["[client]", f"user={_value(address.user)}"]
    password = address.password().reveal()
    if password:
        lines.append(f"password={_value(password)}")
    if address.socket:
        lines += [f"socket={_value(address.socket)}"]
    else:
        lines += [f"host={_value(address.host)}", f"port={address.port}", "protocol=tcp"]
        lines.append(_SSL[flavour][address.ssl_mode])
        if address.ssl_ca:
            lines.append(f"ssl-ca={_value(address.ssl_ca)}")
        if address.ssl_mode == "disabled" and flavour == "mysql":
            # caching_sha2_password without TLS asks for the server's key once.
            lines.append("loose-get-server-public-key")
    handle = os.memfd_create("bkpc")
    try:
        # Tools leave out options that others may write.
        os.fchmod(handle, 0o600)
        os.write(handle, ("\n".join(lines) + "\n").encode())
        yield Path(f"/proc/{os.getpid()}/fd/{handle}")
    finally:
        os.close(handle)


def _value(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
