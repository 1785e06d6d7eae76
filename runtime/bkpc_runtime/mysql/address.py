"""Where a database server is and who asks: parsed from a URL that never holds a password.

mysql://backup@db.example.com:3306/?password-env=DB_PASSWORD&ssl-ca=/etc/ssl/db-ca.pem
mysql+unix:///run/mysqld/mysqld.sock?user=backup&password-file=/etc/bkpc/password
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from bkpc_grammar.address import never_leaves
from bkpc_runtime.errors import BadUsage, Refused
from bkpc_runtime.secret import Secret

SslMode = Literal["disabled", "required", "verify-ca", "verify-identity"]
_OPTIONS = {"user", "password-env", "password-file", "ssl-mode", "ssl-ca"}
_EXAMPLE = "write mysql://USER@HOST:3306/?password-env=NAME or mysql+unix:///PATH/TO/SOCKET?user=USER"


@dataclass(frozen=True, slots=True)
class Address:
    """A server and an account on it. `host` is empty when `socket` is used."""

    user: str
    host: str
    port: int
    socket: str
    ssl_mode: SslMode
    ssl_ca: str
    password_env: str
    password_file: str

    @property
    def text(self) -> str:
        """As messages show it."""
        place = self.socket or (f"[{self.host}]" if ":" in self.host else self.host) + f":{self.port}"
        return f"{self.user}@{place}"

    @property
    def local(self) -> bool:
        """Whether bytes stay on this machine."""
        return bool(self.socket) or never_leaves(self.host)

    def password(self) -> Secret:
        """The password from the environment or its file; empty when none is named."""
        if self.password_env:
            text = os.environ.get(self.password_env)
            if text is None:
                raise BadUsage(
                    f"the environment has no {self.password_env}, which holds the password of {self.text}",
                    help=f"export {self.password_env}=… before running bkpc",
                )
            return Secret(can_log_in(text, f"the value of {self.password_env}, the password of {self.text},"))
        return _from_file(Path(self.password_file)) if self.password_file else Secret("")


def can_log_in(text: str, where: str) -> str:
    """A user or password that can be sent to a server and be written for its programs; `where` it is from.

    Raises:
        BadUsage: a character of it is none that people type. A file that ends one makes a login of two lines, and a
            program would print the second.
    """
    if any(char < " " or "\x7f" <= char < "\xa0" for char in text):
        raise BadUsage(f"{where} holds a line break or another control character", help="write it anew, in one line")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise BadUsage(f"{where} is not UTF-8", help="write it anew, in UTF-8")
    return text


def parse_address(url: str) -> Address:
    """The address a URL means; `BadUsage` says what is wrong with it, without repeating secrets."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadUsage("the server's URL cannot be read", help=_EXAMPLE) from None
    if parts.password is not None:
        raise BadUsage(
            "the server's URL holds a password, where process lists and logs would show it",
            help="put it into a variable or a file: ?password-env=NAME or ?password-file=PATH",
        )
    options = _options(parts)
    if parts.scheme == "mysql+unix":
        host, socket = "", unquote(parts.path)
    elif parts.scheme == "mysql":
        host, socket = parts.hostname or "", ""
    else:
        raise BadUsage(f"not a server's URL: it begins with {parts.scheme or 'nothing'}", help=_EXAMPLE)
    if not (host or socket):
        raise BadUsage("the server's URL names neither host nor socket", help=_EXAMPLE)
    user = unquote(parts.username or "") or options.get("user", "")
    if not user:
        raise BadUsage("the server's URL names no user", help=_EXAMPLE)
    can_log_in(user, "the user in the server's URL")
    local = bool(socket) or never_leaves(host)
    return Address(
        user, host, port or 3306, socket, _ssl_mode(options, local), options.get("ssl-ca", ""),
        options.get("password-env", ""), options.get("password-file", ""),
    )  # fmt: skip


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "password" in options:
        raise BadUsage(
            "the server's URL holds a password, where process lists and logs would show it",
            help="put it into a variable or a file: ?password-env=NAME or ?password-file=PATH",
        )
    for name in sorted(options.keys() - _OPTIONS):
        raise BadUsage(f"unknown option {name} in the server's URL", help="known: " + ", ".join(sorted(_OPTIONS)))
    return options


def _ssl_mode(options: dict[str, str], local: bool) -> SslMode:
    mode = options.get("ssl-mode", "")
    if not mode:
        return "disabled" if local and "ssl-ca" not in options else "verify-identity"
    if mode not in get_args(SslMode):
        raise BadUsage(f"unknown ssl-mode {mode}", help="known: " + ", ".join(get_args(SslMode)))
    return cast(SslMode, mode)


def _from_file(path: Path) -> Secret:
    try:
        if path.stat().st_mode & 0o077:
            raise Refused(f"others can read the password file {path}", help=f"chmod 600 {path}")
        text = path.read_text(encoding="utf-8", errors="surrogateescape").rstrip("\r\n")
        return Secret(can_log_in(text, f"the password file {path}"))
    except OSError as error:
        raise BadUsage(f"cannot read the password file {path}: {error.strerror}") from None
