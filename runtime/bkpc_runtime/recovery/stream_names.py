"""Names of files in a stream of `mariabackup` or `xtrabackup`, looked at before what unpacks it sees them.

`mbstream` of MariaDB 10.6, and of 11.8 up to 11.8.3 at least, writes `../../etc/x` where it says. The stream is a row
of chunks: magic, flags, kind, length of the name and the name, and what the kind asks for (`xbstream_read.cc` of both;
https://docs.percona.com/percona-xtrabackup/8.4/xbstream-binary-overview.html). Flags are none: with one, programs of
other versions take chunks that they don't know for others, and could be led past what was looked at here.
"""

from __future__ import annotations

import struct

from bkpc_runtime.engines.page_copy import Name
from bkpc_runtime.errors import DamagedBackup

_MAGIC = b"XBSTCK01"
_HEAD = struct.Struct("<8sBcI")
_PAYLOAD = struct.Struct("<QQI")
_SPARSE = struct.Struct("<IQQI")
_LENGTH = struct.Struct("<I")
_SEEK = 8
_LONGEST = 4096


class StreamNames:
    """Sees all bytes of one stream in order; raises DamagedBackup at the first name that leads out of its folder."""

    def __init__(self, tool: Name, image: str) -> None:
        self._tool, self._image = tool, image
        self._begun, self._skipped = b"", 0

    def see(self, chunk: bytes) -> None:
        """The next bytes: call it before they are passed on."""
        if self._skipped >= len(chunk):
            self._skipped -= len(chunk)
            return
        data = self._begun + chunk[self._skipped :]
        at = 0
        while at < len(data):
            found = self._chunk(data, at)
            if found is None:
                break
            names, at = found
            for name in names:
                self._check(name)
        self._begun, self._skipped = data[at:], max(0, at - len(data))

    def _chunk(self, data: bytes, at: int) -> tuple[list[bytes], int] | None:
        """The names in the chunk that begins at `at`, and where the next begins; None where more bytes must come."""
        if len(data) - at < _HEAD.size:
            return None
        magic, flags, kind, length = _HEAD.unpack_from(data, at)
        if magic != _MAGIC or flags or kind not in b"PSEDR" or length > _LONGEST:
            raise self._other()
        end = at + _HEAD.size + length
        names = [data[at + _HEAD.size : end]]
        if kind in b"ED":
            after = 0
        elif kind == b"S" and self._tool == "mariabackup":
            after = _SEEK
        else:
            fixed = _LENGTH if kind == b"R" else _SPARSE if kind == b"S" else _PAYLOAD
            if len(data) < end + fixed.size:
                return None
            said = fixed.unpack_from(data, end)
            if kind == b"R":
                names.append(data[end + fixed.size : end + fixed.size + said[0]])
                if said[0] > _LONGEST:
                    raise self._other()
            after = fixed.size + (said[0] * 8 + said[1] if kind == b"S" else said[0])
            if kind == b"R" and len(data) < end + after:
                return None
        return (names, end + after) if len(data) >= end else None

    def _other(self) -> DamagedBackup:
        return DamagedBackup(f"image {self._image} was changed: it is no stream of {self._tool}")

    def _check(self, name: bytes) -> None:
        if not name or name.startswith(b"/") or b"\0" in name or b".." in name.split(b"/"):
            told = ascii(name.decode(errors="backslashreplace"))
            raise DamagedBackup(f"image {self._image} was changed: it has a file {told}, which leads out of its folder")
