"""Log that `verify` finds damaged is not forgotten: windows close there until it is mended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bkpc_compiler.main import main
from bkpc_runtime.errors import ObjectFrozen, StoreDenied
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.repository.log_damage import damaged_log, mend, note
from bkpc_runtime.repository.segments import Segment, archived_file, parse_key
from bkpc_runtime.steps.verification import note_met
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.transfer.outbound import packed
from tests.oss_server import OssServer
from tests.runtime.commands.test_keeping import Keeping
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY, HOUR, PREFIX


def put(keeping: Keeping, number: int, start: int, end: int) -> Path:
    """A sound segment; its file."""
    body = packed(bytes(number % 7 for _ in range(start, end)))
    one = Segment(1, made.binlog(number), start, end, hashlib.sha256(body).hexdigest(), False)
    keeping.store.put(one.key(PREFIX), body)
    return keeping.desk.folder / "backups" / one.key(PREFIX)


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    """Two images, and two binlogs of three segments each; the second image stands in the second binlog."""
    with OssServer(tmp_path / "oss") as server:
        (tmp_path / "desk").mkdir()
        found = Keeping(tmp_path / "desk", server)
        found.compile("7d")
        for number, ago in ((1, DAY), (2, 3 * HOUR)):
            image = made.manifest(found.now - ago, Position(made.binlog(number), 4), parts=0, took=HOUR)
            made.put_image(found.store, image)
            for start in (0, 100, 200):
                put(found, number, start, start + 100)
        made.put_end(found.store, 1, 1, 300)
        yield found


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(keeping: Keeping, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in the desk's folder: its exit code, and what it prints."""
    monkeypatch.chdir(keeping.desk.folder)
    monkeypatch.setenv("SHOP_DB_USER", "u")
    monkeypatch.setenv("SHOP_DB_PASSWORD", "p")

    def ran(command: str, *more: str) -> tuple[int, str]:
        code = main([command, "plan.json", *more])
        return code, capsys.readouterr().out

    return ran


def ends(run: Run) -> list[str | None]:
    return [one["log_to"] for one in reversed(json.loads(run("list", "--format", "json")[1]))]


def segment(keeping: Keeping, number: int, start: int) -> Path:
    folder = keeping.desk.folder / "backups" / PREFIX / "logs" / "000001" / made.binlog(number)
    (found,) = folder.glob(f"{start:012d}-*.zst")
    return found


def spoil(path: Path) -> bytes:
    body = path.read_bytes()
    path.write_bytes(body[:10])
    return body


@pytest.mark.parametrize(
    ("number", "start", "closed"),
    [
        (1, 200, ["binlog.000001:200", "binlog.000002:300"]),
        (2, 100, ["binlog.000002:100", "binlog.000002:100"]),
        (2, 200, ["binlog.000002:200", "binlog.000002:200"]),
        (2, 0, ["binlog.000001:300", None]),
    ],
)
def test_the_window_closes_where_the_log_is_damaged_until_it_is_mended(
    keeping: Keeping, run: Run, number: int, start: int, closed: list[str | None]
) -> None:
    assert ends(run) == ["binlog.000002:300"] * 2
    assert run("verify")[0] == 0
    path = segment(keeping, number, start)
    body = spoil(path)
    for _ in range(2):  # what is known to be damaged is told again
        code, told = run("verify")
        assert (code, f"{path.name} is damaged" in told) == (5, True)
        assert ends(run) == closed
    place = f"{made.SERVER}/000001/{made.binlog(number)}:{start}"
    code, status = run("status")
    assert code == 1
    assert f"problem: the log was found damaged at {place}: " in status
    assert ("the archived log is damaged after" in status) == (number == 2 and start > 0), "it continues the newest"
    assert (", damaged there" in run("list")[1]) == (closed[1] is not None or number == 2)
    path.write_bytes(body)
    assert run("verify")[0] == 0
    assert ends(run) == ["binlog.000002:300"] * 2
    assert "damaged" not in run("status")[1]
    assert not [one for one in path.parent.iterdir() if one.suffix in {".damaged", ".mended"}]


def test_parts_that_are_not_there_are_seen_without_reading_one(keeping: Keeping, run: Run) -> None:
    image = made.put_image(keeping.store, made.manifest(keeping.now - 2 * HOUR, Position(made.binlog(2), 4)))
    assert "restored" not in run("status")[1].replace("can be restored", "")
    part = keeping.desk.folder / "backups" / layout.part_key(PREFIX, image.id, image.parts[1].name)
    part.write_bytes(b"pa")
    code, told = run("status")
    assert code == 1
    assert f"problem: the newest image can't be restored: {part.name} of it" in told


def test_it_is_mended_when_another_segment_has_its_bytes(keeping: Keeping, run: Run) -> None:
    spoil(segment(keeping, 1, 100))
    run("verify")
    assert ends(run)[0] == "binlog.000001:100"
    put(keeping, 1, 50, 220)
    assert ends(run)[0] == "binlog.000002:300"
    assert "damaged" not in run("status")[1]


def test_the_newest_note_counts_where_none_can_be_removed(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise StoreDenied("locked")

    monkeypatch.setattr(DirectoryStore, "delete", denied)
    key = str(segment(keeping, 1, 100).relative_to(keeping.desk.folder / "backups"))
    one = parse_key(key)
    assert one is not None
    for at in range(3):
        note(keeping.store, PREFIX, one, keeping.now + 2 * at * HOUR)
        assert archived_file(keeping.store, PREFIX, 1, one.file).reach == 100
        mend(keeping.store, PREFIX, one, keeping.now + (2 * at + 1) * HOUR)
        assert archived_file(keeping.store, PREFIX, 1, one.file).reach == 300
    assert [one for one in catalogue.all_images(keeping.store, "shop") if catalogue.severed(keeping.store, one)] == []


def test_what_is_met_is_noted_and_what_was_spoiled_on_the_way_is_not(keeping: Keeping) -> None:
    """As a restore and a drill do."""
    path = segment(keeping, 1, 100)
    one = parse_key(str(path.relative_to(keeping.desk.folder / "backups")))
    assert one is not None

    def reach() -> int:
        return archived_file(keeping.store, PREFIX, 1, one.file).reach

    met = damaged_log("disk", PREFIX, one, "is not what was written: its hash differs", spoiled=True)
    note_met(keeping.store, met, keeping.now)
    note_met(keeping.store, ValueError(), keeping.now)
    assert reach() == 300
    spoil(path)
    again = type(met)(f"{met} (the replay had begun)", help=met.help)  # as replay does
    again.__cause__ = met
    note_met(keeping.store, again, keeping.now)
    assert reach() == 100


def test_what_is_frozen_by_now_keeps_nothing_else_from_being_verified(
    keeping: Keeping, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The segment is in a cold class, the note of its damage never is."""
    path = segment(keeping, 1, 100)
    body = spoil(path)
    run("verify")
    path.write_bytes(body)
    get = DirectoryStore.get

    def frozen(store: DirectoryStore, key: str) -> bytes:
        if key.endswith(path.name):
            raise ObjectFrozen(f"{key} must thaw")
        return get(store, key)

    monkeypatch.setattr(DirectoryStore, "get", frozen)
    code, told = run("verify")
    assert code
    assert f"{path.name} was found damaged, and must thaw before it can be looked at again" in told
    assert told.count("ok ") == 2, told
