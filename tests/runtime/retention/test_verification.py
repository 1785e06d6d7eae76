"""Verification by turns: the newest when it is new, then whichever was not read back for longest."""

from __future__ import annotations

from datetime import UTC, datetime

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import layout, marks
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.steps.verification import due_images, verify_into_mark
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY, HOUR, PREFIX
from tests.runtime.retention.memory import MemoryStore

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def sealed(began: datetime) -> Manifest:
    """Without a key only the stored bytes can be compared, which here are made up."""
    return made.manifest(began, Position("", 0), encrypted=True)


def test_the_newest_first_and_then_each_in_its_turn() -> None:
    store = MemoryStore("near")
    images = [made.put_image(store, sealed(NOW - (5 - day) * DAY)) for day in range(4)]
    made.put_parts(store, made.manifest(NOW - 9 * DAY, Position("", 0)))  # no image
    seen = []
    for day in range(6):
        now = NOW + day * DAY
        for image in due_images(store, "shop", now - HOUR):
            verify_into_mark(image, store, (), None, now)
            seen.append(image.manifest.id)
        assert due_images(store, "shop", now - HOUR) == []
    assert seen == [images[3].id] + [images[number % 3].id for number in range(6)]


def test_an_image_that_comes_is_due_at_once() -> None:
    store = MemoryStore("near")
    first = made.put_image(store, sealed(NOW - DAY))
    (due,) = due_images(store, "shop", NOW - 2 * DAY)
    assert due.manifest.id == first.id
    assert due_images(MemoryStore("far"), "shop", NOW) == []
    verify_into_mark(due, store, (), None, NOW)
    second = made.put_image(store, sealed(NOW))
    assert [one.manifest.id for one in due_images(store, "shop", NOW - DAY)] == [second.id]


def test_what_is_damaged_is_named_and_marked() -> None:
    store = MemoryStore("near")
    image = made.put_image(store, sealed(NOW - DAY))
    key = layout.part_key(PREFIX, image.id, image.parts[1].name)
    store.objects[key] = b"trap"
    (due,) = due_images(store, "shop", NOW)
    (problem, *_) = verify_into_mark(due, store, (), None, NOW)
    assert key in problem
    mark = marks.newest(marks.marks(store, PREFIX), marks.VERIFIED, image.id)
    assert mark
    assert mark.word == "damaged"
    assert key in marks.read(store, PREFIX, mark)["problems"][0]
