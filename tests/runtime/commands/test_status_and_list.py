"""What `list` and `status` say of what is kept, without a server: windows, holds, verification, what is to go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bkpc_runtime.commands.status_keeping import fields, kept_of, lines, untrusted
from bkpc_runtime.commands.status_metrics import METRICS, metrics
from bkpc_runtime.commands.status_stream import lag_state
from bkpc_runtime.repository import catalogue, marks
from bkpc_runtime.world import open_world
from tests.oss_server import OssServer
from tests.runtime.commands.test_keeping import Keeping
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY, HOUR, PREFIX

ROOT = Path(__file__).parents[3]


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    with OssServer(tmp_path / "oss") as server:
        (tmp_path / "desk").mkdir()
        found = Keeping(tmp_path / "desk", server)
        found.compile("7d, 2 weekly")
        yield found


def row(keeping: Keeping) -> dict[str, Any]:
    world = open_world(keeping.desk.folder / "plan.json")
    now = datetime.now(UTC)
    return fields(kept_of(world, "shop", now)["disk"], now)


def test_list_says_why_each_image_is_kept(keeping: Keeping) -> None:
    ids = keeping.fill(20)
    listed = json.loads(keeping.desk.run("list", "plan.json", "--format", "json").stdout)
    why = {one["image"]: one["kept_because"] for one in listed}
    assert list(why) == ids[::-1]
    assert why[ids[-1]][0] == "the newest"
    assert "the points of the last 7d" in why[ids[-2]]
    assert "the points of the last 7d go back to it" in why[ids[12]]
    assert why[ids[0]] == []
    text = keeping.desk.run("list", "plan.json").stdout
    assert "    to go: nothing that is kept needs it\n" in text
    assert "    kept: the newest; " in text


def test_the_windows_are_those_that_are_there(keeping: Keeping) -> None:
    keeping.fill(9)
    made.put_gap(keeping.store, 2, keeping.now - 3 * HOUR)
    made.put_log(keeping.store, 2, 12, 0, 500)
    found = row(keeping)
    (window,) = found["windows"]
    assert window["from"] == (keeping.now - 8 * DAY - HOUR).isoformat()
    assert window["log_to"] == "binlog.000009:1000"
    assert datetime.fromisoformat(window["until"]) == keeping.now - 3 * HOUR
    assert found["single_images"] == 0
    assert any(line.startswith("restorable: any point from ") for line in lines(found))


def test_held_damaged_and_verified(keeping: Keeping) -> None:
    ids = keeping.fill(9)
    marks.put(keeping.store, PREFIX, marks.VERIFIED, ids[4], "ok", keeping.now - DAY)
    found = row(keeping)
    assert found["last_verified"]["image"] == ids[4]
    assert not found["newest_verified"]
    marks.put(keeping.store, PREFIX, marks.JUDGED, ids[-1], "hold", keeping.now)
    marks.put(keeping.store, PREFIX, marks.VERIFIED, ids[2], "damaged", keeping.now)
    found = row(keeping)
    assert [one["image"] for one in found["held"]] == [ids[-1]]
    assert found["damaged"] == [ids[2]]
    there = {one.manifest.id: one for one in catalogue.all_images(keeping.store, "shop")}
    assert list(untrusted(keeping.store, there[ids[-1]])) == ["HELD: it differs from its predecessors"]
    assert next(untrusted(keeping.store, there[ids[2]])).startswith("DAMAGED when it was read back at ")
    assert list(untrusted(keeping.store, there[ids[1]])) == []
    told = list(lines(found))
    assert f"problem: image {ids[2]} is damaged: a new one is due" in told
    assert f"expiry: nothing goes: the newest image, {ids[-1]}, is held: it differs from its predecessors" in told


def test_what_is_to_go_and_when(keeping: Keeping) -> None:
    ids = keeping.fill(20)
    marks.put(keeping.store, PREFIX, marks.EXPIRING, ids[0], "due", keeping.now - DAY)
    found = row(keeping)
    assert found["expiring"][0]["image"] == ids[0]
    until = datetime.fromisoformat(found["expiring"][0]["not_before"])
    assert abs(until - (keeping.now + 2 * DAY)) < HOUR
    assert found["expiring"][1]["not_before"] is None
    assert any(line.startswith(f"expiry: {len(found['expiring'])} images are to go, from ") for line in lines(found))


def test_metrics_are_those_of_the_page_and_names_are_escaped(keeping: Keeping) -> None:
    keeping.fill(3)
    whole = row(keeping) | {
        "database": 'sh"op', "store": "disk", "images": 3, "image_age_seconds": 60, "severed": "", "overdue": [],
        "bytes_not_stored": None, "stream": {"lag_seconds": 1.5}, "promised_rpo_seconds": 10.0,
        "drill": {"passed": False, "age_seconds": 60, "overdue": True},
    }  # fmt: skip
    told = list(metrics([whole], fine=True))
    assert "bkpc_status_ok 1" in told
    assert 'bkpc_images{database="sh\\"op",store="disk"} 3' in told
    assert 'bkpc_log_lag_seconds{database="sh\\"op",store="disk"} 1.5' in told
    assert 'bkpc_drill_passed{database="sh\\"op",store="disk"} 0' in told
    assert not any(line.startswith("bkpc_log_behind_bytes") for line in told)
    page = (ROOT / "docs" / "monitoring.md").read_text()
    told_of = re.findall(r"^\| `(bkpc_\w+)` \| (.+) \|$", page, re.MULTILINE)
    assert told_of == [(name, words) for name, words, _ in METRICS]


@pytest.mark.parametrize(
    ("lag", "agent", "state"),
    [(1.0, "running", "ok"), (31.0, "running", "warn"), (301.0, "running", "fail"), (301.0, "none here", ""),
     (None, "running", "")],
)  # fmt: skip
def test_a_lag_is_as_bad_as_the_policy_says(keeping: Keeping, lag: float | None, agent: str, state: str) -> None:
    text = (keeping.desk.folder / "shop.bkp").read_text().replace("  keep", "  flow { lag warn 30s fail 5min }\n  keep")
    (keeping.desk.folder / "shop.bkp").write_text(text)
    assert keeping.desk.run("compile", "shop.bkp", "-o", "plan.json").returncode == 0
    world = open_world(keeping.desk.folder / "plan.json")
    assert lag_state(world, "shop", {"agent": agent, "lag_seconds": lag}) == state
    assert lag_state(world, "shop", None) == ""
