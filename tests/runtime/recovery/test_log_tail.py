"""The point a group has in common: what reading whole logs would find, without reading them."""

from __future__ import annotations

import hashlib
import itertools
import random
import struct
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_grammar.log_objects import IN_MEMORY, LOOKED_BESIDE, LOOKED_BURSTS
from bkpc_grammar.log_objects import OBJECT as LARGEST
from bkpc_runtime.commands.thaw_first import Terms, Thaws
from bkpc_runtime.errors import PolicyBroken, RuntimeFailure
from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery import log_tail
from bkpc_runtime.recovery.choice import choose, starts
from bkpc_runtime.recovery.common_point import common_point
from bkpc_runtime.recovery.log_tail import Ending, ending, stop_at
from bkpc_runtime.recovery.point import AtPosition, AtTime, Latest, OfImage
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.manifest import encode_manifest
from bkpc_runtime.repository.segments import Segment, parse_key
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.outbound import packed
from bkpc_runtime.world import World
from tests.runtime.retention import made
from tests.runtime.retention.memory import MemoryStore

BEGAN = datetime(2026, 6, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def event(kind: int, body: bytes, at: int) -> bytes:
    size = events.HEADER + len(body)
    return struct.pack("<IBIIIH", 0, kind, 1, size, at + size, 0) + body


class Log:
    """Binlogs as MySQL writes them; `edges` are where its transactions end, by file."""

    def __init__(self, database: str = "shop") -> None:
        self.prefix = f"{database}/{made.SERVER}"
        self.files: list[bytearray] = []
        self.edges: list[Position] = []
        self.noise = random.Random(1)  # noqa: S311 - what can't be compressed

    def begin_file(self) -> None:
        format_ = b"\4\0" + bytes(50) + b"\0" + b"\x38" + bytes(20) + b"\0" + bytes(4)
        self.files.append(bytearray(b"\xfebin" + event(events.FORMAT_DESCRIPTION, format_, 4)))
        self.edges.append(self.end)

    @property
    def end(self) -> Position:
        return Position(made.binlog(len(self.files)), len(self.files[-1]))

    def commit(self, at: datetime, size: int = 0) -> None:
        micros = round(at.timestamp() * 1_000_000) | 1 << 55
        into = self.files[-1]
        head = bytes(42) + micros.to_bytes(7, "little") + micros.to_bytes(7, "little")
        into += event(events.ANONYMOUS_GTID, head, len(into))
        into += event(30, self.noise.randbytes(8 + size), len(into))
        into += event(events.XID, bytes(8), len(into))
        self.edges.append(self.end)

    def store(self, cuts: Sequence[int], image: Position) -> Counting:
        """Cut into objects after these many bytes in turn, or, of none, after each transaction; an image beside."""
        store, turns = Counting("disk"), itertools.cycle(cuts)
        for number, body in enumerate(self.files, 1):
            at, inside = 0, event_starts(bytes(body))
            edges = iter([one.offset for one in self.edges if one.file == made.binlog(number)])
            while at < len(body):
                end = min(len(body), at + next(turns)) if cuts else next(edges)
                plain = packed(bytes(body[at:end]))
                digest = hashlib.sha256(plain).hexdigest()
                one = Segment(1, made.binlog(number), at, end, digest, False, part=end not in inside)
                store.put(one.key(self.prefix), plain)
                at = end
            if number < len(self.files):
                made.put_end(store, 1, number, len(body), self.prefix)
        database = self.prefix.partition("/")[0]
        manifest = made.manifest(BEGAN, image, took=SECOND, parts=0)
        manifest = msgspec.structs.replace(manifest, flavour="mysql", database=database)
        store.put(layout.manifest_key(self.prefix, manifest.id), encode_manifest(manifest))
        return store


def event_starts(body: bytes) -> set[int]:
    at, found = 4, {len(body)}
    while at < len(body):
        found.add(at)
        at += events.size_of(body[at : at + events.HEADER])
    return found


class Counting(MemoryStore):
    """Counts the bytes of log that are read, as they are stored, and as they were written."""

    read_of_log = written = 0

    def get(self, key: str) -> bytes:
        body = super().get(key)
        if "/logs/" in key:
            self.read_of_log += len(body)
            segment = parse_key(key)
            self.written += segment.end - segment.start if segment else 0
        return body


LOGS = st.lists(st.lists(st.tuples(st.integers(0, 90), st.integers(-20, 20), st.integers(0, 300)), max_size=8),
                min_size=1, max_size=4)  # fmt: skip


def log_of(parts: list[list[tuple[int, int, int]]]) -> tuple[Log, list[datetime]]:
    """Some seconds between commits, whose times are written a little out of order."""
    log, now, times = Log(), BEGAN + 60 * SECOND, []
    for part in parts:
        log.begin_file()
        for apart, jitter, size in part:
            now += apart * SECOND
            times.append(now + jitter * SECOND)
            log.commit(times[-1], size)
    return log, times


@settings(deadline=None, max_examples=80)
@given(parts=LOGS, cuts=st.lists(st.integers(60, 500), min_size=1, max_size=5), data=st.data())
def test_the_same_as_reading_all_of_it(
    parts: list[list[tuple[int, int, int]]], cuts: list[int], data: st.DataObject
) -> None:
    log, times = log_of(parts)
    store = log.store(cuts, data.draw(st.sampled_from(log.edges)))
    moments = [BEGAN + 30 * SECOND, *(time + late for time in times for late in (-SECOND, 0 * SECOND))]
    moment = AtTime(data.draw(st.sampled_from(moments)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_tail, "_AT_LEAST", 100)
        patch.setattr(log_tail, "AT_ONCE", 2)
        whole = choose(store, "shop", Latest(), ())
        start = next(starts(store, "shop", Latest(), ()))
        assert whole.stop
        assert ending(log_tail.kept(store), start, ()) == Ending(whole.stop, whole.last_commit)
        try:
            wanted = choose(store, "shop", moment, ()).stop
        except RuntimeFailure as problem:
            with pytest.raises(type(problem)):
                stop_at(store, next(starts(store, "shop", moment, ())), ())
            return
        assert stop_at(log_tail.kept(store), next(starts(store, "shop", moment, ())), ()) == wanted
        patch.setattr(log_tail, "MOST", data.draw(st.integers(0, 2000)))
        assert stop_at(log_tail.kept(store), next(starts(store, "shop", moment, ())), ()) in {wanted, None}


ROOM, OBJECT = 16 << 10, 4 << 10
"""Of what fits into memory, and of the largest object: smaller than they are, in the same proportion."""


@settings(deadline=None, max_examples=40)
@given(
    parts=st.lists(st.lists(st.sampled_from((0, 200, 3000, 20_000)), max_size=12), min_size=1, max_size=4),
    cuts=st.lists(st.integers(300, OBJECT), min_size=1, max_size=4),
    back=st.integers(0, 12),
    torn=st.booleans(),
)
def test_a_group_reads_no_more_than_its_bound_counts(
    parts: list[list[int]], cuts: list[int], back: int, torn: bool
) -> None:
    logs = []
    for database in ("shop", "stock"):
        log, now = Log(database), BEGAN + 60 * SECOND
        for part in parts:
            log.begin_file()
            for size in part:
                now += 30 * SECOND
                log.commit(now, size)
        if torn and parts[-1]:  # the end of the last one is not there yet
            log.files[-1] = log.files[-1][: -(events.HEADER + 8)]
        logs.append(log.store(cuts, log.edges[0]))
        burst, whole = max((*itertools.chain(*parts), 0)) + 300, sum(map(len, log.files))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"IN_MEMORY": ROOM, "MOST": ROOM, "_AT_LEAST": 64, "AT_ONCE": 2}.items():
            patch.setattr(log_tail, name, value)
        point = AtTime(now - 30 * back * SECOND) if back else Latest()
        with suppress(RuntimeFailure):
            common_point({"shop": logs[0], "stock": logs[1]}, point, (), ())
    scale = IN_MEMORY // ROOM
    assert OBJECT * scale == LARGEST
    most = whole if whole <= ROOM else min(2 * whole, LOOKED_BURSTS * burst) + LOOKED_BESIDE // scale
    assert all(one.written <= most for one in logs)


def group(seconds: int = 4000, size: int = 1000) -> tuple[Counting, Counting]:
    """A commit a second in `shop`; `stock` goes on for ten seconds more. An object for each of them."""
    stores = []
    for database, more in (("shop", 0), ("stock", 10)):
        log = Log(database)
        log.begin_file()
        image = log.end
        for second in range(seconds + more):
            if second == seconds // 2:
                log.begin_file()
            log.commit(BEGAN + (60 + second) * SECOND, size)
        stores.append(log.store([], image))
    return stores[0], stores[1]


def test_a_group_reads_the_ends_of_its_logs_only() -> None:
    shop, stock = group()
    moment, members = common_point({"shop": shop, "stock": stock}, Latest(), (), ())
    assert moment == BEGAN + (60 + 3999) * SECOND
    assert [one.until and one.until - moment for one in members] == [0 * SECOND, 10 * SECOND]
    read = shop.read_of_log, stock.read_of_log
    stop = choose(stock, "stock", AtTime(moment), ()).stop
    end = next(starts(shop, "shop", Latest(), ())).reach
    assert stop
    assert end
    assert [one.point for one in members] == [AtPosition(end), AtPosition(stop)]
    assert read[0] * 100 < sum(map(len, shop.objects.values()))
    assert read[1] * 8 < sum(map(len, stock.objects.values()))


def without_log(taken: Sequence[datetime | None], database: str = "config") -> MemoryStore:
    """Images of these snapshots; None: it is not known when that was."""
    store = MemoryStore("disk")
    for number, at in enumerate(taken):
        manifest = made.manifest(BEGAN + number * SECOND, Position(made.binlog(1), 4), took=SECOND, parts=0)
        moment = at.isoformat() if at else ""
        manifest = msgspec.structs.replace(manifest, flavour="mysql", database=database, snapshot=moment)
        store.put(layout.manifest_key(f"{database}/{made.SERVER}", manifest.id), encode_manifest(manifest))
    return store


def test_beside_a_member_without_a_log_all_go_to_its_snapshot() -> None:
    shop, stock = group(100)
    snapshots = [BEGAN + 90 * SECOND, BEGAN + 150 * SECOND + SECOND / 2, BEGAN + 160 * SECOND]
    stores: dict[str, Store] = {"shop": shop, "stock": stock, "config": without_log(snapshots)}
    # The log of `shop` is known until 159 seconds.
    moment, members = common_point(stores, Latest(), (), ())
    assert moment == snapshots[1]
    assert [one.point for one in members[:2]] == [
        AtPosition(stop) for name in ("shop", "stock") if (stop := choose(stores[name], name, AtTime(moment), ()).stop)
    ]
    *logs, alone = members
    assert alone.until is None
    assert alone.start.image.manifest.snapshot == snapshots[1].isoformat()
    assert [one.left_out(moment).partition(": ")[2] for one in logs] == [
        "what was committed in the last 9s of it is left out", "what was committed in the last 19s of it is left out",
    ]  # fmt: skip
    assert common_point(stores, Latest(), ("shop",), ())[0] == snapshots[2]
    # A time asked for may be later than any log is known: it is not the point.
    assert common_point(stores, AtTime(BEGAN + 9000 * SECOND), (), ())[0] == snapshots[1]
    assert common_point(stores, AtTime(snapshots[1] - SECOND), (), ())[0] == snapshots[0]
    with pytest.raises(PolicyBroken, match=r"`config` has no log, and no image of .* the log of `shop` is known until"):
        common_point(stores, AtTime(snapshots[0] - SECOND), (), ())


def test_an_image_that_tells_no_time_is_no_point_in_common() -> None:
    shop, _ = group(100)
    both = without_log([BEGAN + 90 * SECOND, None])
    assert common_point({"shop": shop, "config": both}, Latest(), (), ())[0] == BEGAN + 90 * SECOND
    with pytest.raises(PolicyBroken, match="does not tell when its snapshot was taken"):
        common_point({"shop": shop, "config": without_log([None])}, Latest(), (), ())


def test_of_a_member_without_a_log_an_image_may_have_to_thaw() -> None:
    """Not its log, of which there is none: it is looked for before the point in common is known."""
    store = without_log([BEGAN + 90 * SECOND, BEGAN + 150 * SECOND])
    cold = SimpleNamespace(name="disk", thaw_ms=60_000)
    world = SimpleNamespace(plan=SimpleNamespace(estate=SimpleNamespace(stores=[cold]), recoveries=()))
    thaws = Thaws(cast(World, world), Terms())
    for point in (AtTime(BEGAN + 100 * SECOND), Latest()):
        assert thaws.of("config", store, point, latest_too=True) is None, "no part of it is cold"
    with pytest.raises(PolicyBroken, match="is of a snapshot until"):
        thaws.of("config", store, AtTime(BEGAN + 10 * SECOND), latest_too=True)


def test_two_members_without_a_log_have_no_point_in_common() -> None:
    shop, _ = group(100)
    stores: dict[str, Store] = {"shop": shop}
    stores |= {name: without_log([BEGAN + 90 * SECOND], name) for name in ("config", "other")}
    with pytest.raises(PolicyBroken, match="neither `config` nor `other` has log"):
        common_point(stores, Latest(), (), ())


def test_an_image_from_after_the_point_is_taken_only_where_its_log_shows_nothing_between() -> None:
    """Nothing was committed after the newest image of `shop`, which is later than where the log of `stock` ends."""
    _, stock = group(100)
    log = Log("shop")
    log.begin_file()
    first = log.end
    log.commit(BEGAN + 100 * SECOND)
    shop = log.store([], first)
    newest = made.manifest(BEGAN + 300 * SECOND, log.end, took=SECOND, parts=0)
    newest = msgspec.structs.replace(newest, flavour="mysql", database="shop")
    shop.put(layout.manifest_key(log.prefix, newest.id), encode_manifest(newest))
    stores: dict[str, Store] = {"shop": shop, "stock": stock}
    moment, members = common_point(stores, Latest(), (), ())
    assert moment == BEGAN + 169 * SECOND
    assert members[0].point == OfImage(newest.id)
    earlier = common_point(stores, AtTime(BEGAN + 99 * SECOND), (), ())[1][0]
    assert earlier.point != OfImage(newest.id)


def test_what_is_far_from_the_end_is_left_to_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_tail, "MOST", 300_000)
    shop, stock = group()
    early = AtTime(BEGAN + 600 * SECOND)
    _, members = common_point({"shop": shop, "stock": stock}, early, (), ())
    assert [one.point for one in members] == [early, early]
    assert all(one.start.sure for one in members)
    assert all(one.read_of_log * 8 < sum(map(len, one.objects.values())) for one in (shop, stock))
    with pytest.raises(PolicyBroken, match="the log of shop is known only until"):
        common_point({"shop": shop, "stock": stock}, AtTime(BEGAN + 4062 * SECOND), (), ())
    idle, _ = common_point({"shop": shop, "stock": stock}, Latest(), ("shop",), ())
    assert idle == BEGAN + (60 + 4009) * SECOND


def test_a_long_last_transaction_is_read_back_to_its_beginning() -> None:
    log = Log()
    log.begin_file()
    image = log.end
    for second in range(50):
        log.commit(BEGAN + (60 + second) * SECOND, 10)
    log.commit(BEGAN + 200 * SECOND, 3 << 20)
    start = log.edges[-2].offset
    # Its end is not there yet: whole events, but no commit.
    log.files[-1] = log.files[-1][: -(events.HEADER + 8)]
    store = log.store([100_000], image)
    found = ending(log_tail.kept(store), next(starts(store, "shop", Latest(), ())), ())
    assert found == Ending(Position(made.binlog(1), start), BEGAN + 109 * SECOND)
