"""A request as the server understands it, and its body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.oss_server.refusal import Refusal, malformed

_ADDRESS = re.compile(r"(\d{1,3}\.){3}\d{1,3}|localhost|\[.*\]")
_SERVICE = re.compile(r"(?:(?P<bucket>[a-z0-9][a-z0-9-]{1,61}[a-z0-9])\.)?(?P<service>oss[a-z0-9-]*\..+)")
_LARGEST_DOCUMENT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a request that are signed; header names in lower case; `host` is the service's, without bucket."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    host: str = ""
    secure: bool = False

    def meant(self, name: str, default: str = "") -> str:
        """A parameter that may stand in a header or in the query (`x-oss-…`)."""
        return self.headers.get(name) or self.query.get(name) or default


def understood(
    method: str, target: str, headers: Mapping[str, str], cnames: Mapping[str, str], *, secure: bool = False
) -> Asked:
    """Reads path style at an address, virtual-host style at a name; `cnames` maps bound domains to buckets."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    path = unquote(parts.path)
    host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    port = headers.get("host", "")[len(host) :]
    found = _SERVICE.fullmatch(host)
    if host in cnames:
        bucket, key, service = cnames[host], path[1:], host
    elif found and not _ADDRESS.fullmatch(host):
        bucket, key, service = found["bucket"] or "", path[1:], found["service"]
        if not bucket and key:
            text = "The bucket you are attempting to access must be addressed using OSS third level domain."
            raise Refusal(403, "SecondLevelDomainForbidden", text, ec="0007-00000006")
    else:
        bucket, _, key = path.lstrip("/").partition("/") if not path.startswith("//") else ("", "", path[1:])
        service = host
    return Asked(method, bucket, key, query, headers, service + port, secure)


class Body:
    """A request's body, read as it comes; `size` is None when it is sent in chunks."""

    def __init__(self, file: BinaryIO, size: int | None, *, chunked: bool) -> None:
        self._file, self.size, self._chunked = file, size, chunked
        self._left = size or 0
        self._ended = not chunked and not size
        self._until: int | None = None
        self._read = 0
        self._garbled = False

    def break_after(self, size: int) -> None:
        """Has the connection break once more than so many bytes of the body were read: a fault."""
        self._until = size

    def garble(self) -> None:
        """Has a bit of what is read first come in turned: a fault."""
        self._garbled = True

    def read(self, most: int) -> bytes:
        """Up to `most` bytes, nothing at the end; raises ConnectionError when the client breaks off."""
        if self._ended:
            return b""
        if self._chunked and not self._left:
            line = self._file.readline(64)
            try:
                self._left = int(line.split(b";")[0], 16)
            except ValueError:
                raise ConnectionError("the body ended early") from None
            if not self._left:
                while self._file.readline(8192).strip():
                    pass
                self._ended = True
                return b""
        chunk = self._file.read(min(most, self._left))
        if not chunk:
            raise ConnectionError("the body ended early")
        self._left -= len(chunk)
        self._read += len(chunk)
        if self._until is not None and self._read > self._until:
            raise ConnectionError("a fault that a test asked for")
        if not self._left:
            if self._chunked:
                self._file.readline(8)
            else:
                self._ended = True
        if self._garbled:
            self._garbled = False
            chunk = bytes([chunk[0] ^ 1]) + chunk[1:]
        return chunk

    def all(self) -> bytes:
        """The whole body of a document."""
        parts, total = [], 0
        while chunk := self.read(_LARGEST_DOCUMENT):
            parts.append(chunk)
            total += len(chunk)
            if total > _LARGEST_DOCUMENT:
                raise malformed()
        return b"".join(parts)

    def drain(self) -> None:
        while self.read(256 * 1024):
            pass


def whole_number(text: str, name: str, low: int, high: int) -> int:
    """A number in a header or query, refused outside its bounds."""
    if not text.lstrip("-").isdigit() or not low <= int(text) <= high:
        message = f"Argument {name} must be an integer between {low} and {high}."
        raise Refusal(400, "InvalidArgument", message, details={"ArgumentName": name, "ArgumentValue": text})
    return int(text)
