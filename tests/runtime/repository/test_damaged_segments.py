"""A damaged segment costs nothing where another holds its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.segments import Segment, read_log
from bkpc_runtime.stores.directory import DirectoryStore

FILE, PREFIX, LOG = "binlog.000001", "shop/mariadb-1-0", bytes(range(100))


def put(store: DirectoryStore, start: int, end: int, *, encrypted: bool = False, damaged: bool = False) -> str:
    body = LOG[start:end]
    segment = Segment(1, FILE, start, end, hashlib.sha256(body).hexdigest(), encrypted)
    key = segment.key(PREFIX)
    store.put(key, bytes(len(body)) if damaged else body)
    return key


def read(store: DirectoryStore, *, start: int = 0, end: int = 100) -> bytes:
    begin, stop = Position(FILE, start), Position(FILE, end)
    return b"".join(body for _, _, body in read_log(store, PREFIX, 1, begin, stop, unpack=lambda packed, _: packed))


@pytest.mark.parametrize("other", [(20, 60), (20, 80), (10, 90)])
def test_the_bytes_of_a_damaged_segment_come_from_another(tmp_path: Path, other: tuple[int, int]) -> None:
    store = DirectoryStore("disk", tmp_path)
    put(store, 0, 20)
    put(store, 20, 60, damaged=True)
    put(store, *other, encrypted=True)
    put(store, 60, 100)
    assert read(store) == LOG
    assert read(store, start=30, end=50) == LOG[:50]


def test_the_first_that_is_damaged_is_named_where_none_is_right(tmp_path: Path) -> None:
    store = DirectoryStore("disk", tmp_path)
    put(store, 0, 20)
    wrong = put(store, 20, 100, damaged=True)
    put(store, 20, 100, encrypted=True, damaged=True)
    put(store, 20, 60)
    with pytest.raises(DamagedBackup, match=wrong.rpartition("/")[2].partition(".")[0]) as raised:
        read(store)
    assert raised.value.help.startswith("--to mariadb-1-0/000001/binlog.000001:20 brings back what came before it; ")
