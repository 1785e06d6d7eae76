"""Stores that say nothing are asked side by side, once, for a few seconds in all; the others are told as ever."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bkpc_runtime.commands import answering
from bkpc_runtime.commands.buckets import look_at_buckets
from bkpc_runtime.commands.status import status_of
from bkpc_runtime.errors import BadUsage, StoreFailed, StoreUnreachable
from bkpc_runtime.recovery.where_from import store_to_read
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.world import World, open_world
from tests.oss_server import KEY_ID, KEY_SECRET, OssServer
from tests.runtime.commands.test_keeping import FAR, POLICY, WIKI, Keeping

REAL = World.store
SILENT = ("far0", "far1", "far2")


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def world(tmp_path: Path, silent: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two databases, each with a log on disk and images there and in three buckets that say nothing."""
    with OssServer(tmp_path / "oss") as server:
        (tmp_path / "desk").mkdir()
        keeping = Keeping(tmp_path / "desk", server)
        stores = "".join(FAR.replace("far at", f"{name} at").replace("backup/", f"{name}/") for name in SILENT)
        fulls = "".join(f"  full daily at 0{hour}:00 within 1h to {name}\n" for hour, name in enumerate(SILENT, 4))
        text = (POLICY.format(keep="7d") + WIKI).replace(
            "database shop", stores.format(endpoint=silent) + "database shop"
        )
        text = text.replace('region "r"', 'region "cn-hangzhou"').replace("  hot to disk", f"{fulls}  hot to disk")
        (keeping.desk.folder / "shop.bkp").write_text(text)
        compiled = keeping.desk.run("compile", "shop.bkp", "-o", "plan.json")
        assert compiled.returncode == 0, compiled.stderr
        keeping.fill(1)
        monkeypatch.setattr(answering, "_HASTY", Patience(total=0.8, first=0.01, tries=2, connect=0.4, answer=0.4))
        given = {"SHOP_DB_USER": "u", "SHOP_DB_PASSWORD": "p", "OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
        yield open_world(keeping.desk.folder / "plan.json", os.environ | given)


def test_silent_stores_cost_their_patience_once(world: World) -> None:
    began = time.monotonic()
    rows, fine = status_of(world, None)
    assert time.monotonic() - began < 5, "one after the other, and for each database anew, it takes minutes"
    assert not fine
    told = {(row["database"], row["store"]): row.get("unanswered", "") for row in rows}
    assert not told["shop", "disk"]
    for name in SILENT:
        for database in ("shop", "wiki"):
            assert f"store `{name}`" in told[database, name]
            assert "no answer in time" in told[database, name]


def test_one_that_hangs_where_nothing_bounds_it_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a disk of a server of files that went away."""
    done = threading.Event()
    monkeypatch.setattr(DirectoryStore, "folders", lambda *_: done.wait(60) and iter(()))
    monkeypatch.setattr(answering, "WITHIN", 1.0)
    found = answering.with_those_that_answer(world)
    done.set()
    assert found.away["disk"] == "store `disk`: no answer in 1 s"
    with pytest.raises(StoreUnreachable, match="no answer in 1 s"):
        next(found.store("disk").list(""))


def test_seconds_are_told_and_other_troubles_are_left_to_those_who_use_the_store(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_HASTY", Patience(total=2.4, first=0.01, tries=2, connect=1.2, answer=1.2))
    away = answering.with_those_that_answer(world).away
    assert sorted(away) == list(SILENT)
    assert all("(asked for 2 s)" in why or "(asked for 3 s)" in why for why in away.values()), away
    there = open_world(world.folder / "plan.json", {"SHOP_DB_USER": "u", "SHOP_DB_PASSWORD": "p"})
    assert answering.with_those_that_answer(there).away == {}
    with pytest.raises(BadUsage, match="OSS_KEY_ID"):
        status_of(there, None)


def test_who_reads_passes_over_nothing_that_may_have_more_than_others(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_PATIENT", Patience(total=1.2, first=0.01, tries=2, connect=0.6, answer=0.6))
    with pytest.raises(StoreUnreachable, match=r"store `far0`.*; it may have what no other store has") as raised:
        answering.with_those_to_read(world, ["shop"])
    assert "--without-store far0 goes on without what only that store has" in raised.value.help
    assert "no answer yet from `far0`, `far1`, `far2`" in capsys.readouterr().err
    assert sorted(answering.with_those_to_read(world, ["shop"], SILENT).away) == list(SILENT)
    with pytest.raises(BadUsage, match="--without-store nas: no store of that name is read"):
        answering.with_those_to_read(world, ["shop"], ["nas"])


def test_one_that_is_slow_and_answers_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers that take long, or a service that is busy for seconds, are no reason to lose what is in it."""
    monkeypatch.setattr(answering, "_PATIENT", Patience(total=1.2, first=0.01, tries=2, connect=0.6, answer=0.6))
    asked: list[str] = []
    folders = DirectoryStore.folders

    def slow(store: DirectoryStore, prefix: str) -> Iterator[str]:
        asked.append(prefix)
        if len(asked) == 1:
            raise StoreUnreachable("store `disk`: no answer in time", retryable=True)
        return iter(folders(store, prefix))

    monkeypatch.setattr(DirectoryStore, "folders", slow)
    assert "disk" not in answering.with_those_to_read(world, ["shop"], SILENT).away
    assert len(asked) == 2


def test_one_that_fails_while_it_is_read_is_not_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    away = replace(world, away=dict.fromkeys(SILENT[:2], "left out"))
    silent = REAL(world, "far2", Patience(total=0.4, first=0.01, tries=2, connect=0.2, answer=0.2, quick=0.2))
    monkeypatch.setattr(World, "store", lambda world, name: silent if name == "far2" else REAL(world, name))
    with pytest.raises(StoreFailed, match="it may have what no other store has") as raised:
        store_to_read(away, "shop", None, all_of_them=True)
    assert "--without-store far2" in raised.value.help
    assert store_to_read(away, "shop", None).name == "disk"
    assert store_to_read(replace(away, away=dict.fromkeys(SILENT, "")), "shop", None, all_of_them=True).name == "disk"


def test_plan_asks_silent_buckets_once(world: World) -> None:
    began = time.monotonic()
    looked = look_at_buckets(answering.with_those_that_answer(world), None)
    assert [bool(one.failure) for one in looked] == [True] * len(SILENT)
    assert time.monotonic() - began < 5
