"""What `list` and `status` say of what is kept, without a server: windows, holds, verification, what is to go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bkpc_runtime.commands.status import _log_words, status_of
from bkpc_runtime.commands.status_keeping import fields, kept_of, lines, untrusted
from bkpc_runtime.commands.status_metrics import METRICS, metrics
from bkpc_runtime.commands.status_stream import lag_state, stream_fine
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, marks, segments
from bkpc_runtime.stores.store import Store
from bkpc_runtime.world import open_world
from tests.oss_server import OssServer
from tests.runtime.commands.test_keeping import POLICY, Keeping
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


def test_status_warns_of_more_tables_than_proofs_count_on(keeping: Keeping) -> None:
    policy = keeping.desk.folder / "shop.bkp"
    keeping.fill(1)
    for tables, warned in ((2, False), (1, True)):
        policy.write_text(re.sub(r"  size (\S+)", rf"  tables {tables}  size \1", POLICY.format(keep="7d")))
        assert keeping.desk.run("compile", "shop.bkp", "-o", "plan.json").returncode == 0
        told = keeping.desk.run("status", "plan.json").stdout
        assert ("warning: 2 tables and schemas, 1 are counted on: " in told) is warned


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


def test_an_image_that_a_clock_behind_has_dated_promises_no_point_before_it(keeping: Keeping) -> None:
    """The log goes by the server's clock."""
    taken = keeping.now - HOUR
    image = made.manifest(keeping.now - 30 * DAY, Position(made.binlog(1), 4), origin=made.origin_of(1, 1))
    made.put_image(keeping.store, msgspec.structs.replace(image, snapshot=taken.isoformat()))
    made.put_log(keeping.store, 1, 1, 0, 1000)
    assert [one["from"] for one in row(keeping)["windows"]] == [taken.isoformat()]


def test_status_lists_the_log_after_the_newest_image_once_beside_the_archive(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping.fill(1)
    made.put_end(keeping.store, 1, 1, 1000)
    made.put_log(keeping.store, 1, 2, 0, 1000)
    made.put_end(keeping.store, 1, 2, 1000)
    made.put_log(keeping.store, 1, 3, 0, 1000)
    listed: list[str] = []
    archived = segments.archived_file

    def counted(store: Store, prefix: str, epoch: int, file: str) -> segments.ArchivedFile:
        listed.append(file)
        return archived(store, prefix, epoch, file)

    monkeypatch.setattr(segments, "archived_file", counted)
    rows, _ = status_of(
        open_world(keeping.desk.folder / "plan.json", {"SHOP_DB_USER": "u", "SHOP_DB_PASSWORD": "p"}), None
    )
    assert rows[0]["log_to"] == "binlog.000003:1000"
    assert listed.count("binlog.000002") == 2  # for what is kept, and for how far the log goes


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
    marks.put(keeping.store, PREFIX, marks.EXPIRING, ids[1], "due", keeping.now)
    (about_to_go,) = untrusted(keeping.store, there[ids[1]])
    assert about_to_go.startswith(f"ABOUT TO GO: expiry has marked it at {keeping.now:%Y-%m-%d %H:%M} UTC")
    told = list(lines(found))
    assert f"problem: image {ids[2]} is damaged: it brings nothing back, nor what builds on it" in told
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
        "database": 'sh"op', "store": "disk", "images": 3, "image_age_seconds": 60, "ahead": "", "severed": "",
        "overdue": [], "bytes_not_stored": None, "stream": {"lag_seconds": 1.5}, "promised_rpo_seconds": None,
        "promised_rpo_for_share": [{"seconds": 10.0, "share": 0.5}],
        "drill": {"passed": False, "age_seconds": 60, "overdue": True}, "endangered": [{}, {}],
    }  # fmt: skip
    told = list(metrics([whole], fine=True))
    assert "bkpc_status_ok 1" in told
    assert 'bkpc_images{database="sh\\"op",store="disk"} 3' in told
    assert 'bkpc_log_lag_seconds{database="sh\\"op",store="disk"} 1.5' in told
    assert 'bkpc_drill_passed{database="sh\\"op",store="disk"} 0' in told
    assert 'bkpc_promised_rpo_for_share_seconds{database="sh\\"op",store="disk"} 10.0' in told
    assert not any(line.startswith(("bkpc_log_behind_bytes", "bkpc_promised_rpo_seconds")) for line in told)
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


@pytest.fixture
def two_stores(keeping: Keeping) -> Keeping:
    """`disk` holds images and log, `far` a file where its folder was."""
    source = keeping.desk.folder / "shop.bkp"
    text = source.read_text().replace("store disk", 'store far at here { directory "far" }\nstore disk')
    source.write_text(
        text.replace("within 1h to disk", "within 1h to disk, far").replace("hot to disk", "hot to disk, far")
    )
    done = keeping.desk.run("compile", "shop.bkp", "-o", "plan.json")
    assert done.returncode == 0, done.stderr
    keeping.fill(3)
    (keeping.desk.folder / "far").write_text("not a folder")
    return keeping


def test_the_promises_that_fall_are_named(two_stores: Keeping) -> None:
    desk = two_stores.desk
    status = desk.run("status", "plan.json")
    assert "  endangered: rpo 2d against corruption: far does not answer\n" not in status.stdout, "disk has all of it"
    for key in [one.key for one in two_stores.store.list("")]:
        two_stores.store.delete(key)
    status = desk.run("status", "plan.json")
    assert "  endangered: rpo 2d against corruption: disk has no image\n" in status.stdout
    told = desk.run("status", "plan.json", "--format", "prometheus").stdout
    assert 'bkpc_promises_endangered{database="shop",store="disk"} 1' in told


def test_a_store_that_is_away_hides_no_other(two_stores: Keeping) -> None:
    desk = two_stores.desk
    status = desk.run("status", "plan.json")
    assert status.returncode == 1, status
    assert "shop in far\n  problem: far does not answer: store `far`" in status.stdout
    assert "shop in disk\n  3 images, newest " in status.stdout
    rows = {one["store"]: one for one in json.loads(desk.run("status", "plan.json", "--format", "json").stdout)}
    assert "unanswered" not in rows["disk"]
    assert rows["far"]["unanswered"].startswith("store `far`")
    listed = desk.run("list", "plan.json")
    assert listed.returncode == 4, listed
    assert len(re.findall(r"^shop  disk  2", listed.stdout, re.MULTILINE)) == 3
    assert "shop  far  problem: far does not answer: store `far`" in listed.stdout
    as_json = desk.run("list", "plan.json", "--format", "json")
    assert (as_json.returncode, len(json.loads(as_json.stdout))) == (4, 3)
    assert "far does not answer" in as_json.stderr


def test_metrics_say_which_store_is_away_and_what_is_known_of_the_others(two_stores: Keeping) -> None:
    done = two_stores.desk.run("status", "plan.json", "--format", "prometheus")
    told = done.stdout.splitlines()
    assert done.returncode == 1
    assert "bkpc_status_ok 0" in told
    assert 'bkpc_store_answers{database="shop",store="far"} 0' in told
    assert 'bkpc_store_answers{database="shop",store="disk"} 1' in told
    assert 'bkpc_images{database="shop",store="disk"} 3' in told
    assert not any(line.startswith("bkpc_images{") and '"far"' in line for line in told)


def test_metrics_are_never_fine_where_status_fails(keeping: Keeping) -> None:
    done = keeping.desk.run("status", "no.json", "--format", "prometheus")
    assert done.returncode == 2
    assert "bkpc_status_ok 0" in done.stdout.splitlines()


def test_plan_tells_what_goes_from_the_stores_that_answer(keeping: Keeping, two_stores: Keeping) -> None:
    keeping.fill(20)
    done = two_stores.desk.run("plan", "plan.json")
    assert done.returncode == 4, done
    assert "error: store `far`" in done.stderr
    assert "shop in disk\n  - image " in done.stdout


def test_verify_reads_the_stores_that_answer(two_stores: Keeping) -> None:
    done = two_stores.desk.run("verify", "plan.json")
    assert "problem  shop  far does not answer: store `far`" in done.stdout
    assert len(re.findall(r"^(?:ok|damaged)  shop  disk  2", done.stdout, re.MULTILINE)) == 3
    assert "1 stores were not read to the end" in done.stderr
    assert done.returncode == 5, "damage is worse than what was not read"
    far = two_stores.desk.run("verify", "plan.json", "--store", "far")
    assert far.returncode == 4, far


def test_a_log_that_broke_off_is_not_all_that_the_server_has_written() -> None:
    row = {"log_to": "binlog.000003:813", "severed": "the log breaks off", "server_at": "binlog.000001:200"}
    assert _log_words({**row, "bytes_not_stored": 0}) == "log to binlog.000003:813"
    assert _log_words({**row, "severed": "", "bytes_not_stored": 0}).endswith("all that the server has written")


def test_a_stream_with_a_problem_is_not_fine() -> None:
    row = {
        "agent": "running", "age_seconds": 0.1, "lag_seconds": 0.0, "acknowledged_lag_seconds": 0.0,
        "waiting_bytes": 0, "behind": False, "problem": "", "pausing": "",
    }  # fmt: skip
    assert stream_fine(row)
    assert not stream_fine({**row, "problem": "store `disk`: No space left on device"})
    assert not stream_fine({**row, "pausing": "the work folder is full"})
    assert stream_fine(None)
