"""Notes of until when a log is complete on their way into a store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from bkpc_runtime.errors import StoreUnreachable
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.known_until import Known, parse_known
from bkpc_runtime.repository.segments import Segment
from bkpc_runtime.steps.log_delivery import Delivery
from bkpc_runtime.steps.log_parcels import Parcel
from bkpc_runtime.steps.log_start import Start
from bkpc_runtime.stores.store import StoredObject
from tests.runtime.retention.made import PREFIX, binlog
from tests.runtime.retention.memory import MemoryStore

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Away(MemoryStore):
    """Takes nothing while it is `away`, and notes not while they are `denied`."""

    away = denied = False

    def put(self, key: str, body: bytes) -> StoredObject:
        if self.away or (self.denied and parse_known(key)):
            raise StoreUnreachable("no answer", retryable=True)
        return super().put(key, body)

    @property
    def notes(self) -> list[Known]:
        return [known for key in sorted(self.objects) if (known := parse_known(key))]


def known(offset: int, seconds: int) -> Known:
    return Known(Position(binlog(1), offset), NOON + timedelta(seconds=seconds))


def segment(start: int, end: int) -> Parcel:
    return Parcel(Segment(0, binlog(1), start, end, "0" * 64, encrypted=False), b"x", arrived=time.time(), origin="0")


def unpacked(plain: Iterable[bytes], _size: int, deliver: Callable[[bytes], None]) -> None:
    """Hands on the bytes of an object as they are."""
    for piece in plain:
        deliver(piece)


def delivery(store: MemoryStore) -> Delivery:
    return Delivery(store, PREFIX, Start(1, Position(binlog(1), 0)), lambda: None)


def add(to: Delivery, content: Parcel | Known) -> None:
    parcel = content if isinstance(content, Parcel) else Parcel(content)
    parcel.expect(1)
    to.add(parcel)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_note_comes_after_the_log_that_it_speaks_of_and_of_several_that_wait_the_last() -> None:
    store = Away("disk")
    store.away = True
    into = delivery(store)
    add(into, segment(0, 100))
    for second in range(1000):
        add(into, known(100, second))
    assert into.waiting()[0] == 1
    time.sleep(0.1)
    assert not store.objects
    store.away = False
    until(lambda: bool(store.notes))
    assert store.notes == [known(100, 999)]
    assert into.durable == Position(binlog(1), 100)
    assert into.waiting() == (0, None), "nothing would be lost with a note"
    add(into, segment(100, 200))
    add(into, known(200, 1001))
    until(lambda: len(store.notes) == 2)
    assert into.end(5)


def test_who_may_not_note_still_takes_the_log() -> None:
    store = Away("disk")
    store.denied = True
    into = delivery(store)
    add(into, segment(0, 100))
    add(into, known(100, 1))
    add(into, segment(100, 200))
    until(lambda: into.durable == Position(binlog(1), 200) and bool(into.noting.failure))
    assert not store.notes
    add(into, known(200, 2))
    store.denied = False
    until(lambda: bool(store.notes))
    assert store.notes == [known(200, 2)]
    until(lambda: not into.noting.failure)
    assert into.end(5)
