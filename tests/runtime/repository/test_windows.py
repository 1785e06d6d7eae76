"""A window through the logs of two servers, made without any: what it holds, and what is kept for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.mysql.flavour import Position, ServerFacts
from bkpc_runtime.mysql.gtid import parse_gtids
from bkpc_runtime.repository import catalogue, segments, windows
from bkpc_runtime.repository.expiry import decide
from bkpc_runtime.repository.holdings import holdings_of
from bkpc_runtime.repository.joins import Join, joins_of
from bkpc_runtime.repository.restorable import restorable
from bkpc_runtime.repository.segments import ANOTHER, archived_file, files, order
from bkpc_runtime.steps.expire import Source, expire
from bkpc_runtime.steps.log_join import NoJoin, find_join
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY, HOUR, PREFIX, SERVER, rules
from tests.runtime.retention.memory import MemoryStore

BEGAN = datetime(2026, 6, 1, tzinfo=UTC)
LATER = "mariadb-2-0"
THERE = f"shop/{LATER}"


def joined(store: MemoryStore) -> Join:
    """Server one's log ends inside its second binlog, and goes on in server two's fifth."""
    gtids = parse_gtids("0-1-57")
    assert gtids
    join = Join(
        PREFIX, 1, Position(made.binlog(2), 90), THERE, 2, made.binlog(5), gtids, Position(made.binlog(5), 40), 9
    )
    store.put(join.key, join.body())
    return join


def begun(store: MemoryStore) -> None:
    made.put_log(store, 2, 5, 0, 100, THERE)
    made.put_end(store, 2, 5, 100, THERE)
    made.put_log(store, 2, 6, 0, 70, THERE)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore("near")
    made.put_image(store, made.manifest(BEGAN, Position(made.binlog(1), 4), origin=made.origin_of(1, 1)))
    made.put_log(store, 1, 1, 0, 100)
    made.put_end(store, 1, 1, 100)
    made.put_log(store, 1, 2, 0, 90)
    return store


def window(store: MemoryStore) -> catalogue.Window:
    (image,) = (one for one in catalogue.all_images(store, "shop") if one.prefix == PREFIX)
    found = catalogue.window(store, image)
    assert found
    return found


def test_it_leads_on_once_there_is_log(store: MemoryStore) -> None:
    alone = window(store)
    join = joined(store)
    assert window(store) == alone
    assert joins_of(store, PREFIX, 1) == [join]
    begun(store)
    found = window(store)
    assert (found.end.text, found.tip_end.text) == (f"{LATER}/000002/binlog.000006:70", "binlog.000006:70")
    assert order(alone.end) < order(Position(f"{LATER}/000002/{made.binlog(1)}", 4)) < order(found.end)
    assert found.reach > alone.reach
    pieces = windows.read(store, found, found.image.position, found.end, unpack=lambda _, size: bytes(size))
    with pytest.raises(DamagedBackup, match="is not what was written"):
        list(pieces)
    keys = list(windows.keys(store, found, found.image.position, found.end, skip=True))
    assert [(key.split("/")[1], key.split("/")[4]) for key in keys] == [
        (SERVER, made.binlog(1)), (SERVER, made.binlog(2)), (LATER, made.binlog(5)), (LATER, made.binlog(6)),
    ]  # fmt: skip
    assert windows.size(store, found, found.image.position, found.end) == 100 + 90 + 100 + 70
    (held,) = holdings_of([store], "shop", BEGAN)
    assert held.images[0].windows == (("near", 1, found.end),)
    assert held.images[0].later == (("near", THERE, 2, 5),)
    assert catalogue.severed(store, found.image) == ""


def test_a_server_that_lives_on_is_not_left(store: MemoryStore) -> None:
    joined(store)
    begun(store)
    made.put_log(store, 1, 2, 90, 95)
    assert not window(store).way
    assert catalogue.severed(store, window(store).image) == "", "no image of the first would change that"
    assert "no image of it" in catalogue.left_behind(store, window(store).image, window(store))
    (held,) = holdings_of([store], "shop", BEGAN)
    assert held.images[0].later == ()
    assert held.images[0].windows == (("near", 1, Position(made.binlog(2), 95)),)


@pytest.mark.parametrize(
    ("reason", "epoch"), [(ANOTHER, 1), (f"the server's x is {ANOTHER}, begun …", 1), ("purged", 2)]
)
def test_a_log_that_was_begun_anew_within_the_second_continues_no_image_of_before(
    store: MemoryStore, reason: str, epoch: int
) -> None:
    """Its first binlog has the name and the first event of the one in which the image stands."""
    seen = BEGAN + HOUR
    gap = {"reason": reason, "detected_at": seen.timestamp()}
    store.put(segments.gap_key(PREFIX, 2), json.dumps(gap).encode())
    made.put_log(store, 2, 1, 0, 500)
    told = {"first_event_sha256": made.origin_of(1, 1)}
    store.put(segments.origin_key(PREFIX, 2, made.binlog(1)), json.dumps(told).encode())
    assert window(store).epoch == epoch
    (image,) = catalogue.all_images(store, "shop")
    assert bool(catalogue.severed(store, image)) == (epoch == 1), "then a new image is due at once"
    taken = made.manifest(seen + HOUR, Position(made.binlog(1), 4), origin=made.origin_of(1, 1))
    made.put_image(store, taken)
    found = catalogue.window(store, catalogue.all_images(store, "shop")[0])
    assert found
    assert found.epoch == 2


def test_what_says_so_is_checked(store: MemoryStore) -> None:
    join = joined(store)
    for spoilt in (
        join.body().replace(b'"epoch": 2', b'"epoch": 3'), join.body()[:-9], b"[]",
        join.body().replace(made.binlog(5).encode(), b"../x.000005"), join.body().replace(LATER.encode(), b"a/b"),
    ):  # fmt: skip
        store.put(join.key, spoilt)
        with pytest.raises(DamagedBackup, match=r"does not say where|not the name of a binlog"):
            window(store)
    store.put(join.key, join.body().replace(b'"format_version": 1', b'"format_version": 2'))
    with pytest.raises(DamagedBackup, match="format version 2"):
        window(store)


def test_log_of_the_later_server_stays_while_an_image_of_the_earlier_leads_through_it(store: MemoryStore) -> None:
    joined(store)
    begun(store)
    made.put_end(store, 2, 6, 70, THERE)
    made.put_log(store, 2, 7, 0, 100, THERE)
    there = BEGAN + 3 * DAY
    position = Position(made.binlog(7), 4)
    kept = {"near": rules(7 * DAY, grace=timedelta(0), fresh=2 * DAY)}

    def after(days: int, later: timedelta) -> tuple[int, list[str], list[str]]:
        for day in range(days):
            taken = made.manifest(there + day * DAY, position, identity=LATER, origin=made.origin_of(2, 7))
            made.put_image(store, taken)
        now = there + days * DAY + later
        for _ in range(2):
            expire([store], "shop", kept, Source(LATER, now), now)
        images = [one for one in catalogue.all_images(store, "shop") if one.prefix == PREFIX]
        return len(images), _there(store, PREFIX, 1), _there(store, THERE, 2)

    # Points before the first image of the second server are promised until seven days after it.
    assert after(6, 20 * HOUR) == (1, [made.binlog(1), made.binlog(2)], [made.binlog(n) for n in (5, 6, 7)])
    assert after(10, HOUR) == (0, [made.binlog(2)], [made.binlog(7)])
    (newest, *_) = catalogue.all_images(store, "shop")
    found = catalogue.window(store, newest)
    assert found
    assert catalogue.left_behind(store, newest, found) == "", "what is left of the first stands in nobody's way"


def test_back_at_the_first_server_its_log_of_before_goes_when_no_image_needs_it(store: MemoryStore) -> None:
    joined(store)
    begun(store)
    gtids = parse_gtids("0-2-80")
    assert gtids
    back = int((BEGAN + 2 * DAY).timestamp())
    end, file = Position(made.binlog(6), 70), made.binlog(3)
    join = Join(THERE, 2, end, PREFIX, 3, file, gtids, Position(file, 40), back)
    store.put(join.key, join.body())
    made.put_log(store, 3, 3, 0, 100)
    found = window(store)
    assert [(one.server, one.epoch) for one in found.stretches] == [(SERVER, 1), (LATER, 2), (SERVER, 3)]
    assert found.in_full(found.image.position).text == f"{SERVER}/000001/{made.binlog(1)}:4"
    (held,) = holdings_of([store], "shop", BEGAN)
    assert held.images[0].tip("near") == (PREFIX, 3)
    (span,) = restorable([held], decide([held], {"near": rules(7 * DAY)}, BEGAN + 4 * DAY), BEGAN + 4 * DAY).spans
    assert span[1] == BEGAN + 4 * DAY, "the log goes on in the newest epoch"
    kept = {"near": rules(7 * DAY, grace=timedelta(0), fresh=2 * DAY)}
    for day in range(3, 13):
        at = Position(file, 50)
        made.put_image(store, made.manifest(BEGAN + day * DAY, at, origin=made.origin_of(3, 3)))
    for _ in range(2):
        now = BEGAN + 12 * DAY + HOUR
        expire([store], "shop", kept, Source(SERVER, now), now)
    # The newest binlog of a server stays.
    left = _there(store, PREFIX, 1), _there(store, THERE, 2), _there(store, PREFIX, 3)
    assert left == ([], [made.binlog(6)], [file])


def test_a_log_that_does_not_tell_is_not_gone_on_from(store: MemoryStore) -> None:
    def connect() -> Any:
        raise AssertionError("nothing is asked of the server")

    found = find_join(connect, cast(ServerFacts, None), store, THERE)
    assert isinstance(found, NoJoin)
    assert (found.ended.server, found.ended.end) == (SERVER, Position(made.binlog(2), 90))
    assert "a server without GTIDs" in found.reason
    joined(store)
    begun(store)
    assert find_join(connect, cast(ServerFacts, None), store, THERE) is None, "it has had its turn"


def _there(store: MemoryStore, prefix: str, epoch: int) -> list[str]:
    return [one for one in files(store, prefix, epoch) if archived_file(store, prefix, epoch, one).segments]
