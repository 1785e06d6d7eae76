"""The point a group has in common where it is noted until when logs are complete: nobody waits for who is quiet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest

from bkpc_runtime.errors import PolicyBroken, Refused
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.choice import choose, starts
from bkpc_runtime.recovery.common_point import common_point
from bkpc_runtime.recovery.point import AtPosition, AtTime, Latest, OfImage
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.repository.known_until import Known, known_until, parse_known, superseded
from bkpc_runtime.repository.manifest import encode_manifest
from bkpc_runtime.repository.segments import origin_key
from bkpc_runtime.stores.store import Store
from tests.runtime.recovery.test_log_tail import BEGAN, SECOND, Counting, Log
from tests.runtime.retention import made
from tests.runtime.retention.memory import MemoryStore


def logged(database: str, commits: Sequence[float], *, flavour: str = "mysql") -> tuple[Log, Counting]:
    """An image, and then a binlog with commits so many seconds after it was begun."""
    log = Log(database)
    log.begin_file()
    image = log.end
    for second in commits:
        log.commit(BEGAN + second * SECOND)
    store = log.store([], image)
    (there,) = catalogue.all_images(store, database)
    manifest = msgspec.structs.replace(there.manifest, flavour=flavour)
    store.put(layout.manifest_key(log.prefix, manifest.id), encode_manifest(manifest))
    return log, store


def noted(log: Log, store: Counting, seconds: float, position: Position | None = None) -> None:
    store.put(Known(position or log.end, BEGAN + seconds * SECOND).key(log.prefix, 1), b"")


def test_a_name_says_all() -> None:
    known = Known(Position("binlog.000007", 48213), BEGAN + timedelta(microseconds=7))
    key = known.key("shop/uuid", 3)
    assert key == "shop/uuid/logs/000003/binlog.000007/000000048213.20260601T000000.000007Z.known"
    assert parse_known(key) == known
    assert parse_known(key.replace("T00", "T99")) is None
    assert parse_known("000000048213.end") is None


def test_a_quiet_member_is_known_to_be_complete() -> None:
    quiet, shop = logged("shop", [60])
    busy, stock = logged("stock", range(60, 500))
    stores: dict[str, Store] = {"shop": shop, "stock": stock}
    assert common_point(stores, Latest(), (), ())[0] == BEGAN + 60 * SECOND
    with pytest.raises(PolicyBroken, match="the log of shop is known only until"):
        common_point(stores, AtTime(BEGAN + 400 * SECOND), (), ())
    noted(quiet, shop, 480.25)
    moment, members = common_point(stores, Latest(), (), ())
    assert moment == BEGAN + 480.25 * SECOND
    assert [one.point for one in members] == [AtPosition(quiet.end), AtPosition(busy.edges[480 - 59])]
    assert common_point(stores, AtTime(BEGAN + 400 * SECOND), (), ())[0] == BEGAN + 400 * SECOND
    with pytest.raises(PolicyBroken, match="the log of shop is known only until"):
        common_point(stores, AtTime(BEGAN + 481 * SECOND), (), ())
    # What is said of log that is not there says nothing of what is.
    noted(quiet, shop, 490, Position(quiet.end.file, quiet.end.offset + 1))
    assert common_point(stores, Latest(), (), ())[0] == moment


def test_a_member_that_has_only_its_image_is_known_to_be_complete() -> None:
    quiet, shop = logged("shop", [])
    _, stock = logged("stock", range(60, 500))
    noted(quiet, shop, 480)
    stores: dict[str, Store] = {"shop": shop, "stock": stock}
    moment, members = common_point(stores, Latest(), (), ())
    assert moment == BEGAN + 480 * SECOND
    assert isinstance(members[0].point, OfImage)


@pytest.mark.parametrize("commits", [[60, 70], []])
def test_a_quiet_database_goes_back_by_itself_to_a_time_after_its_last_commit(commits: list[float]) -> None:
    quiet, shop = logged("shop", commits)
    later = AtTime(BEGAN + 400 * SECOND)
    with pytest.raises(Refused, match="does not show what came until the asked time"):
        choose(shop, "shop", later, ())
    noted(quiet, shop, 480.25)
    noted(quiet, shop, 900, Position(quiet.end.file, quiet.end.offset + 1))
    assert choose(shop, "shop", later, ()).stop == quiet.end
    (start,) = starts(shop, "shop", later, ())
    assert start.sure
    assert choose(shop, "shop", AtTime(BEGAN + 65 * SECOND), ()).stop == (quiet.edges[1] if commits else quiet.end)
    with pytest.raises(Refused, match="does not show what came until the asked time"):
        choose(shop, "shop", AtTime(BEGAN + 480.5 * SECOND), ())


@pytest.mark.parametrize(("flavours", "latest", "asked"), [
    (("mysql", "mysql"), 480.75, 400.5), (("mariadb", "mysql"), 480, 400), (("mariadb", "mariadb"), 480, 400.5),
])  # fmt: skip
def test_where_one_tells_whole_seconds_all_go_back_to_one(
    flavours: tuple[str, str], latest: float, asked: float
) -> None:
    quiet, shop = logged("shop", [60, 70], flavour=flavours[0])
    _, stock = logged("stock", range(60, 500), flavour=flavours[1])
    noted(quiet, shop, 480.75)
    stores: dict[str, Store] = {"shop": shop, "stock": stock}
    assert common_point(stores, Latest(), (), ())[0] == BEGAN + latest * SECOND
    # Of what all tell alike a time that is asked for stays as it is.
    assert common_point(stores, AtTime(BEGAN + 400.5 * SECOND), (), ())[0] == BEGAN + asked * SECOND


def test_the_newest_is_of_the_newest_binlog_that_has_one() -> None:
    log, store = logged("shop", [60, 70])
    first, second = log.edges[1], log.edges[2]
    begin = log.edges[0]
    assert known_until(store, log.prefix, 1, begin, log.end) is None
    noted(log, store, 65, first)
    noted(log, store, 90, second)
    noted(log, store, 80, second)
    assert known_until(store, log.prefix, 1, begin, log.end) == BEGAN + 90 * SECOND
    assert known_until(store, log.prefix, 1, begin, first) == BEGAN + 65 * SECOND
    assert [one.until for one in superseded(store, log.prefix, 1, log.end.file)] == [
        BEGAN + 65 * SECOND, BEGAN + 80 * SECOND,
    ]  # fmt: skip
    # A server whose clock was put back: it counts what it says now.
    noted(log, store, 50, log.end)
    noted(log, store, 300, first)
    assert known_until(store, log.prefix, 1, begin, log.end) == BEGAN + 90 * SECOND
    # The log goes on in another binlog, in which nothing is noted yet.
    made.put_end(store, 1, 1, log.end.offset, log.prefix)
    made.put_log(store, 1, 2, 0, 100, log.prefix)
    assert known_until(store, log.prefix, 1, begin, Position(made.binlog(2), 100)) == BEGAN + 90 * SECOND


def test_what_another_store_of_the_same_log_says_counts_too() -> None:
    """The one that goes farthest is read; until when the log is complete another may know that has less of it."""
    quiet, shop = logged("shop", [60, 70])
    _, stock = logged("stock", range(60, 500))
    other = MemoryStore("far")
    for epoch, store in ((1, shop), (3, other)):
        store.put(origin_key(quiet.prefix, epoch, quiet.end.file), b'{"first_event_sha256": "a"}')
    stores: dict[str, Store] = {"shop": shop, "stock": stock}
    other.put(Known(quiet.end, BEGAN + 480 * SECOND).key(quiet.prefix, 3), b"")
    assert common_point(stores, Latest(), (), ())[0] == BEGAN + 70 * SECOND
    assert common_point(stores, Latest(), (), (), logs={"shop": (shop, other)})[0] == BEGAN + 480 * SECOND
    # Another log of the same names.
    other.put(origin_key(quiet.prefix, 3, quiet.end.file), b'{"first_event_sha256": "b"}')
    assert common_point(stores, Latest(), (), (), logs={"shop": (shop, other)})[0] == BEGAN + 70 * SECOND
