"""Log of many streams in one process: who may read, and that what was taken leaves memory once."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from bkpc_grammar.log_objects import OBJECT
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.steps import log_room
from bkpc_runtime.steps.log_cutting import Cut
from bkpc_runtime.steps.log_delivery import Delivery
from bkpc_runtime.steps.log_outgoing import Outgoing
from bkpc_runtime.steps.log_room import ROOM, LogRoom, turn_to_put
from bkpc_runtime.steps.log_spool import Spool
from bkpc_runtime.steps.log_start import Start
from tests.runtime.retention.made import PREFIX, binlog
from tests.runtime.test_log_noting import Away, until

BEGIN = Position(binlog(1), 0)
MIB = 1 << 20


class Waiting:
    """Counts how often it was woken."""

    woken = 0

    def set(self) -> None:
        self.woken += 1


def test_without_room_the_one_with_most_goes_on_and_then_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    room, one, other, small = LogRoom(2 * OBJECT), Waiting(), Waiting(), Waiting()
    assert room.reads(one, 14 * MIB)
    assert room.reads(other, 15 * MIB)
    assert room.reads(one, 16 * MIB)
    assert room.reads(other, 16 * MIB), "it has most of those that wait"
    assert not room.reads(one, 16 * MIB)
    assert room.reads(small, 1)
    # It has cut its object, which is under way.
    room.take(16 * MIB)
    assert room.reads(other, 0)
    assert room.reads(one, 16 * MIB)
    assert not room.reads(other, MIB)
    room.take(16 * MIB)
    assert not room.reads(one, 16 * MIB), "first something must leave"
    room.leave(16 * MIB)
    assert (one.woken, other.woken, small.woken) == (1, 1, 0)
    # Where the first does not come further, since its server has nothing more, the next does.
    monkeypatch.setattr(log_room, "_STALLED", 0.05)
    time.sleep(0.1)
    assert room.reads(other, 2 * MIB) is False, "of those that wait one has more"
    room.ends(one)
    assert room.reads(other, 17 * MIB)


@pytest.fixture
def store() -> Away:
    return Away("near")


def outgoing(store: Away, folder: Path, broken: bool = False) -> Outgoing:
    def pack(plain: bytes) -> bytes:
        if broken and plain[:1] == b"!":
            raise ValueError("can't be packed")
        return plain

    deliveries = [Delivery(store, PREFIX, Start(1, BEGIN), lambda: None)]
    return Outgoing(pack, Spool(folder / "spool", PREFIX), deliveries, lambda: None, BEGIN, encrypted=False)


def cuts(*bodies: bytes) -> list[Cut]:
    at, found = 0, []
    for body in bodies:
        found.append(Cut(binlog(1), at, body, False, time.time(), 0.0, origin="0"))
        at += len(body)
    return found


def test_what_is_stored_or_on_disk_is_no_longer_counted(store: Away, tmp_path: Path) -> None:
    """Nor what is given up."""
    before = ROOM.under_way
    into = outgoing(store, tmp_path)
    for cut in cuts(b"a" * 9, b"b" * MIB):
        into.take(cut)
    until(lambda: into.deliveries[0].durable.offset == MIB + 9)
    assert ROOM.under_way == before
    store.away = True
    into.take(Cut(binlog(1), MIB + 9, b"c" * MIB, False, time.time(), 0.0))
    until(lambda: into.spool.used == MIB)
    assert ROOM.under_way == before
    into.end()
    into.deliveries[0].end(0.0)
    assert into.spool.used == 0
    assert ROOM.under_way == before


def test_nor_what_comes_after_a_failure(store: Away, tmp_path: Path) -> None:
    before = ROOM.under_way
    into = outgoing(store, tmp_path, broken=True)
    for cut in cuts(b"a", b"!" * MIB, b"b" * MIB, b"c" * MIB):
        into.take(cut)
    until(lambda: into.broken is not None)
    into.end()
    into.deliveries[0].end(0.0)
    assert "can't be packed" in str(into.broken)
    assert ROOM.under_way == before


def test_a_store_that_does_not_answer_holds_up_no_other() -> None:
    with ExitStack() as turns:
        for store, size in [*[("hangs", MIB)] * 4, ("answers", MIB), ("hangs", 1)]:
            turns.enter_context(turn_to_put(store, size))
