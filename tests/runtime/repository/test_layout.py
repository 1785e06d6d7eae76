"""Names of what lies in a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bkpc_runtime.repository import layout


def test_images_of_one_second_sort_in_the_order_they_were_begun() -> None:
    begun = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
    ids = [layout.new_image_id(begun + timedelta(microseconds=number * 997)) for number in range(1000)]
    assert ids == sorted(ids)
    assert all(map(layout.is_image_id, ids))


def test_images_of_one_microsecond_have_two_ids() -> None:
    begun = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
    assert len({layout.new_image_id(begun) for _ in range(20)}) > 1
