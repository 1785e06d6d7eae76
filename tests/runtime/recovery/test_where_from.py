"""From where a recovery reads when the store that was written is gone: from the copy that OSS keeps of it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bkpc_grammar.plan import CredentialReference, Plan
from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.where_from import store_to_read
from bkpc_runtime.world import World
from tests.iam.test_least_replication import PLAN
from tests.oss_server import KEY_ID, KEY_SECRET, OssServer
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
