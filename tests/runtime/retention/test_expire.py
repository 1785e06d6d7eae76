"""Expiry step by step: two phases, what stops it, what a lock refuses, and every request at which it may die."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bkpc_runtime.errors import StepFailed, StoreUnreachable
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout, marks
from bkpc_runtime.repository.expiry import Rules
from bkpc_runtime.repository.known_until import Known, parse_known
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.steps import expire as step
from bkpc_runtime.steps.copy import copy_image
from bkpc_runtime.steps.expire import Expired, Source, expire
from bkpc_runtime.steps.reading import Reading, hold_for_reading
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import Store
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY, HOUR, PREFIX, SERVER, rules
from tests.runtime.retention.memory import Crash, MemoryStore
from tests.servers.kinds_of_store import opened

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEEK = rules(7 * DAY)


def run(store: Store, now: datetime = NOW, kept: Rules = WEEK, source: Source | None = None) -> Expired:
    (done,) = expire([store], "shop", {store.name: kept}, source or Source(SERVER, now), now)
    return done


def filled(store: Store, days: int = 20, now: datetime = NOW) -> list[Manifest]:
    """An image a day, oldest first, and a binlog a day that continues them."""
    images = []
    for day in range(days):
        at = now - (days - day) * DAY + HOUR
        position = Position(made.binlog(day + 1), 4)
        images.append(made.put_image(store, made.manifest(at, position, origin=made.origin_of(1, day + 1))))
        made.put_log(store, 1, day + 1, 0, 50)
        made.put_log(store, 1, day + 1, 50, 100)
        if day + 1 < days:
            made.put_end(store, 1, day + 1, 100)
    return images


def ids(store: Store) -> list[str]:
    return sorted(one.manifest.id for one in catalogue.all_images(store, "shop"))


@pytest.fixture(params=["memory", os.environ.get("STORE", "directory")])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore("near")
        return
    with opened(tmp_path / "backups", "near", request.param) as store:
        yield store


def test_a_tombstone_first_and_the_deletion_after_the_grace(store: Store) -> None:
    images = filled(store)
    first = run(store)
    # Kept are the images of seven days, and the one that points seven days ago go back to.
    assert first.text == "near: 13 marked to go after the grace"
    assert len(ids(store)) == 20
    assert run(store, NOW + HOUR).text == "near: nothing to expire"
    made.put_image(store, made.manifest(NOW + 3 * DAY - HOUR * 2, Position(made.binlog(20), 80)))
    second = run(store, NOW + 3 * DAY)
    assert (second.images, second.binlogs) == (12, 12)
    assert ids(store)[:-1] == [one.id for one in images[12:]]
    left = {key.split("/")[4] for key in keys(store) if "/logs/" in key}
    assert left == {made.binlog(number) for number in range(13, 21)}
    assert not [key for key in keys(store) if images[3].id in key], "nothing of it is left, marks included"


def keys(store: Store) -> list[str]:
    return [one.key for one in store.list("")]


def test_what_is_needed_again_is_spared(store: Store) -> None:
    filled(store)
    run(store)
    done = run(store, NOW + HOUR, rules(90 * DAY))
    assert (done.spared, done.condemned) == (13, 0)
    assert not marks.tombstones(marks.marks(store, PREFIX))


def test_who_dies_at_any_request_leaves_only_whole_images_and_the_next_run_finishes() -> None:
    whole = MemoryStore("near")
    filled(whole)
    run(whole)
    fresh = made.manifest(NOW + 3 * DAY - 2 * HOUR, Position(made.binlog(20), 80))
    boundaries = 0
    while True:
        dying = MemoryStore("near")
        dying.objects = dict(whole.objects)
        made.put_image(dying, fresh)
        dying.changes_left = boundaries
        try:
            run(dying, NOW + 3 * DAY)
        except Crash:
            dying.changes_left = None
            for image in catalogue.all_images(dying, "shop"):
                for part in image.manifest.parts:
                    assert dying.head(layout.part_key(PREFIX, image.manifest.id, part.name)), "a part is missing"
                window = catalogue.window(dying, image)
                if image.manifest.began >= (NOW - 5 * DAY).isoformat():
                    assert window
                    assert window.end == Position(made.binlog(20), 100)
            run(dying, NOW + 3 * DAY + HOUR)
            assert len(ids(dying)) == 9
            boundaries += 1
            continue
        break
    print(f"died at {boundaries} requests")
    assert boundaries > 100


def test_an_incremental_image_keeps_what_it_builds_on(store: Store) -> None:
    first = made.put_image(store, made.manifest(NOW - 30 * DAY, Position("", 0)))
    second = made.put_image(store, made.manifest(NOW - 29 * DAY, Position("", 0), parent=first.id))
    lone = made.put_image(store, made.manifest(NOW - 28 * DAY, Position("", 0)))
    last = made.put_image(store, made.manifest(NOW - HOUR * 2, Position("", 0), parent=second.id))
    made.put_image(store, made.manifest(NOW - 20 * DAY, Position("", 0), parent=lone.id))
    run(store, kept=rules(DAY, (0, 0, 0, 1)))
    standing = marks.tombstones(marks.marks(store, PREFIX))
    assert {first.id, second.id, last.id}.isdisjoint(standing)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("held", "is held"),
        ("damaged", "is damaged"),
        ("unverified", "is not verified yet"),
        ("unjudged", "was not compared"),
        ("future", "is of the future"),
        ("late", "images do not arrive"),
        ("clock", "s apart"),
        ("server", "not of the server that answers"),
        ("unreadable", "can't be read"),
    ],
)
def test_what_stops_it(what: str, says: str) -> None:
    store = MemoryStore("near")
    newest = filled(store)[-1]
    kept, source, now = WEEK, Source(SERVER, NOW), NOW
    if what == "held":
        marks.put(store, PREFIX, marks.JUDGED, newest.id, "hold", NOW)
    elif what == "damaged":
        marks.put(store, PREFIX, marks.VERIFIED, newest.id, "damaged", NOW)
    elif what == "unverified":
        kept = rules(7 * DAY, verified=True)
    elif what == "unjudged":
        kept = rules(7 * DAY, judged=True)
    elif what == "future":
        made.put_image(store, made.manifest(NOW + DAY, Position("", 0)))
    elif what == "late":
        now, source = NOW + 2 * DAY, Source(SERVER, NOW + 2 * DAY)
    elif what == "clock":
        now = NOW + timedelta(minutes=6)
    elif what == "server":
        source = Source("mariadb-2-0", NOW)
    elif what == "unreadable":
        store.objects[layout.manifest_key(PREFIX, newest.id)] = b"{}"
    done = run(store, now, kept, source)
    assert says in done.text
    assert not marks.tombstones(marks.marks(store, PREFIX))


def test_a_held_image_is_no_base_and_stays_until_it_is_released(store: Store) -> None:
    images = filled(store)
    base, before = images[12], images[11]
    marks.put(store, PREFIX, marks.JUDGED, base.id, "hold", NOW - 8 * DAY)
    run(store)
    assert {base.id, before.id}.isdisjoint(marks.tombstones(marks.marks(store, PREFIX)))
    marks.put(store, PREFIX, marks.RELEASED, base.id, "released", NOW)
    run(store, NOW + HOUR)
    assert before.id in marks.tombstones(marks.marks(store, PREFIX))


def test_a_log_elsewhere_is_kept_for_the_images_here() -> None:
    near, far = MemoryStore("near"), MemoryStore("far")
    for day, image in enumerate(filled(near)):
        made.put_log(far, 1, day + 1, 0, 100)
        made.put_end(far, 1, day + 1, 100) if image is not None and day < 19 else None
    both = {"near": WEEK, "far": WEEK}
    expire([near, far], "shop", both, Source(SERVER, NOW), NOW)
    below = [marks.parse_log_subject(one) for one in marks.tombstones(marks.marks(far, PREFIX))]
    assert below == [(1, 13)]


def test_a_log_that_broke_off_long_ago_goes_and_one_that_a_point_needs_stays(store: Store) -> None:
    filled(store, days=20, now=NOW - 30 * DAY)
    made.put_gap(store, 2, NOW - 30 * DAY)
    made.put_log(store, 2, 40, 0, 100)
    made.put_image(store, made.manifest(NOW - 2 * HOUR, Position(made.binlog(40), 50), origin=made.origin_of(2, 40)))
    run(store)
    standing = marks.tombstones(marks.marks(store, PREFIX))
    # The newest image from before is kept, with what log there is.
    assert marks.log_subject(1, 20) in standing
    assert len(standing) == 20
    long = run(store, NOW, rules(40 * DAY))
    assert long.spared
    standing = marks.tombstones(marks.marks(store, PREFIX))
    assert sorted(filter(None, map(marks.parse_log_subject, standing))) == [(1, 10)]


def test_what_a_retention_lock_refuses_stays_whole() -> None:
    store = MemoryStore("near")
    images = filled(store)
    run(store)
    made.put_image(store, made.manifest(NOW + 3 * DAY - HOUR * 2, Position(made.binlog(20), 80)))
    store.locked = {
        layout.manifest_key(PREFIX, images[0].id),
        *(key for key in store.objects if "/000001/binlog.0000" in key),
    }
    store.locked.add(layout.part_key(PREFIX, images[1].id, images[1].parts[1].name))
    done = run(store, NOW + 3 * DAY)
    assert (done.images, done.binlogs, done.locked) == (10, 0, 3)
    assert images[0].id in ids(store)
    store.locked = set()
    again = run(store, NOW + 3 * DAY + HOUR)
    assert (again.images, again.binlogs, again.leftovers) == (1, 12, 1)
    assert not [key for key in keys(store) if images[1].id in key]


def test_parts_without_a_manifest_are_swept_twice_the_grace_after(store: Store) -> None:
    filled(store)
    young, old = made.manifest(NOW - DAY, Position("", 0)), made.manifest(NOW - 4 * DAY, Position("", 0))
    made.put_parts(store, young)
    made.put_parts(store, old)
    run(store, kept=rules(90 * DAY))
    assert set(marks.tombstones(marks.marks(store, PREFIX))) == {old.id}
    made.put_image(store, made.manifest(NOW + 3 * DAY - HOUR * 2, Position(made.binlog(20), 80)))
    assert run(store, NOW + 3 * DAY, rules(90 * DAY)).leftovers == 1
    assert not list(store.list(f"{layout.images_folder(PREFIX)}{old.id}/"))
    assert list(store.list(f"{layout.images_folder(PREFIX)}{young.id}/"))


def test_a_copy_that_goes_on_takes_back_the_tombstone_of_its_parts() -> None:
    near, far = MemoryStore("near"), MemoryStore("far")
    images = filled(near)
    filled(far, days=2, now=NOW)
    image = next(one for one in catalogue.all_images(near, "shop") if one.manifest.id == images[10].id)
    far.changes_left = 1
    with pytest.raises(Crash):
        copy_image(image, near, far)
    far.changes_left = None
    run(far, kept=rules(90 * DAY))
    assert image.manifest.id in marks.tombstones(marks.marks(far, PREFIX))
    copy_image(image, near, far)
    assert image.manifest.id not in marks.tombstones(marks.marks(far, PREFIX))


def test_what_a_restore_reads_stays_until_it_has_read() -> None:
    store = MemoryStore("near")
    images = filled(store)
    run(store)
    oldest = catalogue.all_images(store, "shop")[-1]
    hold_for_reading(store, oldest, NOW + HOUR, log_too=True, why="restore")
    made.put_image(store, made.manifest(NOW + 3 * DAY - HOUR * 2, Position(made.binlog(20), 80)))
    done = run(store, NOW + 3 * DAY)
    assert (done.images, done.binlogs) == (11, 0)
    assert images[0].id in ids(store)
    window = catalogue.window(store, oldest)
    assert window
    assert window.end.file == made.binlog(20)


def test_of_a_restore_and_a_deletion_that_begin_at_once_one_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The restore begins after the expiry has looked: either sees the other."""
    store = MemoryStore("near")
    filled(store)
    run(store)
    made.put_image(store, made.manifest(NOW + 3 * DAY - HOUR * 2, Position(made.binlog(20), 80)))
    oldest = catalogue.all_images(store, "shop")[-1]
    looked = step._readers

    def beginning_now(*arguments: object) -> int:
        with pytest.raises(StepFailed, match="is being deleted"):
            hold_for_reading(store, oldest, NOW + 3 * DAY, log_too=True, why="restore")
        marks.put(store, PREFIX, marks.READING, oldest.manifest.id, "reading", NOW + 3 * DAY)
        return looked(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(step, "_readers", beginning_now)
    done = run(store, NOW + 3 * DAY)
    assert (done.images, done.resting) == (0, "a restore has begun")
    assert len(ids(store)) == 21


def test_images_that_nothing_expires_for_ever(store: Store) -> None:
    filled(store)
    done = run(store, kept=Rules(None, (0, 0, 0, 0), "UTC", 3 * DAY, 2 * DAY, for_ever=True))
    assert done.text == "near: nothing to expire"


def test_of_notes_the_newest_of_each_binlog_stays(store: Store) -> None:
    filled(store)
    last = made.binlog(20)
    old = Known(Position(made.binlog(19), 100), NOW - 30 * HOUR)
    notes = [old, *(Known(Position(last, 50 + hours), NOW - (20 - hours) * HOUR) for hours in range(20))]
    for one in notes:
        store.put(one.key(PREFIX, 1), b"")

    def left() -> list[Known]:
        return [known for key in keys(store) if (known := parse_known(key))]

    run(store, kept=replace(WEEK, lock=30 * DAY))
    assert left() == notes
    assert run(store, kept=replace(WEEK, lock=6 * HOUR)).notes == 14  # what is locked is not asked for
    assert left() == [old, *notes[15:]]
    assert run(store, kept=replace(WEEK, for_ever=True)).notes == 0
    assert run(store).text.endswith(", 5 notes of how far a log is complete deleted that a later one says again")
    assert left() == [old, notes[-1]]


def test_a_folder_may_vanish_under_who_writes_into_it(tmp_path: Path) -> None:
    """The last mark of a folder is deleted while another is put there."""
    store = DirectoryStore("near", tmp_path / "backups")
    problems: list[Exception] = []

    def put_and_delete(name: str) -> None:
        try:
            for _ in range(300):
                store.put(f"a/b/{name}", b"x")
                store.delete(f"a/b/{name}")
        except Exception as problem:  # noqa: BLE001 - told by the test
            problems.append(problem)

    threads = [threading.Thread(target=put_and_delete, args=(str(number),)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert not list(store.list(""))


def test_a_restore_marks_what_it_reads_only_for_as_long_as_it_runs() -> None:
    store = MemoryStore("near")
    filled(store, days=2)
    (_, oldest) = catalogue.all_images(store, "shop")

    def breaks_off() -> None:
        with Reading(store, lambda: NOW, "restore into a test") as reading:
            reading.hold(oldest, log_too=True)
            (mark,) = marks.marks(store, PREFIX)
            assert (mark.kind, mark.subject) == (marks.READING, oldest.manifest.id)
            raise Crash

    with pytest.raises(Crash):
        breaks_off()
    assert marks.marks(store, PREFIX) == ()


def test_a_store_that_cannot_be_looked_at_stops_its_own_images_and_all_log() -> None:
    class Away(MemoryStore):
        def folders(self, prefix: str) -> Iterator[str]:
            raise StoreUnreachable(f"store `far` at {prefix}: the connection failed")

    near, far = MemoryStore("near"), Away("far")
    filled(near)
    here, there = expire([near, far], "shop", {"near": WEEK, "far": WEEK}, Source(SERVER, NOW), NOW)
    assert here.text == "near: 12 marked to go after the grace"
    assert "far: nothing expires: it can't be looked at: store `far`" in there.text
    assert not [one for one in marks.tombstones(marks.marks(near, PREFIX)) if marks.parse_log_subject(one)]
