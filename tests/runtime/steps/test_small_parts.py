"""Small parts of an image are stored and copied side by side; a failure of one keeps the image from appearing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from bkpc_grammar.image_objects import JOB_AT_ONCE, JOB_MEMORY, SMALL
from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.steps.copy import copy_image
from bkpc_runtime.steps.storing import Storing
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import ObjectWriter, Store, StoredObject
from tests.runtime.retention.made import SERVER, manifest, put_image


class Writer:
    """Is stored when as many are under way as must be."""

    def __init__(self, meet: threading.Barrier | None = None, problem: Exception | None = None) -> None:
        self.meet, self.problem = meet, problem
        self.stored = self.aborted = False

    def write(self, chunk: bytes) -> None:
        del chunk

    def commit(self) -> StoredObject:
        if self.meet:
            self.meet.wait()
        if self.problem:
            raise self.problem
        self.stored = True
        return StoredObject("", 0)

    def abort(self) -> None:
        self.aborted = True

    def __enter__(self) -> ObjectWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()


def test_small_parts_are_stored_side_by_side_and_all_in_the_end() -> None:
    meet = threading.Barrier(JOB_AT_ONCE, timeout=60)
    writers = [Writer(meet) for _ in range(2 * JOB_AT_ONCE)]
    with Storing() as storing:
        for one in writers:
            storing.commit([one], 8)
        storing.finish()
    assert all(one.stored and not one.aborted for one in writers)


def test_a_large_part_is_stored_beside_the_next_and_before_that_is() -> None:
    go = threading.Event()
    first, second = Writer(cast("threading.Barrier", go)), Writer()
    with Storing() as storing:
        storing.commit([first], SMALL + 1)
        assert not first.stored, "the next one may come meanwhile"
        threading.Timer(0.2, go.set).start()
        storing.commit([second], SMALL + 1)
        assert first.stored, "no more than two are in memory"
        storing.finish()
    assert second.stored


def test_a_large_part_that_fails_is_told_and_given_up() -> None:
    broken = Writer(problem=StoreFailed("full"))
    with Storing() as storing:
        storing.commit([broken], SMALL + 1)
        with pytest.raises(StoreFailed, match="full"):
            storing.finish()
    assert broken.aborted


def test_few_bytes_of_small_parts_wait() -> None:
    with Storing() as storing:
        go = threading.Event()
        waiting = [Writer() for _ in range(JOB_MEMORY // SMALL + 1)]
        for one in waiting:
            one.meet = cast("threading.Barrier", go)
        threading.Timer(0.2, go.set).start()
        for one in waiting:
            storing.commit([one], SMALL)
        assert waiting[0].stored, "the last had no room before"
        storing.finish()


def test_a_failure_is_raised_and_what_is_not_stored_is_given_up() -> None:
    broken, after = Writer(problem=StoreFailed("full")), Writer()
    with Storing() as storing:
        storing.commit([broken], 8)
        storing._waiting.append((8, [after], Future()))  # nobody has begun it
        with pytest.raises(StoreFailed, match="full"):
            storing.finish()
    assert broken.aborted
    assert after.aborted
    assert not after.stored


class Meeting:
    """A store from which so many objects must be read at once before any comes."""

    def __init__(self, inner: Store, at_once: int, broken: str = "") -> None:
        self._inner, self._meet, self._broken = inner, threading.Barrier(at_once, timeout=60), broken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:
        if self._broken and key.endswith(self._broken):
            raise StoreFailed(f"{key} can't be read")
        self._meet.wait()
        yield from self._inner.read(key, start, end, limit=limit)


def held(folder: Path, parts: int) -> tuple[Store, Image]:
    near = DirectoryStore("near", folder / "near")
    made = manifest(datetime(2026, 11, 27, 2, tzinfo=UTC), Position("binlog.000001", 4), parts=parts)
    put_image(near, made)
    return near, Image(f"shop/{SERVER}", made)


def test_small_parts_are_copied_side_by_side(tmp_path: Path) -> None:
    near, image = held(tmp_path, 2 * JOB_AT_ONCE)
    far = DirectoryStore("far", tmp_path / "far")
    told: list[int] = []
    moved = copy_image(image, cast("Store", Meeting(near, JOB_AT_ONCE)), far, progress=told.append)
    assert moved == image.manifest.stored_size == told[-1]
    assert told == sorted(told)
    assert len(told) == 2 * JOB_AT_ONCE
    assert [one.manifest.id for one in catalogue.all_images(far, "shop")] == [image.manifest.id]
    assert copy_image(image, near, far) == 0


def test_a_copy_of_which_one_part_fails_does_not_appear(tmp_path: Path) -> None:
    near, image = held(tmp_path, 8)
    far = DirectoryStore("far", tmp_path / "far")
    third = layout.part_name(3, encrypted=False)
    with pytest.raises(StoreFailed, match=third):
        copy_image(image, cast("Store", Meeting(near, 1, broken=third)), far)
    assert not list(catalogue.all_images(far, "shop"))
    assert copy_image(image, near, far) > 0, "run again it goes on"
