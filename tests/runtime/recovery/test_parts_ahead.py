"""Parts of an image as clients take them: small ones fetched ahead, as many at once as bounds count on."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from bkpc_grammar.image_objects import AT_ONCE, IN_MEMORY, SMALL
from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.parts_ahead import PartsAhead
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.sums import Sums
from tests.runtime.retention.made import manifest

PREFIX = "shop/server-1"


class Watched:
    """A store that says how many reads are under way at once; `meet`: so many must be before any goes on."""

    def __init__(self, inner: Store, meet: int = 1) -> None:
        self._inner = inner
        self._lock, self._meet = threading.Lock(), threading.Barrier(meet, timeout=60)
        self.read_whole: list[str] = []
        self.broken = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:
        if self.broken and key.endswith(self.broken):
            raise StoreFailed(f"{key} can't be read")
        self._meet.wait()
        yield from self._inner.read(key, start, end, limit=limit)
        with self._lock:
            self.read_whole.append(key.rpartition("/")[2])


def stored(folder: Path, sizes: list[int]) -> tuple[Image, Store, list[Part]]:
    store = cast("Store", DirectoryStore("near", folder))
    made = manifest(datetime(2026, 11, 27, 2, tzinfo=UTC), Position("binlog.000001", 4))
    image = Image(PREFIX, made)
    parts = []
    for number, size in enumerate(sizes, 1):
        body = number.to_bytes(4, "big") * (size // 4)
        part = Part(
            name=layout.part_name(number, encrypted=False), kind="table", schema="shop", table=f"t{number}",
            sums=Sums(
                plain_size=size, plain_sha256="", stored_size=len(body), stored_sha256=hashlib.sha256(body).hexdigest()
            ),
        )  # fmt: skip
        store.put(layout.part_key(PREFIX, made.id, part.name), body)
        parts.append(part)
    return image, store, parts


def test_as_many_at_once_as_proofs_count_on(tmp_path: Path) -> None:
    image, store, parts = stored(tmp_path, [8] * (2 * AT_ONCE))
    watched = Watched(store, meet=AT_ONCE)
    with PartsAhead(image, cast("Store", watched), parts) as coming:
        found = [coming.next() for _ in parts]
        assert coming.next() is None
    assert [one[0] for one in found if one] == parts


def test_each_client_takes_what_is_next_and_every_part_is_taken_once(tmp_path: Path) -> None:
    image, store, parts = stored(tmp_path, [4 * number for number in range(1, 301)])
    with PartsAhead(image, store, parts) as coming, ThreadPoolExecutor(8) as pool:

        def client(_: int) -> list[tuple[Part, bytes]]:
            taken = []
            while (found := coming.next()) is not None:
                part, read = found
                taken.append((part, b"".join(read())))
                assert b"".join(read()) == taken[-1][1], "it is loaded again where servers say: deadlock"
            return taken

        taken = [pair for pairs in pool.map(client, range(8)) for pair in pairs]
    assert sorted(part.name for part, _ in taken) == [part.name for part in parts]
    assert all(len(body) == part.sums.stored_size for part, body in taken)


def test_large_ones_are_left_to_who_loads_them_and_few_bytes_wait(tmp_path: Path) -> None:
    image, store, parts = stored(tmp_path, [SMALL + 4, *[SMALL] * (IN_MEMORY // SMALL + 8)])
    watched = Watched(store)
    with PartsAhead(image, cast("Store", watched), parts) as coming:
        found = coming.next()
        assert found is not None
        assert found[0] == parts[0]
        second = coming.next()
        assert second is not None
        assert second[0] == parts[1]
    assert parts[0].name not in watched.read_whole, "nobody has read it yet"
    assert len(watched.read_whole) <= IN_MEMORY // SMALL + 1


def test_a_failure_comes_in_its_turn_and_ends_it_for_all(tmp_path: Path) -> None:
    image, store, parts = stored(tmp_path, [8] * 5)
    watched = Watched(store)
    watched.broken = parts[2].name
    with PartsAhead(image, cast("Store", watched), parts) as coming:
        assert coming.next()
        assert coming.next()
        with pytest.raises(StoreFailed, match=parts[2].name):
            coming.next()
        assert coming.next() is None
