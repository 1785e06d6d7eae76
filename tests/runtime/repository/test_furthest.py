"""Which of several stores leads furthest from an image, when they have followed a failover or not."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.gtid import parse_gtids
from bkpc_runtime.repository import catalogue, segments
from bkpc_runtime.repository.furthest import furthest
from bkpc_runtime.repository.joins import Join
from bkpc_runtime.repository.segments import Segment
from tests.runtime.retention import made
from tests.runtime.retention.made import PREFIX, binlog
from tests.runtime.retention.memory import MemoryStore

IMAGE = made.manifest(datetime(2026, 6, 1, tzinfo=UTC), Position(binlog(1), 4), origin=made.origin_of(1, 1))
SECOND, THIRD = "shop/mariadb-2-0", "shop/mariadb-3-0"


def put_log(store: MemoryStore, prefix: str, epoch: int, number: int, end: int, before: str, mark: str) -> None:
    """A binlog before which all up to `before` was executed, whose transactions a mark tells."""
    digest = hashlib.sha256(f"{prefix} {number}".encode()).hexdigest()
    store.put(Segment(epoch, binlog(number), 0, end, digest, False, gtids=mark).key(prefix), b"log")
    told = {"first_event_sha256": made.origin_of(epoch, number), "gtids": before}
    store.put(segments.origin_key(prefix, epoch, binlog(number)), json.dumps(told).encode())


def near_and_far() -> tuple[MemoryStore, MemoryStore]:
    near, far = MemoryStore("near"), MemoryStore("far")
    for store in (near, far):
        made.put_image(store, IMAGE)
    return near, far


def joined(store: MemoryStore, there: str, number: int, mark: str) -> None:
    """The first server's log ends after 0-1-57; it goes on in that of another."""
    put_log(store, PREFIX, 1, 1, 90, "0-1-10", ".g0-1-57")
    gtids = parse_gtids("0-1-57")
    assert gtids
    file = binlog(number)
    join = Join(PREFIX, 1, Position(binlog(1), 90), there, 2, file, gtids, Position(file, 40), 9)
    store.put(join.key, join.body())
    put_log(store, there, 2, number, 70, "0-1-57", mark)


def first_of(*stores: MemoryStore) -> str:
    (image,) = catalogue.all_images(stores[0], "shop")
    found = [(catalogue.window(store, image), store) for store in stores]
    best = furthest((window, store) for window, store in found if window)
    assert best
    return best[1].name


def test_one_that_was_away_while_another_server_had_the_database() -> None:
    """Back at the first server, whose own log has it all: `near` leads through two servers, and ends long before."""
    near, far = near_and_far()
    joined(near, SECOND, 5, ".g0-2-60")
    put_log(far, PREFIX, 1, 1, 500, "0-1-10", ".g0-2-60_0-1-99")
    assert first_of(near, far) == first_of(far, near) == "far"


def test_of_the_logs_of_two_servers_the_later_whatever_its_binlogs_are_called() -> None:
    near, far = near_and_far()
    joined(near, SECOND, 900, ".g0-2-60")
    joined(far, THIRD, 3, ".g0-2-60_0-3-99")
    assert first_of(near, far) == first_of(far, near) == "far"


@pytest.mark.parametrize(("mark", "of_the_first"), [("", ".g0-1-57"), (".g", ".g0-1-57"), (".g0-2-60", ".g0-1-99")])
def test_else_the_log_that_leads_on_at_another_server(mark: str, of_the_first: str) -> None:
    """Also where the first has committed what the second never got: MariaDB's numbers don't tell, who wrote does."""
    near, far = near_and_far()
    joined(near, SECOND, 5, mark)
    put_log(far, PREFIX, 1, 1, 95, "0-1-10", of_the_first)
    assert first_of(near, far) == first_of(far, near) == "near"


def test_of_one_log_the_longer() -> None:
    near, far = near_and_far()
    put_log(near, PREFIX, 1, 1, 90, "", "")
    put_log(far, PREFIX, 1, 1, 91, "", "")
    assert first_of(near, far) == first_of(far, near) == "far"
    assert first_of(near, near) == "near"
