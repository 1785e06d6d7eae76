"""A replica takes the place of its primary: the log goes on by GTID, and every instant of both stays restorable.

Counters that are added to, and keys that would come twice, show whatever is replayed twice or not at all.
"""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pyrage
import pytest

from bkpc_runtime.errors import BadUsage, Refused
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.choice import Start, choose, starts
from bkpc_runtime.recovery.point import parse_point, point_text
from bkpc_runtime.recovery.recover import Means, Restored, Silent, recover
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import By
from bkpc_runtime.repository import catalogue, segments
from bkpc_runtime.repository.joins import joins_of
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps import log_stream
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.steps.verify import verify_image
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.two_stores import ImagesAndLog
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import digests
from tests.servers.command_line import Office
from tests.servers.conftest import FLAVOURS
from tests.servers.kinds_of_store import Switched
from tests.servers.replica_set import (
    caught_up,
    executed,
    fill,
    filled_pair,
    follow,
    follow_again,
    identity,
    promote,
    replica_set,
    replica_word,
    span,
    wait_until,
    write,
)  # fmt: skip
from tests.servers.streaming import Streaming, archived, position, wait_for

_SYSTEM = "('mysql', 'sys', 'performance_schema', 'information_schema')"


@dataclass
class Archive:
    """Images in `store`, and log in both; `far` has less of the first server's."""

    store: DirectoryStore
    far: DirectoryStore
    identity: pyrage.x25519.Identity
    moments: dict[str, tuple[str, Position, str, dict[str, str]]] = field(default_factory=dict)
    times: dict[str, tuple[datetime, dict[str, str]]] = field(default_factory=dict)

    @property
    def keys(self) -> list[Secret]:
        return [Secret(str(self.identity))]

    def streaming(self, server: ThrowawayServer, *, far: bool = True) -> Streaming:
        stores = [self.store, self.far] if far else [self.store]
        return Streaming(server, stores, str(self.identity.to_public()))

    def moment(self, name: str, server: ThrowawayServer) -> None:
        self.moments[name] = (executed(server), position(server), identity(server), digests(server))

    def time(self, name: str, server: ThrowawayServer) -> None:
        def pass_on() -> None:
            now = time.time()  # MariaDB tells whole seconds
            time.sleep(0.05 if server.flavour == "mysql" else math.ceil(now) + 0.05 - now)

        pass_on()
        self.times[name] = (datetime.now(UTC), digests(server))
        pass_on()


@pytest.fixture(scope="module", params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def archive(flavour: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """From one server to the second, the third, and back to the second; nothing stays of the others."""
    folder = tmp_path_factory.mktemp("failover")
    disk, far = (DirectoryStore(name, folder / name) for name in ("disk", "far"))
    found = Archive(disk, far, pyrage.x25519.Identity.generate())
    with replica_set(flavour, folder, 3) as (first, second, third), pytest.MonkeyPatch.context() as patch:
        patch.setenv("BKPC_MYSQL_BIN", str(first.bin))
        fill(first)
        at_the_first(found, first)
        for replica in (second, third):
            caught_up(replica, first)
        first.kill()
        promote(second)
        third.run(f"STOP {replica_word(third)}")
        follow(third, second)
        write(second)
        with found.streaming(second) as stream:
            second.run("FLUSH BINARY LOGS")
            write(second)
            found.moment("second", second)
            second.run("CREATE TABLE w.later AS SELECT * FROM w.t")
            write(second)
            wait_for(stream, position(second))
        caught_up(third, second)
        second.kill()
        promote(third)
        with found.streaming(third) as stream:
            write(third)
            found.time("third", third)
            write(third)
            wait_for(stream, position(third))
        follow_again(second, third)
        third.kill()
        promote(second)
        with found.streaming(second) as stream:
            write(second)
            found.moment("last", second)
            wait_for(stream, position(second))
        yield found


def at_the_first(found: Archive, first: ThrowawayServer) -> None:
    """An image, and log of which `far` has less, and neither store all that the replicas have."""
    with found.streaming(first) as stream:
        write(first)
        source = Source("shop", parse_address(first.url), Secret(""))
        take_image(source, [found.store], [str(found.identity.to_public())], expected_size=1)
        write(first)
        wait_for(stream, position(first))
    with found.streaming(first, far=False) as stream:
        first.run("FLUSH BINARY LOGS")
        write(first)
        found.time("early", first)
        write(first)
        found.moment("stored", first)
        wait_for(stream, position(first))
    write(first)
    found.moment("replicated", first)


@pytest.fixture(scope="module")
def one_target(flavour: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayServer]:
    with start_server(flavour, tmp_path_factory.mktemp("target")) as running:
        yield running


@pytest.fixture
def target(one_target: ThrowawayServer) -> ThrowawayServer:
    names = one_target.run(f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN {_SYSTEM}")
    one_target.run("SELECT 1", *(f"DROP DATABASE `{name}`" for (name,) in names))
    return one_target


def restore(archive: Archive, target: ThrowawayServer, to: str, by: By = "applier") -> Restored:
    found = starts(archive.store, "shop", parse_point(to), archive.keys)
    into = Target(parse_address(target.url), Secret(""))
    return recover(found, archive.store, into, Means(archive.keys, by=by), Silent())


@pytest.mark.parametrize("by", ["applier", "client"])
def test_all_of_it_through_three_servers(archive: Archive, target: ThrowawayServer, by: By) -> None:
    restored = restore(archive, target, "latest", by)
    assert digests(target) == archive.moments["last"][3]
    assert restored.position == choose(archive.store, "shop", "latest", archive.keys).stop
    servers = [stretch.server for stretch in window(archive).stretches]
    assert len(servers) == 4
    assert servers[1] == servers[3]


def window(archive: Archive) -> catalogue.Window:
    (image,) = catalogue.all_images(archive.store, "shop")
    found = catalogue.window(archive.store, image)
    assert found
    return found


@pytest.mark.parametrize("name", ["stored", "replicated", "second"])
def test_to_the_gtids_of_an_instant(archive: Archive, target: ThrowawayServer, name: str) -> None:
    restore(archive, target, archive.moments[name][0])
    assert digests(target) == archive.moments[name][3]


@pytest.mark.parametrize("name", ["early", "third"])
def test_to_a_time(archive: Archive, target: ThrowawayServer, name: str) -> None:
    moment, wanted = archive.times[name]
    restore(archive, target, moment.isoformat())
    assert digests(target) == wanted


def test_to_a_position(archive: Archive, target: ThrowawayServer) -> None:
    """Servers call their files alike: a name that several have is refused with those to say."""
    _, end, server, wanted = archive.moments["second"]
    with pytest.raises(BadUsage, match="in the logs of 2 servers") as raised:
        choose(archive.store, "shop", end.text, archive.keys)
    (asked,) = (line.split()[-1] for line in raised.value.help.splitlines() if server in line)
    restore(archive, target, asked)
    assert digests(target) == wanted
    first, inside = archive.moments["stored"][1], window(archive)
    # As the members of a group are: once a point is found, it is asked for again.
    found = Start(inside.image, inside, parse_point("latest")).to(first)
    assert point_text(found.fixed) == f"{inside.stretches[0].server}/000001/{first.text}"
    assert choose(archive.store, "shop", found.fixed, archive.keys).stop == first


def test_all_is_read_back(archive: Archive) -> None:
    inside = window(archive)
    done = verify_image(inside.image, archive.store, archive.keys)
    assert (done.problems, done.severed, done.window_end) == ((), "", inside.end)
    assert verify_image(inside.image, archive.store, []).problems == ()


def test_each_store_goes_on_from_what_it_has(archive: Archive, target: ThrowawayServer) -> None:
    both = cast(Store, ImagesAndLog(archive.store, archive.far))
    image = window(archive).image
    ours, theirs = (catalogue.window(one, image) for one in (archive.store, both))
    assert ours
    assert theirs
    assert segments.order(theirs.stretches[0].end) < segments.order(ours.stretches[0].end)
    assert theirs.end == ours.end
    found = starts(both, "shop", parse_point("latest"), archive.keys)
    recover(found, both, Target(parse_address(target.url), Secret("")), Means(archive.keys, by="applier"), Silent())
    assert digests(target) == archive.moments["last"][3]


def test_by_hand(archive: Archive, target: ThrowawayServer, tmp_path: Path) -> None:
    """As docs/repository-format.md says."""
    if target.flavour == "mariadb" and target.series < (10, 8):
        pytest.skip("mariadb-binlog knows GTIDs since 10.8")
    inside = window(archive)
    restore(archive, target, inside.image.manifest.id)
    for number, one in enumerate(inside.stretches):
        there = archived(archive.store, one.prefix, one.epoch, one.start, archive.keys[0])
        mysql = target.flavour == "mysql"
        command = [f"--stop-position={one.end.offset}", "--skip-gtids" if mysql else "--skip-gtid-strict-mode"]
        start = one.held.text if number else one.start.offset
        command += [f"--{'exclude-gtids' if number and mysql else 'start-position'}={start}"]
        for name, body in there.items():
            (tmp_path / f"{number}-{name}").write_bytes(body)
        files = [str(tmp_path / f"{number}-{name}") for name in there]
        text = subprocess.run(target.binlog_command(*command, *files), check=True, capture_output=True).stdout
        # The client before MySQL 9 sends the tool's comments, too, where only rows may come.
        comments = "--skip-comments" if mysql and target.series < (9, 0) else "--comments"
        client = target.client_command("--binary-mode", comments)
        done = subprocess.run(client, input=text, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    assert digests(target) == archive.moments["last"][3]


@pytest.fixture
def pair(flavour: str, tmp_path: Path) -> Iterator[tuple[ThrowawayServer, ThrowawayServer]]:
    with filled_pair(flavour, tmp_path) as found:
        yield found


def streamed(server: ThrowawayServer, disk: DirectoryStore) -> str:
    """Log of a server is stored; its folder in the store."""
    streaming = Streaming(server, disk)
    with streaming as stream:
        write(server)
        wait_for(stream, position(server))
    return streaming.prefix


def stored(server: ThrowawayServer, disk: DirectoryStore) -> str:
    """An image, too."""
    take_image(Source("shop", parse_address(server.url), Secret("")), [disk], [], expected_size=1)
    return streamed(server, disk)


def refused(server: ThrowawayServer, disk: DirectoryStore) -> str:
    """Why the stream does not go on at a server, as the store is told; what was stored before is as it was."""
    (image,) = catalogue.all_images(disk, "shop")
    before = catalogue.window(disk, image)
    assert before
    prefix = streamed(server, disk)
    assert catalogue.window(disk, image) == before
    assert joins_of(disk, image.prefix, 1) == []
    with pytest.raises(Refused, match="and no image of it: the log of server"):
        choose(disk, "shop", "latest", [])
    told = json.loads(disk.get(segments.gap_key(prefix, 1)))
    assert (told["from"], told["server"]) == (before.end.text, image.manifest.identity)
    # Once there is an image of the new server, the old one's log stands in nobody's way.
    take_image(Source("shop", parse_address(server.url), Secret("")), [disk], [], expected_size=1)
    streamed(server, disk)
    assert choose(disk, "shop", "latest", []).stop == position(server)
    return str(told["reason"])


def test_what_is_lacking_on_either_side_is_named(
    pair: tuple[ThrowawayServer, ThrowawayServer], disk: DirectoryStore, tmp_path: Path
) -> None:
    first, second = pair
    behind = DirectoryStore("behind", tmp_path / "behind")
    stored(first, behind)
    before = int(executed(first).rpartition("-")[2])
    write(first, 2)
    caught_up(second, first)
    second.run(f"STOP {replica_word(second)}")
    stored(first, disk)
    lacking = span(first, before + 3, before + 7)
    gone = span(first, before + 1, before + 2)
    first.kill()
    promote(second)
    assert f"the server has not executed {lacking}, which is stored" in refused(second, disk)
    for _ in range(2):
        second.run("FLUSH BINARY LOGS", f"PURGE BINARY LOGS TO '{position(second).file}'")
    reason = refused(second, behind)
    assert gone in reason or second.flavour == "mariadb"
    assert "no longer has the log of" in reason


def test_an_agent_that_died_between_the_join_and_the_log(
    pair: tuple[ThrowawayServer, ThrowawayServer], disk: DirectoryStore, tmp_path: Path
) -> None:
    """And what a replica wrote by itself among what it copied: both logs, one after the other, may then make other rows
    than it has."""
    first, second = pair
    prefix = stored(first, disk)
    caught_up(second, first)
    second.run("CREATE TABLE w.own (id INT)")
    other = DirectoryStore("other", tmp_path / "other")
    stored(first, other)
    caught_up(second, first)
    first.kill()
    promote(second)
    streamed(second, disk)
    (join,) = joins_of(disk, prefix, 1)
    for one in [*disk.list(f"{join.prefix_there}/")]:
        disk.delete(one.key)
    (image,) = catalogue.all_images(disk, "shop")
    alone = catalogue.window(disk, image)
    assert alone
    assert not alone.way
    assert choose(disk, "shop", "latest", []).stop == alone.end, "until there is log, nothing is missed"
    streamed(second, disk)
    assert joins_of(disk, prefix, 1) == [join]
    found = catalogue.window(disk, image)
    assert found
    assert found.tip_end == position(second)
    said = refused(second, other)
    assert (":1, which is not stored, before" if first.flavour == "mysql" else "its numbers go back") in said
    take_image(Source("shop", parse_address(second.url), Secret("")), [disk], [], expected_size=1)
    # Back at the first, and at the second: each image is followed through all of it.
    follow_again(first, second)
    promote(first)
    streamed(first, disk)
    follow(second, first)
    caught_up(second, first)
    promote(second)
    streamed(second, disk)
    newest, oldest = (catalogue.window(disk, one) for one in catalogue.all_images(disk, "shop"))
    assert newest
    assert oldest
    assert newest.tip_end == oldest.tip_end == position(second)
    assert newest.end == choose(disk, "shop", "latest", []).stop


def test_stores_that_are_away_while_the_address_moves(
    pair: tuple[ThrowawayServer, ThrowawayServer],
    disk: DirectoryStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What waits for a store on local disk is of the first server alone, and is stored before the second's log; nothing
    of the second is taken for a break of the first's."""
    monkeypatch.setattr(log_stream, "_LATE", 0.2)
    monkeypatch.setattr(log_stream, "_RETRY", 0.3)
    first, second = pair
    here, far = first, DirectoryStore("far", tmp_path / "far")
    prefix = stored(first, far)
    late, unseen = cast("Any", Switched(disk)), cast("Any", Switched(far, "folders", away=True))
    moved = Streaming(first, [late, unseen], reach=lambda: here)
    with moved as stream:
        write(first)
        wait_until(lambda: stream.state().of("disk").durable == position(first))
        late.away = True
        write(first)
        caught_up(second, first)
        wait_until(lambda: stream.state().acknowledged == position(first))
        here = second  # and the old connection still works
        unseen.away = False
        assert moved.moved.wait(20)
    end = position(first)
    first.kill()
    promote(second)
    late.away = False
    with Streaming(second, [late, unseen], work=moved.work) as stream:
        write(second)
        wait_for(stream, position(second))
    assert [one.end for one in joins_of(disk, prefix, 1)] == [end]
    assert len(joins_of(far, prefix, 1)) == 1
    assert not [one.key for store in (disk, far) for one in store.list("") if one.key.endswith("GAP.json")]


def test_the_commands_over_a_failover(
    flavour: str, tmp_path: Path, target: ThrowawayServer, pair: tuple[ThrowawayServer, ThrowawayServer]
) -> None:
    first, second = pair
    office = Office.opened(tmp_path / "office", first)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    key = ("--identity", "key.txt")
    agent = office.start("agent", "plan.json")
    try:
        write(first)
        office.until_archived(first)
        caught_up(second, first)
        first.kill()
        promote(second)
        second.port = first.port
        second.restart()
        write(second)
        second.run("CREATE TABLE w.wrong (id INT)")
        server = identity(second)
        at = f"{server}/000002/{position(second).text}"
        second.run("DROP TABLE w.wrong")
        office.until_archived(second)
        drilled = office.bkpc("drill", "plan.json", "shop", "--work", str(tmp_path), *key, expect=0).text
        assert "compared with the source at the same position" in drilled
    finally:
        agent.terminate()
        agent.wait(30)
    said = (office.folder / "agent.log").read_text()
    assert "goes on by GTID where that of" in said
    assert "a new image of" not in said, "that of the first server is gone on from"
    asked: list[tuple[str, ...]] = [
        ("status", "plan.json", "--format", "json"),
        ("verify", "plan.json", *key),
        ("log", "plan.json", "shop", "--find", "drop table w.wrong", *key),
        ("restore", "plan.json", "shop", "--to", at, "--into", target.url, *key, "--dry-run"),
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        done = list(pool.map(lambda one: office.bkpc(*one), asked))
    assert [one.code for one in done] == [1, *[0] * (len(asked) - 1)], "no agent is at work any more"
    status, _, found, restoring = (one.text for one in done)
    (row,) = json.loads(status[status.index("[\n") : status.rindex("]") + 1])
    assert (row["severed"], row["bytes_not_stored"], row["overdue"]) == ("", 0, [])
    assert found.partition("--to ")[2].split()[0] == at
    assert f"goes on at server {server}, where that of " in restoring
    if flavour == FLAVOURS[0]:
        # The server of before at the address, whose log ends earlier and whose files are called alike.
        second.kill()
        first.start()
        said = office.bkpc("status", "plan.json", expect=1).text
        assert f"the log ends at server {server}, and another one answers now" in said
        assert "all that the server has written" not in said
