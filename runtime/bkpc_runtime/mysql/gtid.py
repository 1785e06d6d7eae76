"""GTIDs as people write them: MySQL's sets (`uuid:1-5:8`, `uuid:tag:3`), MariaDB's positions (`0-1-57,1-2-9`)."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_SOURCE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_INTERVAL = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?")
_UUID, _NUMBER, _TAG_FIELD, _COMMITTED = 1, 2, 3, 6
_LONGEST = 8
_MARIADB = re.compile(r"(\d{1,10})-(\d{1,10})-(\d{1,20})")


@dataclass(frozen=True, slots=True)
class Gtids:
    """A set of GTIDs: closed intervals of numbers by source.

    A source is `uuid` or `uuid:tag` in MySQL; in MariaDB `domain`, where a number stands for all up to it.
    `servers`: MariaDB's server of the last transaction of each domain, as it was written.
    """

    intervals: dict[str, list[tuple[int, int]]]
    servers: dict[str, int]

    def holds(self, source: str, number: int) -> bool:
        return any(first <= number <= last for first, last in self.intervals.get(source, ()))

    def less(self, other: Gtids) -> Gtids:
        """What is in this set and not in the other."""
        left = {source: _less(mine, other.intervals.get(source, [])) for source, mine in self.intervals.items()}
        return Gtids({source: rest for source, rest in left.items() if rest}, self.servers)

    def plus(self, other: Gtids) -> Gtids:
        """What is in either."""
        sources = [*self.intervals, *(one for one in other.intervals if one not in self.intervals)]
        both = {one: _joined([*self.intervals.get(one, ()), *other.intervals.get(one, ())]) for one in sources}
        ahead = {one: server for one, server in other.servers.items() if self.last(one) <= other.last(one)}
        return Gtids(both, self.servers | ahead)

    def last(self, source: str) -> int:
        """The highest number of a source; 0 for none."""
        return max((last for _, last in self.intervals.get(source, ())), default=0)

    @property
    def empty(self) -> bool:
        return not self.intervals

    @property
    def text(self) -> str:
        if self.servers:
            return ",".join(f"{one}-{self.servers[one]}-{ranges[-1][1]}" for one, ranges in self.intervals.items())
        return ",".join(f"{one}:{':'.join(map(_written, ranges))}" for one, ranges in self.intervals.items())


NONE = Gtids({}, {})


def _written(interval: tuple[int, int]) -> str:
    return str(interval[0]) if interval[0] == interval[1] else f"{interval[0]}-{interval[1]}"


def _joined(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(intervals):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _less(mine: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    left = mine
    for low, high in theirs:
        cut: list[tuple[int, int]] = []
        for first, last in left:
            cut += [(first, min(last, low - 1)), (max(first, high + 1), last)]
        left = [(first, last) for first, last in cut if first <= last]
    return left


def parse_gtids(text: str) -> Gtids | None:
    """The GTIDs a text means; None where it is no such text."""
    return _parse_mariadb(text) or _parse_mysql(text)


def parse_state(text: str) -> Gtids | None:
    """The same, where MariaDB tells the last of each server in each domain: the highest of each domain counts."""
    found = [_MARIADB.fullmatch(one.strip()) for one in text.split(",")]
    known = [one for one in found if one]
    if len(known) < len(found):
        return parse_gtids(text)
    state = NONE
    for one in known:
        state = state.plus(Gtids({one[1]: [(1, int(one[3]))]}, {one[1]: int(one[2])}))
    return state


def writers(text: str) -> frozenset[tuple[str, str]]:
    """Domain and server of all that a text of MariaDB's names."""
    return frozenset((one[1], one[2]) for one in _MARIADB.finditer(text))


def _parse_mariadb(text: str) -> Gtids | None:
    found = [_MARIADB.fullmatch(one.strip()) for one in text.split(",")]
    if not all(found):
        return None
    ranges = {one[1]: [(1, int(one[3]))] for one in found if one}
    return Gtids(ranges, {one[1]: int(one[2]) for one in found if one}) if len(ranges) == len(found) else None


def _parse_mysql(text: str) -> Gtids | None:
    intervals: dict[str, list[tuple[int, int]]] = {}
    for one in text.lower().split(","):
        source, *rest = (word.strip() for word in one.split(":"))
        if not _SOURCE.fullmatch(source) or not rest:
            return None
        key = source
        for word in rest:
            found = _INTERVAL.fullmatch(word)
            if found:
                first, last = int(found[1]), int(found[2] or found[1])
                if not 0 < first <= last:
                    return None
                intervals.setdefault(key, []).append((first, last))
            elif _TAG.fullmatch(word):
                key = f"{source}:{word}"
            else:
                return None
    return Gtids({source: sorted(ranges) for source, ranges in intervals.items()}, {}) if intervals else None


def split_gtid(text: str) -> tuple[str, int]:
    """Source and number of one transaction's GTID, of either flavour."""
    if ":" in text:
        source, _, number = text.rpartition(":")
        return source, int(number)
    return text.partition("-")[0], int(text.rpartition("-")[2])


def previous_gtids(body: bytes) -> Gtids:
    """The set in a MySQL PREVIOUS_GTIDS event: what was executed before the file began."""
    tagged = bool(body[7])  # since 8.3, where there are tags
    count = int.from_bytes(body[1:7] if tagged else body[:8], "little")
    intervals: dict[str, list[tuple[int, int]]] = {}
    at = 8
    for _ in range(count):
        source = _uuid(body[at : at + 16])
        at += 16
        if tagged:
            length, at = _varlen(body, at)
            source += f":{body[at : at + length].decode()}" if length else ""
            at += length
        (number,) = struct.unpack_from("<Q", body, at)
        pairs = [struct.unpack_from("<QQ", body, at + 8 + 16 * one) for one in range(number)]
        intervals[source] = [(first, last - 1) for first, last in pairs]
        at += 8 + 16 * number
    return Gtids(intervals, {})


def tagged_gtid(body: bytes) -> tuple[str, int]:
    """The GTID in a MySQL event of tagged ones, and when it was committed (Unix microseconds).

    Fields follow one another, each behind its number: flags, UUID, number, tag, two of its order, time of commit.
    """
    at = 0
    for _ in range(3):  # version and size of the message, the last field that must be known
        _, at = _varlen(body, at)
    fields: dict[int, int] = {}
    uuid, tag = b"", ""
    while at < len(body) and _COMMITTED not in fields:
        field, at = _varlen(body, at)
        if field == _UUID:
            for _ in range(16):
                byte, at = _varlen(body, at)
                uuid += bytes([byte])
        elif field == _TAG_FIELD:
            length, at = _varlen(body, at)
            tag, at = body[at : at + length].decode(), at + length
        else:
            fields[field], at = _varlen(body, at)
    number = fields.get(_NUMBER, 0) >> 1  # signed, and never negative
    return f"{_uuid(uuid)}:{tag}:{number}" if tag else f"{_uuid(uuid)}:{number}", fields.get(_COMMITTED, 0)


def _varlen(body: bytes, at: int) -> tuple[int, int]:
    """MySQL's integers of variable length: as many ones as bytes follow the first, then a nought, then the value."""
    first = body[at]
    length = (~first & (first + 1)).bit_length()
    if length > _LONGEST:
        return int.from_bytes(body[at + 1 : at + 9], "little"), at + 9
    return int.from_bytes(body[at : at + length], "little") >> length, at + length


def _uuid(raw: bytes) -> str:
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def gtid_list(body: bytes) -> Gtids:
    """The state in a MariaDB GTID_LIST event: the last of each domain before the file began."""
    return parse_state(list_text(body)) or NONE


def list_text(body: bytes) -> str:
    """All of it: the last of each server in each domain."""
    (count,) = struct.unpack_from("<I", body)
    entries = (struct.unpack_from("<IIQ", body, 4 + 16 * one) for one in range(count & 0x0FFFFFFF))
    return ",".join(f"{domain}-{server}-{number}" for domain, server, number in entries)
