"""Log of many streams in one process: none stands still for another, since each is proved by itself."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from bkpc_grammar.log_objects import OBJECT
from bkpc_runtime.mysql.binlog.receiver import Chunk, Received, Receiver
from bkpc_runtime.mysql.flavour import Position, ServerFacts
from bkpc_runtime.repository.segments import Segment
from bkpc_runtime.steps.log_cutting import Cut
from bkpc_runtime.steps.log_delivery import Delivery
from bkpc_runtime.steps.log_group import LogGroup, StreamSource
from bkpc_runtime.steps.log_held import ROOM, Gone, Held
from bkpc_runtime.steps.log_outgoing import Outgoing
from bkpc_runtime.steps.log_parcels import Parcel
from bkpc_runtime.steps.log_recognising import Landmarks
from bkpc_runtime.steps.log_spool import Spool
from bkpc_runtime.steps.log_start import Start
from bkpc_runtime.steps.wake import Wake
from bkpc_runtime.stores.store import StoredObject
from tests.runtime.retention.made import PREFIX, binlog
from tests.runtime.retention.memory import MemoryStore
from tests.runtime.test_log_noting import Away, add, unpacked, until

BEGIN = Position(binlog(1), 0)
MIB = 1 << 20
MANY = 20


def held(folder: Path, body: bytes) -> Held:
    found = Held(folder)
    found.add(body)
    return found


class Writes:
    """A server that has written a MiB more each time it is asked."""

    semi_synchronous = False

    def __init__(self) -> None:
        self.at = 0

    def wait(self, _seconds: float) -> list[Received]:
        self.at += MIB
        return [Chunk(binlog(1), self.at - MIB, self.at, bytes(MIB), complete=True, timestamp=1)]

    def pause(self) -> None:
        raise AssertionError(f"stands still at {self.at} with nothing on its way")


def test_no_stream_stands_still_for_what_others_have_read(tmp_path: Path) -> None:
    """Up to a flush of a minute each holds up to an object, and their flushes are as long as theirs alone would be.
    Where that is much together, what they hold is not in memory."""
    groups = []
    tracemalloc.start()
    for number in range(MANY):
        source = StreamSource(lambda: None, cast("ServerFacts", None), PREFIX, 60.0, unpacked, False)  # type: ignore[arg-type,return-value]
        spool = Spool(tmp_path / str(number), PREFIX)
        group = LogGroup(source, [], BEGIN, Landmarks(), spool, Wake())
        server = Writes()
        for _ in range(OBJECT // MIB - 1):
            group._turn(cast("Receiver", server))
        assert group.cutter.boundary == Position(binlog(1), OBJECT - MIB)
        assert group.cutter.cut_to == BEGIN, "objects do not get smaller: a recovery's time is proved by their number"
        groups.append(group)
    in_memory, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 32 * MIB < in_memory < peak < (48 + 8) * MIB, "what is on disk takes next to nothing"
    for group in groups:
        group.end(0.0)
    assert ROOM._left == 48 * MIB


class Together(MemoryStore):
    """Answers when so many puts are there at once."""

    def __init__(self) -> None:
        super().__init__("far")
        self.all_there = threading.Barrier(MANY)

    def put(self, key: str, body: bytes) -> StoredObject:
        self.all_there.wait(5)
        return super().put(key, body)


def test_no_put_waits_for_those_of_other_streams() -> None:
    store = Together()
    deliveries = [Delivery(store, f"d{number}/x", Start(1, BEGIN), lambda: None) for number in range(MANY)]
    for one in deliveries:
        content = Segment(0, binlog(1), 0, MIB, "0" * 64, encrypted=False)
        add(one, Parcel(content, b"x" * MIB, arrived=time.time(), origin="0"))
    until(lambda: all(one.durable.offset == MIB for one in deliveries))
    for one in deliveries:
        assert one.end(1.0)
    assert len(store.objects) == 2 * MANY, "each with the origin of its binlog"


def test_what_comes_after_a_failure_is_not_handed_on(tmp_path: Path) -> None:
    def pack(plain: Iterable[bytes], _size: int, deliver: Callable[[bytes], None]) -> None:
        for piece in plain:
            if piece[:1] == b"!":
                raise ValueError("can't be packed")
            deliver(piece)

    store = Away("near")
    deliveries = [Delivery(store, PREFIX, Start(1, BEGIN), lambda: None)]
    into = Outgoing(pack, Spool(tmp_path / "spool", PREFIX), deliveries, lambda: None, BEGIN, encrypted=False)
    at = 0
    for body in (b"a", b"!" * MIB, b"!" * MIB, b"c" * MIB):
        into.take(Cut(binlog(1), at, held(tmp_path, body), False, time.time(), 0.0, origin="0"))
        at += len(body)
    into.end()
    until(lambda: deliveries[0].durable.offset == 1)
    assert deliveries[0].end(1.0)
    assert "can't be packed" in str(into.broken)
    assert into.acknowledged == Position(binlog(1), 1)


class Slow(MemoryStore):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__("far")
        self.may = threading.Event()

    def put(self, key: str, body: bytes) -> StoredObject:
        self.may.wait(20)
        return super().put(key, body)


def test_a_slow_store_holds_up_no_other_of_its_stream(tmp_path: Path) -> None:
    """Nor does the local disk on which the log waits for it."""
    near, far, disk = MemoryStore("near"), Slow(), threading.Event()

    class Disk(Spool):
        def add(self, parcel: Parcel) -> None:
            disk.wait(20)
            super().add(parcel)

    deliveries = [Delivery(store, PREFIX, Start(1, BEGIN), lambda: None) for store in (near, far)]
    into = Outgoing(
        unpacked, Disk(tmp_path / "spool", PREFIX, 4 * OBJECT), deliveries, lambda: None, BEGIN, encrypted=False
    )
    began = time.time()
    for at in range(40):
        into.take(Cut(binlog(1), at, held(tmp_path, b"x"), False, began + at, 0.0, origin="0"))
    until(lambda: deliveries[0].durable.offset == 40)
    assert not into.paused()
    assert not into.full()
    assert (into.acknowledged, into.oldest(), into.oldest_unkept()) == (BEGIN, None, began)
    into.take(Cut(binlog(1), 40, held(tmp_path, b"x" * (OBJECT + 1)), False, began + 40, 0.0, origin="0"))
    until(into.paused)
    assert into.full(), "what may have to wait on disk counts before it is there"
    disk.set()
    until(lambda: into.acknowledged == Position(binlog(1), 41 + OBJECT))
    until(lambda: not into.paused())
    assert into.oldest_unkept() is None
    assert into.spool.used == 41 + OBJECT
    far.may.set()
    until(lambda: deliveries[1].durable.offset == 41 + OBJECT)
    into.end()
    assert all(one.end(1.0) for one in deliveries)
    assert into.spool.used == 0


def test_what_is_taken_while_it_is_written_to_local_disk_is_no_failure(tmp_path: Path) -> None:
    """And what was held for it is given back, whoever was the last to need it."""
    far, writes = Slow(), threading.Event()
    left = ROOM._left

    class Disk(Spool):
        def add(self, parcel: Parcel) -> None:
            writes.set()
            until(lambda: parcel.left == 0)
            try:
                super().add(parcel)
            except Gone:
                gone.append(parcel)
                raise

    gone = list[Parcel]()
    deliveries = [Delivery(far, PREFIX, Start(1, BEGIN), lambda: None)]
    into = Outgoing(unpacked, Disk(tmp_path / "spool", PREFIX), deliveries, lambda: None, BEGIN, encrypted=False)
    into.take(Cut(binlog(1), 0, held(tmp_path, b"x" * (3 * MIB)), False, time.time(), 0.0, origin="0"))
    assert writes.wait(20)
    assert ROOM._left < left
    far.may.set()
    until(lambda: into.acknowledged == Position(binlog(1), 3 * MIB))
    assert len(gone) == 1
    assert not into.broken
    assert into.spool.used == 0
    assert [path.name for path in (tmp_path / "spool").iterdir()] == []
    into.end()
    assert deliveries[0].end(1.0)
    assert ROOM._left == left
