"""No image is dated by a clock that is ahead of the server's."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bkpc_runtime.errors import Refused
from bkpc_runtime.preflight import look_at
from bkpc_runtime.repository import catalogue
from bkpc_runtime.steps.image import run_image
from bkpc_runtime.world import World, open_world
from tests.database_server import start_server
from tests.servers.command_line import Office
from tests.servers.conftest import FLAVOURS


def at(world: World, apart: timedelta) -> World:
    return replace(world, clock=lambda: datetime.now(UTC) + apart)


def test_no_image_of_the_future(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_server(FLAVOURS[0], tmp_path / "server") as server:
        server.run("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
        office = Office.opened(tmp_path / "office", server)
        office.begin()
        for name in ("SHOP_DB_PASSWORD", "BKPC_MYSQL_BIN"):
            monkeypatch.setenv(name, office.environ[name])
        world = open_world(office.folder / "plan.json", office.environ)
        (job,) = (one for one in world.plan.jobs if one.kind == "backup.full")
        store = world.store(job.stores[0])
        ahead, behind = (at(world, timedelta(minutes=minutes)) for minutes in (6, -6))
        with pytest.raises(Refused, match=r"clock is 360 s ahead of that of the server of `shop`") as refused:
            run_image(ahead, job, [store])
        assert "set the clock" in refused.value.help
        assert catalogue.newest(store, "shop") is None
        kinds = []
        for told in (ahead, behind, world):
            (looked, *_) = look_at(told, told.plan.estate.databases)
            kinds.append([one.kind for one in looked.findings if "clock" in one.text])
        assert kinds == [["problem"], ["warning"], []]
        with caplog.at_level(logging.WARNING):
            run_image(behind, job, [store])
        assert "clock is 360 s behind" in caplog.text
        run_image(at(world, timedelta(minutes=4)), job, [store])
