"""What `plan` says of a plan that keeps otherwise is what expiry then does, in lives of a database drawn at random."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import rule

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import marks
from bkpc_runtime.repository.expiry import Rules, decide
from bkpc_runtime.repository.holdings import Holding, holdings_of
from bkpc_runtime.repository.restorable import Restorable, Span, restorable, stretches
from bkpc_runtime.steps.expire import Source, expire
from tests.runtime.retention import made, oracle
from tests.runtime.retention.made import DAY, HOUR, PREFIX, SERVER, rules
from tests.runtime.retention.memory import MemoryStore
from tests.runtime.retention.test_machine import ZONE, Life

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVER = Rules(None, (0, 0, 0, 0), "UTC", DAY, DAY, for_ever=True)


def by(stores: Iterable[MemoryStore], kept: Rules, now: datetime) -> Restorable:
    """What can be restored once what `kept` does not keep has gone."""
    holdings = holdings_of(stores, "shop", now)
    return restorable(holdings, decide(holdings, {one.store: kept for one in holdings}, now), now)


def inside(moment: datetime, spans: Iterable[Span]) -> bool:
    return any(since < moment < until for since, until in spans)


class LifeUnderAnotherPlan(Life):
    @rule(
        span=st.sampled_from([None, DAY, 2 * DAY, 5 * DAY, 20 * DAY]),
        counts=st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)),
    )
    def a_plan_that_keeps_otherwise(self, span: timedelta | None, counts: tuple[int, int, int, int]) -> None:
        """Looked at, and then in force, in stores that are copies."""
        stores = [self._copy(self.near), self._copy(self.far)]
        kept = Rules(span, counts, ZONE, timedelta(0), 20 * DAY, for_ever=span is None and not any(counts))
        told, before = by(stores, kept, self.now), by(stores, EVER, self.now)
        could = self._points(stores)
        for _ in range(2):  # a tombstone first
            done = expire(stores, "shop", {"near": kept, "far": kept}, Source(SERVER, self.now), self.now)
        if any(one.resting for one in done):
            return
        left = by(stores, EVER, self.now)
        assert not told.without(left), "what it keeps has gone"
        can = self._points(stores)
        assert {one for one in could if inside(one, told.spans)} <= can
        lost = before.without(told)
        assert not [one for one in can - self._of_images(stores) if inside(one, lost.spans)]
        assert not {one.id for one in lost.images} & {one.id for one in left.images}

    def _points(self, stores: Iterable[MemoryStore]) -> set[datetime]:
        can = oracle.restorable(stores, self.epochs, (), [place for _, place in self.points])
        return {at for at, place in self.points if place in can}

    def _of_images(self, stores: Iterable[MemoryStore]) -> set[datetime]:
        """Moments that nothing was committed after until an image was taken: it is as good, of another time."""
        seen = [one for store in stores for one in oracle.images(store).values()]
        places = {(self.epochs[one.id], one.number, one.offset) for one in seen}
        return {at for at, place in self.points if place in places}

    def _copy(self, store: MemoryStore) -> MemoryStore:
        """As it would be were there no restores."""
        copied = MemoryStore(store.name)
        reading = f"{marks.folder(PREFIX)}{marks.READING}/"
        copied.objects = {key: body for key, body in store.objects.items() if not key.startswith(reading)}
        return copied


LifeUnderAnotherPlan.TestCase.settings = settings(
    Life.TestCase.settings, max_examples=int(os.environ.get("EXAMPLES", "20"))
)
TestLifeUnderAnotherPlan = LifeUnderAnotherPlan.TestCase


def looked(store: MemoryStore) -> tuple[Holding, ...]:
    return holdings_of([store], "shop", NOW)


def filled(store: MemoryStore, days: int) -> list[str]:
    """An image and a binlog a day, the last of an hour ago."""
    ids = []
    for day in range(1, days + 1):
        image = made.manifest(NOW - (days - day) * DAY - 2 * HOUR, Position(made.binlog(day), 4))
        ids.append(made.put_image(store, image).id)
        made.put_log(store, 1, day, 0, 1000)
        made.put_end(store, 1, day, 1000)
    return ids


def test_points_go_and_what_counts_stays() -> None:
    store = MemoryStore("near")
    ids = filled(store, 10)
    so_far, shorter = by([store], EVER, NOW), by([store], rules(3 * DAY, (6, 0, 0, 0)), NOW)
    assert so_far.spans == ((NOW - 9 * DAY - HOUR, NOW),)
    assert shorter.spans == ((NOW - 3 * DAY - HOUR, NOW),)
    assert [one.id for one in shorter.alone] == ids[4:6]  # of six days, those that no points go on from
    lost = so_far.without(shorter)
    assert lost.spans == ((NOW - 9 * DAY - HOUR, NOW - 3 * DAY - HOUR),)
    assert [one.id for one in lost.images] == ids[:4]
    assert lost.alone == ()
    assert not shorter.without(so_far)


def test_where_log_ends_in_time() -> None:
    """A binlog is missing: points are there up to it, which was before the next image was taken."""
    store = MemoryStore("near")
    filled(store, 10)
    for key in [key for key in store.objects if "/binlog.000004/" in key]:
        del store.objects[key]
    store._sorted = None
    first, second = stretches(looked(store))
    assert (first.end.text, first.until) == ("binlog.000003:1000", NOW - 6 * DAY - HOUR)
    assert (second.since, second.until) == (NOW - 5 * DAY - HOUR, None)


def test_what_is_damaged_brings_nothing_back_nor_does_what_builds_on_it() -> None:
    store = MemoryStore("near")
    full = made.put_image(store, made.manifest(NOW - 3 * DAY, Position("", 0)))
    child = made.put_image(store, made.manifest(NOW - 2 * DAY, Position("", 0), parent=full.id))
    other = made.put_image(store, made.manifest(NOW - DAY, Position("", 0)))
    assert [one.id for one in by([store], EVER, NOW).images] == [full.id, child.id, other.id]
    marks.put(store, PREFIX, marks.VERIFIED, full.id, "damaged", NOW)
    assert [one.id for one in by([store], EVER, NOW).images] == [other.id]


def test_log_of_a_server_ends_where_another_takes_its_place() -> None:
    store = MemoryStore("near")
    filled(store, 3)
    other = "mariadb-2-0"
    image = made.manifest(NOW - HOUR / 2, Position(made.binlog(1), 4), identity=other, took=HOUR / 4)
    made.put_image(store, image)
    made.put_log(store, 1, 1, 0, 1000, prefix=f"shop/{other}")
    old, new = stretches(looked(store))
    assert (old.since, old.until) == (NOW - 2 * DAY - HOUR, NOW - HOUR / 2)
    assert (new.since, new.until) == (NOW - HOUR / 4, None)
