"""A range that came in wrong is got again, one that lies there wrong is named; whatever the store."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastcrc
import pytest

from bkpc_runtime.errors import DamagedBackup, StoreFailed
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.transfer.outbound import Outbound
from bkpc_runtime.transfer.ranges import RANGE, RangeSums, read_checked
from bkpc_runtime.transfer.sums import Sums
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer

PLAIN = random.Random(7).randbytes(2 * RANGE + 4321)  # noqa: S311 (it must not become smaller)


@pytest.fixture(scope="module")
def made() -> tuple[bytes, Sums]:
    """Three ranges, as they are stored."""
    parts: list[bytes] = []
    outbound = Outbound(parts.append)
    outbound.write(PLAIN)
    sums = outbound.finish()
    return b"".join(parts), sums


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "oss") as server:
        server.bucket()
        yield server
        assert server.problems == []


@pytest.fixture
def store(server: OssServer, made: tuple[bytes, Sums]) -> OssStore:
    access = AccessKey(KEY_ID, Secret(KEY_SECRET))
    store = OssStore("far", "backup", server.endpoint, REGION, "", lambda: access, Patience(2.0, 0.001, 0.01))
    store.put("part", made[0])
    return store


def test_the_sums_are_those_of_each_8_mib(made: tuple[bytes, Sums]) -> None:
    stored, sums = made
    pieces = [stored[start : start + RANGE] for start in range(0, len(stored), RANGE)]
    assert sums.ranges == tuple(f"{fastcrc.crc64.xz(one):016x}" for one in pieces)
    assert len(sums.ranges) == 3
    running = RangeSums()
    for start in range(0, len(stored), 700_001):
        running.update(stored[start : start + 700_001])
    assert running.finish() == sums.ranges
    assert RangeSums().finish() == ()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_range_spoiled_on_the_way_is_got_again(
    server: OssServer, store: OssStore, made: tuple[bytes, Sums], number: int
) -> None:
    stored, sums = made
    server.fault("corrupt", method="GET", nth=number, times=1, after=1_000)
    assert b"".join(read_checked(store, "part", sums)) == stored
    assert not server.faults.rules


def test_before_there_were_ranges_the_end_tells(server: OssServer, store: OssStore, made: tuple[bytes, Sums]) -> None:
    stored, sums = made
    old = Sums(plain_size=1, plain_sha256="", stored_size=len(stored), stored_sha256=sums.stored_sha256)
    assert b"".join(read_checked(store, "part", old)) == stored
    server.fault("corrupt", method="GET", nth=2, times=1, after=1_000)
    with pytest.raises(StoreFailed, match="spoiled"):
        list(read_checked(store, "part", old))


def damaged(stored: bytes, at: int) -> bytes:
    return stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]


@pytest.mark.parametrize(
    ("change", "says", "right"),
    [
        (lambda stored: damaged(stored, RANGE + 5), "bytes 8,388,608 to 16,777,216 are not what was written", 1),
        (lambda stored: damaged(stored, len(stored) - 1), "bytes 16,777,216 to", 2),
        (lambda stored: stored[: RANGE + 9], "bytes 8,388,608 to 16,777,216 are not", 1),
        (lambda stored: stored[: 2 * RANGE], "it ends before byte 16,777,216", 2),
        (lambda stored: stored + bytes(RANGE), "it is longer than what was written", 3),
    ],
)
@pytest.mark.parametrize("kind", ["oss", "directory"])
def test_what_lies_there_wrong_is_named_before_it_goes_out(
    store: OssStore, made: tuple[bytes, Sums], tmp_path: Path, kind: str, change: Any, says: str, right: int
) -> None:
    stored, sums = made
    place = store if kind == "oss" else DirectoryStore("disk", tmp_path / "disk")
    place.put("broken", change(stored))
    out = deque[bytes]()
    with pytest.raises(DamagedBackup, match=says):
        out.extend(read_checked(place, "broken", sums))
    assert b"".join(out) == stored[: right * RANGE]


def test_an_empty_chunk_of_what_is_read_again_is_not_the_end(tmp_path: Path, made: tuple[bytes, Sums]) -> None:
    body, sums = made

    class Spoiling(DirectoryStore):
        """The first range is wrong at first; then it comes in pieces, as over connections that break off."""

        def read(self, key: str, start: int = 0, end: int | None = None, **_: Any) -> Iterator[bytes]:  # noqa: ARG002
            if end is None:
                yield b"x" + body[1:]
            else:
                yield from (body[start : start + 9], b"", body[start + 9 : end])

    found = list(read_checked(Spoiling("disk", tmp_path), "k", sums))
    assert all(found)
    assert b"".join(found) == body
