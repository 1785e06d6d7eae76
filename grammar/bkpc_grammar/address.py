"""Addresses of servers: `host:port`, `host`, `[::1]:3306` or the path of a socket; and which machine a host means.

Both sides read the same text: what is proved of the loss of a machine holds only if the runtime connects to that one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_BY_STANDARD = "localhost"
"""RFC 6761: this name, and all below it, never leave the machine."""
_BY_CUSTOM = frozenset({"localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"})
"""Names that the hosts file of a distribution gives to the machine itself; another file may say otherwise."""
_REMEMBERED = 16384
_NUMBER_OF_BYTES = 4
_PORT = "3306"


def host_and_port(address: str) -> tuple[str, str]:
    """The host of `host:port` without brackets, and the port as written; no host where it is the path of a socket."""
    if address.startswith("/"):
        return "", ""
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        return host, rest.removeprefix(":")
    host, colon, port = address.rpartition(":")
    return (host, port) if colon else (address, "")


@lru_cache(_REMEMBERED)
def one_server(address: str) -> str:
    """The same text for all spellings of one server's address, as seen from one site."""
    if address.startswith("/"):
        return address
    host, port = host_and_port(address)
    return f"{'' if is_loopback(host) else one_spelling(host)}:{port or _PORT}"


@lru_cache(_REMEMBERED)
def one_spelling(host: str) -> str:
    """The same text for all spellings of a host: no case, no final dot, numbers written out, no mapped IPv4."""
    if not host.isascii():
        try:
            host = host.encode("idna").decode()  # as it is looked up
        except UnicodeError:
            host = host.casefold()
    name = host.lower().removesuffix(".")
    number = _number(name)
    return str(number) if number is not None else name


def is_loopback(host: str) -> bool:
    """Whether `host` may mean the machine that asks: `::` and `0.0.0.0` too, and names of its hosts file.

    For what a failure takes. Where something is left undone because bytes never leave the machine: `never_leaves`.
    """
    name = one_spelling(host)
    if never_leaves(name) or name in _BY_CUSTOM or name.endswith(".localhost.localdomain"):
        return True
    number = _number(name)
    return number is not None and number.is_unspecified


def never_leaves(host: str) -> bool:
    """Whether what is sent to `host` stays on the machine, whatever its names are looked up in."""
    name = one_spelling(host)
    if name == _BY_STANDARD or name.endswith(f".{_BY_STANDARD}"):
        return True
    number = _number(name)
    return number is not None and number.is_loopback


def _number(name: str) -> IPv4Address | IPv6Address | None:
    """The IP address that `name` is, as resolvers read it: `127.1` and `0x7f.0.0.1` are `127.0.0.1`."""
    if not name[:1].isdigit() and ":" not in name:
        return None
    import ipaddress  # most hosts have names: only numbers pay for it

    if ":" in name:
        try:
            six = ipaddress.IPv6Address(name)
        except ValueError:
            return None
        return six.ipv4_mapped or six
    try:
        parts = [_part(one) for one in name.split(".")]
    except ValueError:
        return None
    *bytes_, rest = parts
    if len(parts) > _NUMBER_OF_BYTES or any(one > 0xFF for one in bytes_):
        return None
    left = 8 * (_NUMBER_OF_BYTES - len(bytes_))
    if rest >= 1 << left:
        return None
    whole = sum(one << (24 - 8 * at) for at, one in enumerate(bytes_)) + rest
    return ipaddress.IPv4Address(whole)


def _part(text: str) -> int:
    """A part of an IPv4 address, decimal, octal after `0` or hexadecimal after `0x`. Raises ValueError."""
    if not text.isalnum() or len(text) > len("0x") + 32:
        raise ValueError(text)
    if text.startswith("0x"):
        return int(text, 16)
    return int(text, 8 if text.startswith("0") and text != "0" else 10)
