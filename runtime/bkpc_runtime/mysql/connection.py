"""Connections to a server, with failures told in plain words."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from bkpc_runtime.errors import NoAnswer, ServerFailed
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.secret import Secret

Row = tuple[Any, ...]
CONNECT_SECONDS = 10
_LOST = {2006, 2013, 2055, 1053, 1077, 1079}


def connect(
    address: Address,
    password: Secret | None = None,
    *,
    read_timeout: float = 300,
    **options: Any,
) -> Connection[Any]:
    """An autocommit connection in UTC; `ServerFailed` says why there is none. Time-outs in seconds."""
    chosen: dict[str, Any] = {
        "user": address.user,
        "password": (password or address.password()).reveal().encode(),  # UTF-8, as the server's own client sends it
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": read_timeout,
        "write_timeout": read_timeout,
        "autocommit": True,
        "charset": "utf8mb4",
        "program_name": "bkpc",
    }
    if address.socket:
        chosen["unix_socket"] = address.socket
    else:
        chosen |= {"host": address.host, "port": address.port}
    context = _tls(address)
    chosen |= {"ssl": context} if context else {"ssl_disabled": True}
    with server_errors(address.text):
        connection: Connection[Any] = pymysql.connect(**(chosen | options))
        with connection.cursor() as cursor:
            # What SHOW CREATE prints depends on the mode: never on the one somebody made the server's default.
            cursor.execute("SET SESSION time_zone = '+00:00', SESSION sql_mode = ''")
        return connection


def query(connection: Connection[Any], statement: str, values: Sequence[object] = ()) -> list[Row]:
    """All rows of one statement."""
    with server_errors(""), connection.cursor() as cursor:
        cursor.execute(statement, tuple(values) or None)
        return list(cursor.fetchall())


def query_within(connection: Connection[Any], statement: str, seconds: float) -> list[Row]:
    """The same of a statement that other sessions can hold up for as long as they like.

    Raises:
        NoAnswer: it did not return in time. The connection is closed; the server goes on with the statement.
    """
    before, begun = connection._read_timeout, time.monotonic()  # type: ignore[attr-defined]
    connection._read_timeout = seconds  # type: ignore[attr-defined]
    try:
        return query(connection, statement)
    except ServerFailed:
        if time.monotonic() - begun < seconds:
            raise
        raise NoAnswer(
            f"the server has not answered {statement} within {seconds:.0f} s",
            help="SHOW PROCESSLIST shows what holds it up: a FLUSH that waits for commits, which wait for a store",
            retryable=True,
        ) from None
    finally:
        connection._read_timeout = before  # type: ignore[attr-defined]


def query_named(connection: Connection[Any], statement: str) -> list[dict[str, Any]]:
    """The same by the names of columns in lower case: what SHOW prints differs from version to version."""
    with server_errors(""), connection.cursor(DictCursor) as cursor:
        cursor.execute(statement)
        return [{str(name).lower(): value for name, value in row.items()} for row in cursor.fetchall()]


def query_bytes(connection: Connection[Any], statement: str) -> list[Row]:
    """The same, texts as the bytes the server sends: a definition may hold bytes of several character sets."""
    connection.use_unicode = False
    try:
        return query(connection, statement)
    finally:
        connection.use_unicode = True


@contextmanager
def server_errors(server: str) -> Iterator[None]:
    """Turns the driver's errors into `ServerFailed`; `server` is how messages name it."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        raise explain(error, server) from None
    except OSError as error:
        raise ServerFailed(f"the connection to {server or 'the server'} broke: {error}", retryable=True) from None


def explain(error: pymysql.err.MySQLError, server: str) -> ServerFailed:
    """The failure in plain words, with the way out."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    name = server or "the server"
    if code in {1045, 1698}:
        return ServerFailed(
            f"{name} refused the login: wrong user or password, or this user may not come from this host",
            help="check the user, and the variable or file that holds the password",
        )
    if code == 1130:
        return ServerFailed(f"{name} accepts no connections from this host", help="create the user for this host")
    if code in {2002, 2003}:
        return _no_connection(name, text)
    if code == 2026 or "SSL" in text:
        return _no_tls(name, text)
    if code in _LOST or (code == 0 and isinstance(error, pymysql.err.InterfaceError)):
        return ServerFailed(f"the connection to {name} was lost: {text or 'closed'}", retryable=True)
    return ServerFailed(f"{name}: {text} (error {code})", retryable=code in {1040, 1203, 1205, 1213})


def _no_connection(name: str, text: str) -> ServerFailed:
    if "CERTIFICATE" in text or "SSL" in text:
        return _no_tls(name, text)
    if re.search(r"Name or service not known|getaddrinfo|nodename|No address", text):
        return ServerFailed(f"{name}: this host name is unknown", help="check the name", retryable=True)
    reason = re.sub(r"^.*\((?:\[Errno \d+\] )?(.*?)\)$", r"\1", text)
    return ServerFailed(f"cannot reach {name}: {reason}", help="is the server running there?", retryable=True)


def _no_tls(name: str, text: str) -> ServerFailed:
    return ServerFailed(
        f"no trusted TLS connection to {name}: {text}",
        help="name the authority that signed the server's certificate (?ssl-ca=FILE); it must name the host",
    )


def _tls(address: Address) -> ssl.SSLContext | None:
    if address.ssl_mode == "disabled":
        return None
    try:
        context = ssl.create_default_context(cafile=address.ssl_ca or None)
    except OSError as error:
        raise ServerFailed(f"cannot read the TLS authority {address.ssl_ca}: {error}") from None
    # Servers sign their own certificates without the extensions strict mode wants.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = address.ssl_mode == "verify-identity"
    if address.ssl_mode == "required":
        context.verify_mode = ssl.CERT_NONE
    return context
