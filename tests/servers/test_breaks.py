"""Where log and image do not belong together, that is told: by verify, status and restore; and a new image is due."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bkpc_runtime.errors import BadUsage, Refused, RuntimeFailure
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.choice import choose
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.segments import order
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.steps.verify import verify_image
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer
from tests.servers.command_line import Office
from tests.servers.kinds_of_store import keys
from tests.servers.streaming import Streaming, position, wait_for, wait_until


@pytest.fixture
def writing(fresh_server: ThrowawayServer, monkeypatch: pytest.MonkeyPatch) -> ThrowawayServer:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(fresh_server.bin))
    fresh_server.run("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
    return fresh_server


def image(server: ThrowawayServer, store: Store) -> catalogue.Image:
    take_image(Source("shop", parse_address(server.url), Secret("")), [store], [], expected_size=1)
    return catalogue.all_images(store, "shop")[0]


def streamed(server: ThrowawayServer, store: Store, *rows: int) -> Position:
    """Up to where at least: MariaDB may write a checkpoint into its log whenever it likes."""
    with Streaming(server, store) as stream:
        server.run(*(f"INSERT INTO w.t VALUES ({row})" for row in rows))
        end = position(server)
        wait_for(stream, end)
        return end


def reset(server: ThrowawayServer) -> None:
    server.reset_binlogs()


def broken(store: Store, taken: catalogue.Image, says: str) -> None:
    assert says in catalogue.severed(store, taken)
    assert any(says in one for one in verify_image(taken, store, []).problems)
    with pytest.raises(Refused, match="later log that can't be reached"):
        choose(store, "shop", "latest", [])


def test_log_after_a_reset_does_not_continue_the_image(writing: ThrowawayServer, store: Store) -> None:
    streamed(writing, store, 1)
    taken = image(writing, store)
    end = streamed(writing, store, *range(2, 7))
    last = position(writing)
    assert catalogue.severed(store, taken) == ""
    reset(writing)
    streamed(writing, store, *range(100, 160))
    reached = catalogue.window(store, taken)
    assert reached is not None
    assert reached.epoch == 1
    assert order(end) <= order(reached.end) <= order(last)
    broken(store, taken, "the log breaks off at")
    assert choose(store, "shop", end.text, []).stop == end
    again = image(writing, store)
    assert catalogue.severed(store, again) == ""


def test_purged_log_is_told(writing: ThrowawayServer, store: Store) -> None:
    taken = image(writing, store)
    streamed(writing, store, 1, 2)
    writing.run("INSERT INTO w.t VALUES (3)", "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")

    def purged() -> bool:  # MariaDB purges nothing that the ended stream may still read
        writing.run(f"PURGE BINARY LOGS TO '{position(writing).file}'")
        return len(writing.run("SHOW BINARY LOGS")) == 1

    wait_until(purged)
    streamed(writing, store, 4, 5)
    broken(store, taken, "no longer has")


def test_a_missing_segment_is_told_wherever_it_was(writing: ThrowawayServer, store: Store) -> None:
    taken = image(writing, store)
    for row in range(4):
        streamed(writing, store, row)
    found = [key for key in keys(store, ".zst") if "/logs/" in key]
    assert len(found) >= 3
    for missing in (found[1], found[0]):
        body = store.get(missing)
        store.delete(missing)
        assert catalogue.severed(store, taken)
        assert verify_image(taken, store, []).problems
        store.put(missing, body)
    assert verify_image(taken, store, []).problems == ()


def test_a_position_is_known_by_its_whole_name(writing: ThrowawayServer, store: Store) -> None:
    image(writing, store)
    streamed(writing, store, 1, 2)
    end = position(writing)
    number = end.file.partition(".")[2]
    for name in (f"mysql-bin.{number}", f"{end.file.partition('.')[0].upper()}.{number}", f"binlog.0{number}"):
        with pytest.raises(RuntimeFailure, match="no image"):
            choose(store, "shop", f"{name}:{end.offset}", [])
    with pytest.raises(BadUsage, match="head"):
        choose(store, "shop", f"{end.file}:0", [])


def test_the_first_stream_goes_back_to_the_image(writing: ThrowawayServer, disk: DirectoryStore) -> None:
    office = Office.opened(disk.root.parent / "office", writing)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    writing.run("INSERT INTO w.t VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO w.t VALUES (2)")
    agent = office.start("agent", "plan.json")
    try:
        wait_until(lambda: "all that the server has written" in office.bkpc("status", "plan.json").text)
        office.bkpc("status", "plan.json", expect=0)
    finally:
        agent.terminate()
        assert agent.wait(60) == 0


def test_after_a_break_a_new_image_is_due(writing: ThrowawayServer, disk: DirectoryStore) -> None:
    office = Office.opened(disk.root.parent / "office", writing)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    disk = DirectoryStore("disk", office.folder / "backups")
    streamed(writing, disk, 1)
    assert "nothing is missing" in office.bkpc("apply", "plan.json", "--yes", expect=0).text
    reset(writing)
    streamed(writing, disk, *range(10, 90))
    shown = office.bkpc("status", "plan.json", expect=1).text
    assert "problem: " in shown
    assert "all that the server has written" not in shown
    shown = office.bkpc("apply", "plan.json", "--yes", expect=0).text
    assert "a new image of `shop` is due" in shown
    assert len(catalogue.all_images(disk, "shop")) == 2


def test_a_time_that_names_no_one_place_is_refused(writing: ThrowawayServer, store: Store) -> None:
    """A session may set its own clock; what comes later must not be lost for it."""
    taken = image(writing, store)
    with Streaming(writing, store) as stream:
        writing.run("SET timestamp = 1000000000", "INSERT INTO w.t VALUES (1)")
        writing.run("SET timestamp = 2000000000", "INSERT INTO w.t VALUES (2)")
        writing.run("SET timestamp = 1500000000", "INSERT INTO w.t VALUES (3)")
        wait_for(stream, position(writing))
    later = "2032-01-01T00:00:00Z"
    if writing.flavour == "mysql":  # it writes when a transaction was committed, whatever the session's clock
        with pytest.raises(Refused, match="log ends at"):
            choose(store, "shop", later, [])
    else:
        with pytest.raises(Refused, match="times go back"):
            choose(store, "shop", later, [])
    assert choose(store, "shop", "latest", []).image == taken


def test_a_manifest_that_can_not_be_read_is_told_and_keeps_no_other_from_use(
    writing: ThrowawayServer, disk: DirectoryStore
) -> None:
    office = Office.opened(disk.root.parent / "office", writing)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    office.bkpc("run", "plan.json", "shop/full/disk", expect=0)
    first, second = sorted((office.folder / "backups").glob("shop/*/images/*/MANIFEST.json"))
    whole = second.read_text()
    for body in ("", "{}", whole.replace('"finished": "2', '"finished": "x'), whole.replace('"binlog.', '"../binlog/')):
        assert body != whole
        second.write_text(body)
        shown = office.bkpc("verify", "plan.json", expect=5).text
        assert f"damaged  shop  disk  shop/{second.relative_to(office.folder / 'backups' / 'shop')}" in shown
        assert f"ok  shop  disk  {first.parent.name}" in shown
        assert first.parent.name in office.bkpc("list", "plan.json", expect=0).text
        office.bkpc("status", "plan.json")


def test_an_image_whose_log_nobody_archived_is_not_damaged_once_another_followed(
    fresh_server: ThrowawayServer, tmp_path: Path
) -> None:
    office = Office.opened(tmp_path / "office", fresh_server)
    office.begin()
    for _ in range(2):
        office.bkpc("run", "plan.json", "shop/full/disk", expect=0)
    agent = office.start("agent", "plan.json")
    try:
        until = time.monotonic() + 60
        while "log to" not in office.bkpc("list", "plan.json").text:
            assert time.monotonic() < until
        text = office.bkpc("verify", "plan.json", expect=0).text
    finally:
        agent.terminate()
        agent.wait()
    assert text.count("ok  shop") == 2
    assert "its log ends there" in text
