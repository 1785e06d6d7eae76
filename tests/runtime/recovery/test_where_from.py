"""From where a recovery reads when the store that was written is gone: from the copy that OSS keeps of it."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bkpc_grammar.plan import CredentialReference, Plan, Recovery, Step
from bkpc_runtime.commands.restore_group import _elsewhere
from bkpc_runtime.commands.scope_notes import Notes
from bkpc_runtime.commands.scope_prepared import Asked, Looking, Place
from bkpc_runtime.commands.thaw_first import Terms, Thaws
from bkpc_runtime.errors import Refused, StoreFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.choice import starts
from bkpc_runtime.recovery.common_point import common_point
from bkpc_runtime.recovery.point import AtPosition, AtTime, Latest
from bkpc_runtime.recovery.replay import open_spool
from bkpc_runtime.recovery.way import ByClient
from bkpc_runtime.recovery.where_from import store_for, store_to_read, stores_to_read
from bkpc_runtime.repository.segments import order, parse_key
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.world import World
from tests.iam.test_least_replication import PLAN
from tests.oss_server import KEY_ID, KEY_SECRET, OssServer
from tests.runtime.recovery.test_log_tail import BEGAN, SECOND, Log
from tests.runtime.retention import made

KEY = CredentialReference(kind="env", names=("ID", "SECRET"))


def world(**endpoints: str) -> World:
    """The plan, its stores at these places."""
    stores = tuple(
        msgspec.structs.replace(one, endpoint=endpoints[one.name], credentials=KEY, thaw_ms=0)
        for one in PLAN.estate.stores
    )
    plan: Plan = msgspec.structs.replace(PLAN, estate=msgspec.structs.replace(PLAN.estate, stores=stores))
    return World(plan, Path(), {"ID": KEY_ID, "SECRET": KEY_SECRET})


def in_folders(tmp_path: Path, *thawing: str) -> World:
    """Images in `one` and `two` by turns."""
    made_up = PLAN.estate.stores[0]
    stores = tuple(
        msgspec.structs.replace(
            made_up, name=name, kind="directory", location=str(tmp_path / name), endpoint=None, credentials=None,
            thaw_ms=18_000_000 if name in thawing else 0,
        )
        for name in ("one", "two")
    )  # fmt: skip
    jobs = tuple(
        msgspec.structs.replace(PLAN.jobs[0], id=name, kind="backup.full", database="shop", stores=(name,))
        for name in ("one", "two")
    )
    for name in ("one", "two"):
        (tmp_path / name / "shop").mkdir(parents=True)  # begun: an empty folder may be one whose disk is away
    estate = msgspec.structs.replace(PLAN.estate, stores=stores)
    return World(msgspec.structs.replace(PLAN, estate=estate, jobs=jobs, streams=()), Path(), {})


def test_the_newest_image_is_read_whichever_store_has_it(tmp_path: Path) -> None:
    both = in_folders(tmp_path)
    for hour, name in enumerate(("one", "two", "one", "two")):
        made.put_image(both.store(name), made.manifest(datetime(2026, 6, 1, hour, tzinfo=UTC), Position("", 0)))
        assert store_to_read(both, "shop", None).name == name
    assert store_to_read(both, "shop", "one").name == "one"


def test_of_those_that_the_plan_takes_by_turns_the_newest_is_read(tmp_path: Path) -> None:
    both = in_folders(tmp_path)
    for hour, name in enumerate(("two", "one", "two")):
        made.put_image(both.store(name), made.manifest(datetime(2026, 6, 1, hour, tzinfo=UTC), Position("", 0)))
        assert store_to_read(both, "shop", None, ("one", "two"), ("one", "two")).name == name
    assert store_to_read(both, "shop", None, ("one", "two")).name == "one"


def test_without_a_log_the_newest_image_is_read_even_if_it_must_thaw(tmp_path: Path) -> None:
    both = in_folders(tmp_path, "two")
    for hour, name in enumerate(("one", "two")):
        made.put_image(both.store(name), made.manifest(datetime(2026, 6, 1, hour, tzinfo=UTC), Position("", 0)))
        assert store_to_read(both, "shop", None).name == name


def test_the_copy_is_read_where_nothing_else_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with OssServer(tmp_path / "here") as here, OssServer(tmp_path / "there", region="cn-beijing") as there:
        here.bucket("backup")
        there.bucket("copy")
        both = world(far=here.endpoint, away=there.endpoint)
        image = made.manifest(datetime(2026, 6, 1, 12, tzinfo=UTC), Position("", 0))
        for name in ("far", "away"):
            made.put_image(both.store(name), image)
        assert store_to_read(both, "shop", None).name == "far"
        assert store_to_read(both, "shop", "away").name == "away"
        here.service.unmake("backup")
        with caplog.at_level(logging.WARNING):
            assert store_to_read(both, "shop", None).name == "away"
        assert "a copy that OSS keeps: it may lack what was written last" in caplog.text
        there.service.unmake("copy")
        with pytest.raises(StoreFailed):
            store_to_read(both, "shop", None)


def with_a_gap(tmp_path: Path) -> tuple[World, Log]:
    """Both logs go as far, and the first is read elsewhere: but there the store was away for a while."""
    both = in_folders(tmp_path)
    stream = msgspec.structs.replace(PLAN.streams[0], database="shop", stores=("one", "two"))
    both = World(msgspec.structs.replace(both.plan, streams=(stream,)), Path(), {})
    log = Log()
    for hour in range(3):
        log.begin_file()
        for second in range(5):
            log.commit(BEGAN + hour * 3600 * SECOND + (60 + second) * SECOND)
    late = BEGAN + 2 * 3600 * SECOND
    for name, image in (
        ("one", made.manifest(late, Position(made.binlog(3), log.edges[12].offset), took=SECOND)),
        ("two", None),
    ):
        store = both.store(name)
        for key, body in log.store([], log.edges[0]).objects.items():
            segment = parse_key(key)
            begun_anew = image is not None and segment is not None and segment.file == made.binlog(3)
            if image is None or made.binlog(2) not in key:
                store.put(key.replace("/000001/", "/000002/", 1) if begun_anew else key, body)
        if image is not None:
            made.put_image(store, msgspec.structs.replace(image, flavour="mysql"))
    return both, log


def moments() -> dict[int, AtTime]:
    return {hour: AtTime(BEGAN + hour * 3600 * SECOND + 62 * SECOND) for hour in range(3)}


def test_a_member_of_a_group_is_restored_from_where_the_log_leads_to_the_moment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    both, _ = with_a_gap(tmp_path)
    store, logs = stores_to_read(both, "shop", None)
    assert store.name == "one"
    for hour, name in ((0, "one"), (1, "two"), (2, "one")):
        point = moments()[hour]
        of = ({"shop": store}, point, (), ())
        moment, (member,) = common_point(*of, logs={"shop": logs}, elsewhere=_elsewhere(both, ()))
        assert (moment, member.store.name) == (point.moment, name)
        assert member.start.window
    assert "`shop` is read from store `two`: the log in `one` does not lead to that point" in caplog.text
    with pytest.raises(Refused, match="does not show what came until the asked time"):
        common_point({"shop": store}, moments()[1], (), (), logs={"shop": logs})


@pytest.mark.parametrize(
    ("scope", "names"), [("site", {0: "one", 1: "two", 2: "one"}), ("intruder", {0: "one", 1: ""})]
)
def test_so_is_a_database_of_a_scope_but_from_no_store_that_an_intruder_may_have_written(
    tmp_path: Path, scope: Any, names: dict[int, str]
) -> None:
    both, _ = with_a_gap(tmp_path)
    image = Step(
        id="a",
        kind="restore.image",
        database="shop",
        store="one",
        needs=(),
        reserve=(),
        start_ms=0,
        bytes=0,
        expect_ms=0,
    )
    recovery = Recovery(scope=scope, lost="x", down=("shop",), databases=("shop",), steps=(image,), expect_ms=0)
    for hour, name in names.items():
        asked = Asked(moments()[hour], "", (), None, {"shop": Place("mysql://root@127.0.0.1:1/")})
        notes = Notes(tmp_path / "notes", "")
        looking = Looking(both, recovery, asked, (), notes, Thaws(both, Terms(None, 1)))
        found = looking._at(("shop",))["shop"]
        assert (getattr(found, "store", None) and found.store.name) == (name or None)  # type: ignore[union-attr]


def test_a_point_in_a_gap_of_one_log_is_restored_from_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    both, log = with_a_gap(tmp_path)
    at = moments()
    chosen = {hour: store_for(both, "shop", point, (), physical=False).name for hour, point in at.items()}
    assert chosen == {0: "one", 1: "two", 2: "one"}
    assert "read from store `two`: the log in `one` does not lead to that point" in caplog.text
    assert (
        store_for(both, "shop", AtPosition(Position(made.binlog(2), log.edges[8].offset)), (), physical=False).name
        == "two"
    )
    assert store_for(both, "shop", Latest(), (), physical=False).name == "one"
    gone = AtTime(BEGAN - SECOND)
    assert store_for(both, "shop", gone, (), physical=False).name == "one"  # what is wrong is said where it is read


def test_a_recovery_asks_each_store_once_for_the_names_of_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = in_folders(tmp_path)
    stream = msgspec.structs.replace(PLAN.streams[0], database="shop", stores=("one", "two"))
    both = World(msgspec.structs.replace(both.plan, streams=(stream,)), Path(), {})
    log = Log()
    for _ in range(3):
        log.begin_file()
        for second in range(5):
            log.commit(BEGAN + (60 + second) * SECOND)
    ends = {"one": log.edges[-3], "two": log.end}
    for name, end in ends.items():
        kept = log.store([], log.edges[0])
        for key, body in kept.objects.items():
            segment = parse_key(key)
            if not segment or order(Position(segment.file, segment.end)) <= order(end):
                both.store(name).put(key, body)
    asked: Counter[str] = Counter()
    for method in ("list", "folders"):
        plain = getattr(DirectoryStore, method)

        def counting(store: DirectoryStore, prefix: str, *more: str, plain: Any = plain) -> object:
            asked[f"{store.name}/{prefix}"] += "/logs/" in prefix
            return plain(store, prefix, *more)

        monkeypatch.setattr(DirectoryStore, method, counting)
    store = store_to_read(both, "shop", None)
    for point in (Latest(), AtTime(BEGAN + 62 * SECOND), AtPosition(log.edges[-2])):
        start = next(starts(store, "shop", point, ()))
        with open_spool(start, store, (), ByClient(tmp_path, "asked for")) as spool:
            found = spool.found()
        assert point != Latest() or found.stop == log.end
    assert {name: count for name, count in asked.items() if count} == {
        f"{name}/shop/{made.SERVER}/logs/{folder}": 1
        for name in ends
        for folder in ("", "000001/", *(f"000001/{made.binlog(number)}/" for number in (1, 2, 3)))
    }
