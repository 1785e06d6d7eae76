"""A binlog of the same name and first event that is another one, and one that is damaged at the server."""

from __future__ import annotations

import json
import re
import struct
from functools import partial
from pathlib import Path

import pytest

from bkpc_runtime.errors import BadUsage
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.choice import choose
from bkpc_runtime.repository import segments
from bkpc_runtime.steps import log_group, log_stuck
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.stores.directory import DirectoryStore
from tests.database_server import ThrowawayServer
from tests.servers.command_line import Office
from tests.servers.streaming import Streaming, archived, binlogs, position, wait_for, wait_until

SECOND = 1_700_000_000
"""When all binlogs of a test begin: a session's own clock goes into them."""


def begin_anew(server: ThrowawayServer) -> None:
    reset = "RESET MASTER" if server.flavour == "mariadb" else "RESET BINARY LOGS AND GTIDS"
    server.run(f"SET timestamp = {SECOND}", reset)
    (body,) = binlogs(server).values()
    assert struct.unpack_from("<I", body, 4) == (SECOND,)


def write(server: ThrowawayServer, count: int) -> None:
    rows = ["INSERT INTO w.t VALUES (1)"] * count
    server.run("DROP DATABASE IF EXISTS w", "CREATE DATABASE w", "CREATE TABLE w.t (n INT)", *rows)


def reason(disk: DirectoryStore, prefix: str, epoch: int) -> str:
    return str(json.loads(disk.get(segments.gap_key(prefix, epoch)))["reason"])


@pytest.mark.parametrize(("by_chance", "why"), [(True, "begun in the same second"), (False, "no event ends at")])
@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_a_log_that_was_begun_anew_within_the_second_is_another(
    server: ThrowawayServer, disk: DirectoryStore, restarted: bool, by_chance: bool, why: str
) -> None:
    """It has grown beyond what was received of the one before, and may have the end of an event at the same place."""
    write(server, 1)
    begin_anew(server)
    write_anew = partial(written_anew, server, by_chance=by_chance)
    streaming = Streaming(server, disk, oldest=lambda: position(server).file)
    with streaming as stream:
        write(server, 5)
        before = position(server)
        wait_for(stream, before)
        if not restarted:
            write_anew()
            stream.reconnect()
            wait_until(lambda: stream.state().epoch == 2)
            wait_for(stream, position(server))
    if restarted:
        write_anew()
        with Streaming(server, disk) as stream:
            wait_for(stream, position(server))
    assert why in reason(disk, streaming.prefix, 2)
    found = archived(disk, streaming.prefix, 2, Position(before.file, 0))
    assert found == binlogs(server)
    assert archived(disk, streaming.prefix, 1, Position(before.file, 0))[before.file] != found[before.file]


def written_anew(server: ThrowawayServer, *, by_chance: bool) -> None:
    begin_anew(server)
    if not by_chance:
        server.run("CREATE DATABASE another")
    write(server, 50)
    server.run("DROP DATABASE IF EXISTS another")


def test_what_a_server_has_damaged_is_a_gap_and_the_log_goes_on_behind_it(
    server: ThrowawayServer, disk: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one way that the server sees and one that it does not; with a file behind it and without."""
    monkeypatch.setattr(log_stuck, "LASTING", 1.0)
    monkeypatch.setattr(log_group, "_LONGEST_PAUSE", 0.5)
    server.run("FLUSH BINARY LOGS")
    first = position(server).file
    streaming = Streaming(server, disk, oldest=lambda: first)
    with streaming as stream:
        write(server, 5)
        before = position(server)
        wait_for(stream, before)
    write(server, 5)
    whole = binlogs(server)[first]
    damage(server, first, before.offset + 40, b"\xff" * 400)
    server.run("FLUSH BINARY LOGS")
    second = position(server).file
    with Streaming(server, disk) as stream:
        wait_until(lambda: stream.state().epoch == 2)
        write(server, 5)
        before = position(server)
        assert before.file == second
        wait_for(stream, before)
    assert f"{first} is damaged after" in reason(disk, streaming.prefix, 2)
    (found,) = archived(disk, streaming.prefix, 1, Position(first, 0)).values()
    assert whole.startswith(found)

    write(server, 5)
    offset = position(server).offset
    write(server, 5)
    damage(server, second, offset + 25, b"\xff")
    with Streaming(server, disk) as stream:
        wait_until(lambda: "FLUSH BINARY LOGS" in stream.state().failure)
        assert stream.state().epoch == 2
        assert stream.state().lag_seconds > 1
        server.run("FLUSH BINARY LOGS")
        wait_until(lambda: stream.state().epoch == 3)
        write(server, 5)
        wait_for(stream, position(server))
        assert not stream.state().failure
    reached = segments.newest_end(disk, streaming.prefix, 2)
    assert reached == Position(second, offset), "all before it is stored"
    last = position(server).file
    assert archived(disk, streaming.prefix, 3, Position(last, 0)) == {last: binlogs(server)[last]}


def damage(server: ThrowawayServer, file: str, offset: int, bytes_: bytes) -> None:
    with (server.datadir / file).open("r+b") as opened:
        opened.seek(offset)
        opened.write(bytes_)


def test_a_place_says_in_which_log_it_is_where_the_server_began_it_anew(
    fresh_server: ThrowawayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of both have the same names: what `log` prints goes to its own, and a name alone goes to neither."""
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(fresh_server.bin))
    office = Office.opened(tmp_path / "office", fresh_server)
    office.begin()
    disk = DirectoryStore("disk", office.folder / "backups")
    address = parse_address(fresh_server.url)
    for _ in range(2):
        fresh_server.reset_binlogs()
        fresh_server.run("DROP DATABASE IF EXISTS w", "CREATE DATABASE w", "CREATE TABLE w.t (n INT)")
        take_image(Source("shop", address, address.password()), [disk], [], expected_size=1 << 20)
        with Streaming(fresh_server, disk) as stream:
            fresh_server.run("DROP TABLE w.t", "CREATE TABLE w.t (n INT)")
            wait_for(stream, position(fresh_server))
    shown = office.bkpc("log", "plan.json", "shop", "--find", "drop table w.t", expect=0).text
    asked = re.findall(r"--to (\S+)", shown)
    assert len({one.rpartition("/")[2] for one in asked}) == 1, "both are at one place of one name"
    epochs = [found.epoch for one in asked if (found := choose(disk, "shop", one, []).window)]
    assert sorted(epochs) == [1, 2]
    assert all(f"/{epoch:06d}/" in one for epoch, one in zip(epochs, asked, strict=True))
    with pytest.raises(BadUsage, match="in 2 logs, which the server began anew") as refused:
        choose(disk, "shop", asked[0].rpartition("/")[2], [])
    assert {f"  --to {one}" for one in asked} == set(refused.value.help.splitlines()[1:])
