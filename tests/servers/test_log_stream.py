"""The archived log is the server's own, byte for byte, whatever happens to either side."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest

from bkpc_runtime.mysql.binlog.transactions import transactions
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import segments
from bkpc_runtime.repository.segments import LogGap, archived_file, read_log
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps import log_cutting, log_stream
from bkpc_runtime.steps.log_group import AnotherServer
from bkpc_runtime.steps.log_leftover import deliver_leftover
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import segment_opener
from tests.database_server import ThrowawayServer, start_server
from tests.servers.kinds_of_store import BOTH, Switched, keys, opened
from tests.servers.streaming import Streaming, archived, binlogs, position, wait_for, wait_until

TABLE = "CREATE TABLE w.t (id INT PRIMARY KEY AUTO_INCREMENT, body LONGBLOB)"


@pytest.fixture
def writing(fresh_server: ThrowawayServer) -> ThrowawayServer:
    fresh_server.run("CREATE DATABASE w", TABLE)
    return fresh_server


def insert(server: ThrowawayServer, count: int = 1, size: int = 10) -> None:
    server.run(*(f"INSERT INTO w.t (body) VALUES (REPEAT('{number % 10}', {size}))" for number in range(count)))


def flush(server: ThrowawayServer) -> None:
    server.run("FLUSH BINARY LOGS")


def reset(server: ThrowawayServer) -> None:
    server.reset_binlogs()


def test_every_byte_of_every_kind(writing: ThrowawayServer, store: Store) -> None:
    identity = pyrage.x25519.Identity.generate()
    streaming = Streaming(writing, store, str(identity.to_public()))
    first = position(writing).file
    with streaming as stream:
        insert(writing, 50)
        flush(writing)
        # One event above a packet (16 MiB), which is more than two segments as well.
        insert(writing, 1, 40 << 20)
        writing.run("SET SESSION binlog_row_image = MINIMAL", "UPDATE w.t SET body = 'x' WHERE id < 9")
        writing.run("BEGIN", *["INSERT INTO w.t (body) VALUES (REPEAT('z', 1000000))"] * 30, "COMMIT")
        flush(writing)
        writing.run("CREATE TABLE w.u AS SELECT id FROM w.t", "DROP TABLE w.u", "ANALYZE TABLE w.t")
        wait_for(stream, position(writing))
    assert streaming.all_stored
    found = archived(store, streaming.prefix, 1, Position(first, 0), Secret(str(identity)))
    own = binlogs(writing)
    assert list(found) == [name for name in own if name >= first]
    assert all(found[name] == own[name] for name in found)
    assert any(".part." in key for key in keys(store, ".zst.age"))


@BOTH
def test_it_goes_on_where_the_store_ends(writing: ThrowawayServer, store: Store) -> None:
    first = position(writing)
    prefix = Streaming(writing, store).prefix
    for _ in range(3):
        streaming = Streaming(writing, store)
        insert(writing, 5)
        with streaming as stream:
            insert(writing, 5)
            wait_for(stream, position(writing))
        insert(writing, 5)
        flush(writing)
    with Streaming(writing, store) as stream:
        wait_for(stream, position(writing))
    found = archived(store, prefix, 1, Position(first.file, 0))
    assert found == {name: body for name, body in binlogs(writing).items() if name >= first.file}
    for file in found:
        ranges = [(one.start, one.end) for one in archived_file(store, prefix, 1, file).segments]
        assert [start for start, _ in ranges] == [0, *(end for _, end in ranges[:-1])], "contiguous, nothing twice"


def test_log_of_while_a_disk_was_unmounted_is_stored_when_it_is_back(
    writing: ThrowawayServer, disk: DirectoryStore
) -> None:
    first = position(writing).file
    away = disk.root.with_name("away")
    streaming = Streaming(writing, disk)
    with streaming as stream:
        insert(writing)
        wait_for(stream, position(writing))
        disk.root.rename(away)
        disk.root.mkdir()
        insert(writing, 3)
        wait_until(lambda: "is not the folder it was" in stream.state().failure)
        assert list(disk.root.iterdir()) == []
        disk.root.rmdir()
        away.rename(disk.root)
        insert(writing)
        wait_for(stream, position(writing))
    assert archived(disk, streaming.prefix, 1, Position(first, 0))[first] == binlogs(writing)[first]


def test_a_stream_ended_inside_a_huge_event_asks_for_all_of_it_again(
    writing: ThrowawayServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_cutting, "SEGMENT_BYTES", 1 << 20)
    monkeypatch.setattr(log_stream, "LAST_PATIENCE", 1.0)
    first = position(writing).file
    insert(writing, 1, 20 << 20)
    end = position(writing)

    breaks: Any = Switched(store, after=3)  # ORIGIN.json, what comes before the event, its first packet
    streaming = Streaming(writing, breaks)
    with streaming as stream:
        wait_until(lambda: stream.state().failure == "not now")
    assert not streaming.all_stored
    held = archived_file(store, streaming.prefix, 1, first)
    assert 0 < held.boundary < held.reach < end.offset
    with Streaming(writing, store) as stream:
        wait_for(stream, end)
    assert archived(store, streaming.prefix, 1, Position(first, 0))[first] == binlogs(writing)[first]


def test_a_reset_begins_a_new_epoch_and_says_why(writing: ThrowawayServer, store: Store) -> None:
    with Streaming(writing, store) as stream:
        insert(writing, 3)
        wait_for(stream, position(writing))
    reset(writing)
    insert(writing, 200)  # longer than the old file of the same name: only its first event tells them apart
    streaming = Streaming(writing, store)
    with streaming as stream:
        wait_for(stream, position(writing))
        assert stream.state().epoch == 2
    gap = json.loads(store.get(f"{streaming.prefix}/logs/000002/GAP.json"))
    assert "another file of the same name" in gap["reason"]
    start = Position(position(writing).file, 0)
    assert archived(store, streaming.prefix, 2, start) == binlogs(writing)


def test_a_reset_while_streaming_is_noticed(writing: ThrowawayServer, store: Store) -> None:
    streaming = Streaming(writing, store)
    with streaming as stream:
        insert(writing, 3)
        flush(writing)
        insert(writing, 3)
        wait_for(stream, position(writing))
        reset(writing)
        insert(writing, 30)
        end = position(writing)
        wait_until(lambda: (stream.state().epoch, stream.state().durable) == (2, end))
    assert archived(store, streaming.prefix, 2, Position(end.file, 0)) == binlogs(writing)


def test_purged_log_is_a_gap_not_a_lie(writing: ThrowawayServer, store: Store) -> None:
    with Streaming(writing, store) as stream:
        insert(writing)
        wait_for(stream, position(writing))
    insert(writing, 5)
    flush(writing)
    flush(writing)
    while len(binlogs(writing)) > 1:  # MariaDB purges nothing that the ended stream may still read
        writing.run(f"PURGE BINARY LOGS TO '{position(writing).file}'")
        time.sleep(0.2)
    streaming = Streaming(writing, store)
    with streaming as stream:
        wait_for(stream, position(writing))
        assert stream.state().epoch == 2
    assert "no longer has" in json.loads(store.get(f"{streaming.prefix}/logs/000002/GAP.json"))["reason"]


def test_a_hole_at_the_end_of_a_file_is_found(writing: ThrowawayServer, store: Store) -> None:
    first = position(writing).file
    streaming = Streaming(writing, store)
    with streaming as stream:
        for _ in range(3):
            insert(writing)
            wait_for(stream, position(writing))
        flush(writing)
        insert(writing)
        wait_for(stream, position(writing))
    store.delete([key for key in keys(store, ".zst") if f"/{first}/" in key][-1])
    assert not archived_file(store, streaming.prefix, 1, first).whole
    with pytest.raises(LogGap, match=f"lacks bytes .* of {first}"):
        archived(store, streaming.prefix, 1, Position(first, 0))


def test_a_store_that_fails_holds_nothing_up_and_loses_nothing(
    writing: ThrowawayServer, store: Store, far: Store
) -> None:
    other: Any = Switched(far, away=True)
    first = position(writing).file
    near, lame = Streaming(writing, store), Streaming(writing, other)
    with near as stream, lame as limping:
        insert(writing, 20)
        wait_for(stream, position(writing))
        assert limping.state().failure == "not now"
        assert limping.state().durable is None
        assert limping.state().lag_seconds > 0
        other.away = False
        wait_for(limping, position(writing))
        assert limping.state().failure == ""
    assert archived(far, near.prefix, 1, Position(first, 0)) == archived(store, near.prefix, 1, Position(first, 0))


def test_the_transactions_of_the_log(writing: ThrowawayServer, store: Store) -> None:
    first = position(writing).file
    streaming = Streaming(writing, store)
    with streaming as stream:
        insert(writing, 3)
        writing.run("DELETE FROM w.t WHERE id = 1", "DROP TABLE w.t")
        wait_for(stream, position(writing))

    def pieces() -> Iterator[tuple[str, int, bytes]]:
        yield from read_log(store, streaming.prefix, 1, Position(first, 0), None, unpack=segment_opener([]))

    found = list(transactions(pieces()))
    kinds = [one.changes[0].kind if one.changes else one.statements[0].text.split()[0] for one in found]
    assert kinds[-5:] == ["insert", "insert", "insert", "delete", "DROP"]
    assert [one.start for one in found[1:]] == [one.end for one in found[:-1]]
    assert segments.order(Position(found[-1].file, found[-1].end)) == segments.order(position(writing))


def test_two_streams_at_once_waste_work_but_spoil_nothing(writing: ThrowawayServer, store: Store) -> None:
    first = position(writing).file
    one, other = Streaming(writing, store), Streaming(writing, store, flush_seconds=0.35)
    with one as stream, other as beside:
        for _ in range(5):
            insert(writing, 40)
            flush(writing)
        wait_for(stream, position(writing))
        wait_for(beside, position(writing))
    found = archived(store, one.prefix, 1, Position(first, 0))
    assert found == {name: body for name, body in binlogs(writing).items() if name >= first}
    assert segments.epochs(store, one.prefix) == [1]


def test_one_receiver_feeds_all_stores(writing: ThrowawayServer, store: Store, far: Store) -> None:
    first = position(writing)
    both = Streaming(writing, [store, far])
    with both as stream:
        insert(writing, 20)
        flush(writing)
        insert(writing, 5)
        wait_for(stream, position(writing))
        assert receivers(writing) == 1
        wait_until(lambda: [one.durable for one in stream.state().stores] == [position(writing)] * 2)
    own = {name: body for name, body in binlogs(writing).items() if name >= first.file}
    for one in (store, far):
        found = archived(one, both.prefix, 1, Position(first.file, 0))
        assert found.keys() == own.keys()
        # MariaDB writes a checkpoint some time after it has gone on to another file.
        assert all(own[name].startswith(body) for name, body in found.items())


def receivers(server: ThrowawayServer) -> int:
    """How many replicas are being sent the log."""
    return sum(str(row[4]).startswith("Binlog Dump") for row in server.run("SHOW PROCESSLIST"))


def test_a_store_that_is_away_for_long_is_let_go_and_comes_back(
    writing: ThrowawayServer, store: Store, far: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_cutting, "SEGMENT_BYTES", 1 << 20)
    other: Any = Switched(far)
    first = position(writing)
    both = Streaming(writing, [store, other], spool_limit=8 << 20)
    with both as stream:
        insert(writing)
        wait_for(stream, position(writing))
        other.away = True
        rest = "0x" + os.urandom(1 << 20).hex()
        writing.run(*[f"INSERT INTO w.t (body) VALUES ({rest})"] * 14)
        end = position(writing)
        wait_until(lambda: stream.state().of("disk").durable == end)
        wait_until(lambda: stream.state().of("far").behind)
        assert stream.state().of("far").lag_seconds > 0
        other.away = False
        insert(writing, 3)
        wait_for(stream, position(writing), patience=60)
        wait_until(lambda: not stream.state().of("far").behind)
        insert(writing, 3)
        wait_for(stream, position(writing))
        wait_until(lambda: receivers(writing) == 1)
    own = {name: body for name, body in binlogs(writing).items() if name >= first.file}
    for one in (store, far):
        assert archived(one, both.prefix, 1, Position(first.file, 0)) == own


def test_when_all_stores_are_away_reading_stops_and_nothing_is_lost(
    writing: ThrowawayServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_cutting, "SEGMENT_BYTES", 1 << 20)
    only: Any = Switched(store)
    first = position(writing)
    one = Streaming(writing, only, spool_limit=6 << 20)
    with one as stream:
        insert(writing)
        wait_for(stream, position(writing))
        only.away = True
        rest = "0x" + os.urandom(1 << 20).hex()
        writing.run(*[f"INSERT INTO w.t (body) VALUES ({rest})"] * 14)
        wait_until(lambda: "bytes wait in" in stream.state().pausing)
        assert stream.state().spooled <= 6 << 20
        assert stream.state().acknowledged is not None
        assert stream.state().of("disk").lag_seconds > 0
        only.away = False
        wait_for(stream, position(writing), patience=60)
        assert stream.state().pausing == ""
    own = {name: body for name, body in binlogs(writing).items() if name >= first.file}
    assert archived(store, one.prefix, 1, Position(first.file, 0)) == own


def test_what_a_dead_agent_had_received_is_delivered_without_the_server(
    writing: ThrowawayServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "LAST_PATIENCE", 0.5)
    only: Any = Switched(store)
    first, work = position(writing), tmp_path / "work"
    one = Streaming(writing, only, flush_seconds=0.05)
    with one as stream:
        insert(writing)
        before = position(writing)
        wait_for(stream, before)
        only.away = True
        for _ in range(3):
            insert(writing, 2)
            wait_until(lambda: stream.state().acknowledged == position(writing))
        flush(writing)
        insert(writing)
        # MariaDB adds a checkpoint of its own to a new binlog, sooner or later.
        wait_until(lambda: stream.state().acknowledged == position(writing))
        end = position(writing)
        shutil.copytree(one.work, work)  # as the death of both leaves it
    own = {name: body for name, body in binlogs(writing).items() if name >= first.file}
    writing.kill()
    spoilt = tmp_path / "spoilt"
    shutil.copytree(work, spoilt)
    _, second, *_ = sorted(spoilt.glob("spool/*.log"))
    body = second.read_bytes()
    second.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    with opened(tmp_path / "half", "half") as half:
        for found in store.list(""):
            half.put(found.key, store.get(found.key))
        deliver_leftover(spoilt, [half], "shop")
        reached = segments.newest_end(half, one.prefix, 1)
    assert reached
    assert segments.order(before) < segments.order(reached) < segments.order(end), "what is spoilt ends it"
    deliver_leftover(work, [store], "other")
    assert segments.newest_end(store, one.prefix, 1) == before
    deliver_leftover(work, [store], "shop")
    assert segments.newest_end(store, one.prefix, 1) == end
    log = archived(store, one.prefix, 1, Position(first.file, 0))
    assert log.keys() == own.keys()
    assert all(own[name].startswith(whole) for name, whole in log.items())


def test_another_server_at_the_address_is_told_from_the_first(
    writing: ThrowawayServer, store: Store, tmp_path: Path
) -> None:
    with start_server(writing.flavour, tmp_path / "other") as other:
        here = [writing]
        streaming = Streaming(writing, store, reach=lambda: here[0])
        failed: list[Exception] = []

        def run() -> None:
            try:
                streaming.stream.run(threading.Event())
            except AnotherServer as problem:
                failed.append(problem)

        running = threading.Thread(target=run)
        running.start()
        insert(writing, 3)
        end = position(writing)
        wait_for(streaming.stream, end)
        here[0] = other
        writing.kill()
        running.join(30)
        assert "is another one" in str(failed[0])
        assert segments.newest_end(store, streaming.prefix, 1) == end, "nothing of the other is among the first's"
