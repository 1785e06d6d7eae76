"""What a server sends becomes the bytes of its file, however the network cuts it; a long event is never whole here."""

from __future__ import annotations

import random
import struct
from typing import cast
from zlib import crc32

import pytest

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.binlog.stream_parser import SEMI_SYNC, Chunk, LogUnreadable, Received, StreamParser
from bkpc_runtime.mysql.flavour import Position

FILE = "binlog.000001"
FULL = 0xFFFFFF
XID, ROWS, GTID, PAYLOAD, QUERY = 16, 30, 162, 40, 2


def event(kind: int, size: int, start: int, at: int = 1000) -> bytes:
    head = struct.pack("<IBIIIH", at, kind, 7, size, (start + size) & 0xFFFFFFFF, 0)
    body = head + random.Random(start).randbytes(size - 23)  # noqa: S311
    return body + crc32(body).to_bytes(4, "little")


def log_of(events: list[tuple[int, int]]) -> tuple[bytes, list[bytes]]:
    found, at = list[bytes](), 4
    for kind, size in events:
        found.append(event(kind, size, at, 1000 + len(found)))
        at += size
    return b"".join(found), found


def packets(events: list[bytes], *, semi_sync: bool = False, wanted: int = -1) -> bytes:
    sent = bytearray()
    for number, one in enumerate(events):
        flags = bytes([SEMI_SYNC, number == wanted]) if semi_sync else b""
        body = b"\0" + flags + one
        for at in range(0, len(body) + 1, FULL):
            part = body[at : at + FULL]
            sent += len(part).to_bytes(3, "little") + b"\0" + part
            if len(part) < FULL:
                break
    return bytes(sent)


class Network:
    """Gives what was sent in pieces of odd sizes."""

    def __init__(self, sent: bytes, most: int) -> None:
        self.sent, self.at, self.most = sent, 0, most
        self.random = random.Random(most)  # noqa: S311

    def recv_into(self, buffer: memoryview) -> int:
        size = min(len(buffer), self.random.randint(1, self.most), len(self.sent) - self.at)
        buffer[:size] = self.sent[self.at : self.at + size]
        self.at += size
        return size


def received(sent: bytes, most: int, *, semi_sync: bool = False) -> tuple[list[Chunk], StreamParser]:
    parser = StreamParser(Network(sent, most), Position(FILE, 4), 4, semi_sync=semi_sync)
    found = list[Received]()
    with pytest.raises(ServerFailed, match="closed the binlog stream"):
        read_all(parser, found)
    return [cast(Chunk, one) for one in found], parser


def read_all(parser: StreamParser, into: list[Received]) -> None:
    while not parser.failure:
        into += parser.read()
        assert len(parser.buffer) == 512 << 10
    raise parser.failure


MIXED = [(15, 120), (GTID, 42), (ROWS, 3 << 20), (XID, 31), (GTID, 42), (PAYLOAD, 600_000), (GTID, 42),
         (ROWS, 524_280), (ROWS, 524_284), (ROWS, 524_290), (XID, 31), (QUERY, 900_000), (GTID, 42),
         (ROWS, FULL - 3), (ROWS, FULL - 1), (ROWS, FULL + 5), (XID, 31)]  # fmt: skip


@pytest.mark.parametrize("semi_sync", [False, True])
@pytest.mark.parametrize("most", [60_000, 1 << 20])
def test_the_bytes_come_out_whole_and_each_chunk_that_says_so_ends_with_an_event(most: int, *, semi_sync: bool) -> None:
    body, events = log_of(MIXED)
    chunks, parser = received(packets(events, semi_sync=semi_sync, wanted=3), most, semi_sync=semi_sync)
    assert b"".join(one.data for one in chunks) == body
    assert max(len(one.data) for one in chunks) <= 512 << 10
    ends, at = [], 4
    for one in events:
        at += len(one)
        ends.append(at)
    assert all(one.end in ends for one in chunks if one.complete)
    done = {one.end for one in chunks if one.complete}
    assert {ends[1], ends[-1]} <= done, "what comes before a long event is not kept waiting for its end"
    assert [one.awaited for one in chunks if one.awaited] == ([ends[3]] if semi_sync else [])
    assert parser.committed == 1000 + len(events) - 1
    for chunk in chunks:
        if chunk.complete:
            assert chunk.last is not None
            assert chunk.last.matches(body[chunk.last.start - 4 :])
            assert chunk.last.start < chunk.end


def test_a_compressed_transaction_tells_when_it_was_committed_however_long_it_is() -> None:
    """And rows do not make it forgotten."""
    for kind, told in ((PAYLOAD, 1003), (ROWS, 1001), (QUERY, 0)):
        _, events = log_of([(GTID, 42), (XID, 31), (GTID, 42), (kind, 1 << 20)])
        chunks, _ = received(packets(events), 300_000)
        assert chunks[-1].complete
        assert chunks[-1].committed == told


@pytest.mark.parametrize(("place", "says"), [(700_000, "came damaged"), (9, "has 1048576 bytes, its header says")])
def test_a_long_event_that_came_damaged_is_told(place: int, says: str) -> None:
    _, events = log_of([(GTID, 42), (ROWS, 1 << 20)])
    spoiled = bytearray(events[1])
    spoiled[place] ^= 1
    parser = StreamParser(Network(packets([events[0], bytes(spoiled)]), 300_000), Position(FILE, 4), 4)
    found = list[Received]()
    with pytest.raises(LogUnreadable, match=says):
        read_all(parser, found)
    assert not any(isinstance(one, Chunk) and one.complete and one.end > 46 for one in found)
