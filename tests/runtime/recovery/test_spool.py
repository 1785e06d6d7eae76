"""What is given to a replay while the log is still read: all that is before the point, and nothing behind it."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_runtime.errors import DamagedBackup, Refused, RuntimeFailure
from bkpc_runtime.mysql.binlog import events
from bkpc_runtime.recovery.choice import Start, choose, log_pieces, starts
from bkpc_runtime.recovery.point import AtTime, Latest
from bkpc_runtime.recovery.spool import Found, Spool
from bkpc_runtime.stores.store import Store
from tests.runtime.recovery.test_log_tail import BEGAN, LOGS, SECOND, Log, event_starts, log_of

Piece = tuple[str, int, bytes]


def spooled(folder: Path, start: Start, pieces: Iterator[Piece]) -> Spool:
    return Spool(pieces, start.course(), lambda number: folder / str(number), skips_to=start.skips_to)


class Held:
    """Pieces, of which the last wait until they may come."""

    def __init__(self, pieces: list[Piece], free: int) -> None:
        self._pieces, self._free = pieces, free
        self.rest = threading.Event()

    def __iter__(self) -> Iterator[Piece]:
        for number, piece in enumerate(self._pieces):
            assert number < self._free or self.rest.wait(20)
            yield piece


def seen(spool: Spool) -> list[tuple[str, bytes]]:
    """All that both ways of replay are given."""
    files, streamed = list[tuple[str, bytes]](), dict[str, bytes]()
    while more := spool.files(len(files)):
        files += [(one.name, one.path.read_bytes()[: one.size]) for one in more]
    for one, chunk in spool.stream():
        streamed[one.name] = streamed.get(one.name, b"") + chunk
    assert {name: body for name, body in files if body} == streamed
    return files


def ending_of(spool: Spool) -> Found | type[RuntimeFailure]:
    try:
        return spool.found()
    except RuntimeFailure as problem:
        return type(problem)


@settings(deadline=None, max_examples=60)
@given(parts=LOGS, cuts=st.lists(st.integers(60, 500), min_size=1, max_size=5), data=st.data())
def test_what_is_given_out_early_is_what_reading_all_of_it_gives(
    parts: list[list[tuple[int, int, int]]], cuts: list[int], data: st.DataObject
) -> None:
    log, times = log_of(parts)
    store = cast(Store, log.store(cuts, data.draw(st.sampled_from(log.edges))))
    moments = [BEGAN + 30 * SECOND, *(time + late for time in times for late in (-SECOND, 0 * SECOND))]
    start = next(starts(store, "shop", AtTime(data.draw(st.sampled_from(moments))), ()))
    pieces = list(log_pieces(store, start, ()))
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        with spooled(Path(one), start, iter(pieces)) as whole:
            wanted = ending_of(whole)
            if isinstance(wanted, Found):
                assert wanted.stop == choose(store, "shop", start.point, ()).stop
            bytes_ = seen(whole) if isinstance(wanted, Found) else []
        # The point is passed with some piece: from then on all is given out, though what follows does not come.
        course, passed = start.course(), len(pieces)
        reader = spooled(Path(other), start, iter(()))._reader
        for number, piece in enumerate(pieces, 1):
            for transaction in reader.feed(*piece):
                course.take(transaction)
            if course.first_after:
                passed = number
                break
        held = Held(pieces, passed)
        with spooled(Path(other), start, iter(held)) as early:
            if course.first_after:
                found = seen(early)
                assert not isinstance(wanted, Found) or found == bytes_
            held.rest.set()
            assert ending_of(early) == wanted


def test_what_comes_later_and_shows_that_a_time_is_none_is_said_in_the_end(tmp_path: Path) -> None:
    log = Log()
    log.begin_file()
    image = log.end
    for second in (60, 61, 200, 62, 300):  # a clock was put back
        log.commit(BEGAN + second * SECOND)
    store = cast(Store, log.store([], image))
    start = next(starts(store, "shop", AtTime(BEGAN + 150 * SECOND), ()))
    assert start.sure
    held = Held(list(log_pieces(store, start, ())), 4)
    with spooled(tmp_path, start, iter(held)) as spool:
        ((_, body),) = seen(spool)
        assert len(body) == log.edges[3 - 1].offset
        spool.check()
        held.rest.set()
        with pytest.raises(Refused, match="times go back"):
            spool.found()
        for asked in (spool.check, lambda: spool.files(1), lambda: list(spool.stream())):
            with pytest.raises(Refused, match="times go back"):
                asked()


def test_a_damaged_end_is_read_first() -> None:
    log = Log()
    log.begin_file()
    image = log.end
    for second in range(60, 70):
        log.commit(BEGAN + second * SECOND)
    store = log.store([], image)
    assert next(starts(store, "shop", AtTime(BEGAN + 65 * SECOND), ())).sure
    last = max(one.key for one in store.list("") if "/logs/" in one.key and "-" in one.key.rpartition("/")[2])
    store.put(last, b"something else")
    start = next(starts(store, "shop", AtTime(BEGAN + 65 * SECOND), ()))
    assert not start.sure
    with pytest.raises(DamagedBackup):
        choose(cast(Store, store), "shop", start.point, ())


def test_the_first_of_a_file_waits_for_all_before_it_whatever_was_left_out(tmp_path: Path) -> None:
    """MySQL's applier begins to count anew there; else it compares with what the file before has come to: runs side by
    side what must not, or, before 9, refuses a number that is not higher, where no rotation came between."""
    log, times = log_of([[(1, 0, 0)] * 4, [(1, 0, 0)] * 4])
    for file in log.files:
        gtids = [at for at in event_starts(bytes(file)) if at < len(file) and file[at + 4] == events.ANONYMOUS_GTID]
        for number, at in enumerate(sorted(gtids), 1):
            struct.pack_into("<BQQ", file, at + events.HEADER + 25, 2, number - 1, number)
    store = cast(Store, log.store([], log.edges[0]))
    start = next(starts(store, "shop", Latest(), ()))
    heads = {log.edges[1].offset, log.edges[2].offset}
    with Spool(
        log_pieces(store, start, ()), start.course(), lambda number: tmp_path / str(number), anonymous=True,
        skips_to=start.skips_to, wanted=lambda one: one.end not in heads,
    ) as spool:  # fmt: skip
        for _, body in seen(spool):
            kept = sorted(at for at in event_starts(body) if at < len(body) and body[at + 4] == events.ANONYMOUS_GTID)
            assert [struct.unpack_from("<QQ", body, at + events.HEADER + 26) for at in kept] == [(0, 0), (3, 4)]
    assert len(times) == 8
