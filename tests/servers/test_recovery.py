"""To every kind of point, in both ways, and on after it broke off: one archive, one target, emptied in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from bkpc_runtime.errors import BadUsage, DamagedBackup, Refused, ServerFailed, ToolFailed
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.binlog.transactions import transactions
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery import applier, way
from bkpc_runtime.recovery.choice import choose, starts
from bkpc_runtime.recovery.load import ready_target
from bkpc_runtime.recovery.point import Latest, NotHere, Point, before_event, parse_point
from bkpc_runtime.recovery.recover import Means, Restored, Silent, recover, way_of
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import By, ByApplier, ByClient
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.repository.segments import order, parse_key
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import digests, tables
from tests.servers.kinds_of_store import opened
from tests.servers.streaming import Streaming, position, wait_for

WAYS: list[By] = ["applier", "client"]
_SYSTEM = "('mysql', 'sys', 'performance_schema', 'information_schema')"


@dataclass
class Archive:
    """An image and the log after it; what the tables held, by the GTIDs and positions of some moments."""

    store: Store
    server: ThrowawayServer
    time: datetime | None = None
    after: dict[str, tuple[str, Position, dict[str, str]]] = field(default_factory=dict)

    def moment(self, name: str) -> None:
        gtids = "@@GLOBAL.gtid_executed" if self.server.flavour == "mysql" else "@@GLOBAL.gtid_binlog_pos"
        ((found,),) = self.server.run(f"SELECT {gtids}")
        self.after[name] = (str(found).replace("\n", ""), position(self.server), digests(self.server))


@pytest.fixture(scope="module")
def archive(server: ThrowawayServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch, opened(folder) as store:
        patch.setenv("BKPC_MYSQL_BIN", str(server.bin))
        found = Archive(store, server)
        server.run("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY, b LONGTEXT)")
        server.run("CREATE TABLE w.gone (id INT PRIMARY KEY)", "INSERT INTO w.gone VALUES (1), (2)")
        server.run(*(f"CREATE TABLE w.more{number} AS SELECT * FROM w.gone" for number in range(3)))
        server.run("CREATE TABLE w.fleeting (id INT) ENGINE = MEMORY", "INSERT INTO w.fleeting VALUES (1)")
        server.run("CREATE TRIGGER w.too BEFORE UPDATE ON w.fleeting FOR EACH ROW SET NEW.id = NEW.id")
        server.run("CREATE TRIGGER w.kept BEFORE UPDATE ON w.t FOR EACH ROW SET NEW.b = NEW.b")
        with Streaming(server, found.store) as stream:
            server.run("INSERT INTO w.t VALUES (1, 'before the image')")
            take_image(Source("shop", parse_address(server.url), Secret("")), [found.store], [], expected_size=1)
            server.run("INSERT INTO w.t VALUES (2, 'a')", "FLUSH BINARY LOGS", "INSERT INTO w.t VALUES (3, 'b')")
            found.moment("three")
            server.run("CREATE USER later@localhost", f"INSERT INTO w.t VALUES (4, REPEAT('x', {40 << 20}))")
            server.run("FLUSH BINARY LOGS", "UPDATE w.t SET b = 'changed' WHERE id = 2", "DELETE FROM w.gone")
            found.moment("deleted")
            # MariaDB's times are whole seconds.
            time.sleep(1.1)
            found.time = datetime.now(UTC)
            time.sleep(1.1)
            server.run("DROP TABLE w.gone")
            found.moment("dropped")
            wait_for(stream, position(server))
            server.run("INSERT INTO w.t VALUES (5, 'last')")
            if server.flavour == "mysql":
                tag = ":tagged" if server.series >= (8, 3) else ""
                server.run(f"SET gtid_next = 'AUTOMATIC{tag}'", "INSERT INTO w.t VALUES (6, 'with a tag')")
            found.moment("last")
            wait_for(stream, position(server))
        yield found


@pytest.fixture(scope="module")
def one_target(server: ThrowawayServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayServer]:
    with start_server(server.flavour, tmp_path_factory.mktemp("target")) as running:
        yield running


@pytest.fixture
def target(one_target: ThrowawayServer) -> ThrowawayServer:
    """Empty."""
    names = one_target.run(f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN {_SYSTEM}")
    one_target.run("SELECT 1", *(f"DROP DATABASE `{name}`" for (name,) in names))
    return one_target


def restore(
    archive: Archive, target: ThrowawayServer, to: str | Point, by: By = "auto", teller: Silent | None = None
) -> Restored:
    point = parse_point(to) if isinstance(to, str) else to
    return recover(
        starts(archive.store, "shop", point, []), archive.store, Target(parse_address(target.url), Secret("")),
        Means(by=by), teller or Silent(),
    )  # fmt: skip


def clean(target: ThrowawayServer) -> bool:
    """Nothing of ours is left: no channel, no files, no changed variables."""
    left = [one.name for one in target.datadir.iterdir() if "bkpc" in one.name]
    channels = target.run("SHOW ALL SLAVES STATUS" if target.flavour == "mariadb" else "SHOW REPLICA STATUS")
    (own,) = target.run("SELECT @@GLOBAL.server_id, @@GLOBAL.max_allowed_packet")[0][:1]
    assert (left, list(channels), own) == ([], [], target.server_id)
    return True


def test_an_image_begins_its_own_binlog(archive: Archive) -> None:
    (image,) = catalogue.all_images(archive.store, "shop")
    name, size = archive.server.run("SHOW BINARY LOGS")[1][:2]
    head = (archive.server.datadir / str(name)).read_bytes()[: image.position.offset]
    assert image.position.file == name
    assert image.position.offset < int(size)
    # Nothing but what describes the file: no transaction.
    assert not list(transactions([(str(name), 0, head)]))


@pytest.mark.parametrize("by", WAYS)
def test_all_of_it(archive: Archive, target: ThrowawayServer, by: By) -> None:
    restored = restore(archive, target, "latest", by)
    assert digests(target) == archive.after["last"][2]
    (start,) = starts(archive.store, "shop", Latest(), [])
    assert (restored.position.text, len(restored.accounts)) == (start.until.removeprefix("to "), 1)
    assert choose(archive.store, "shop", "latest", []).stop == restored.position  # what a preview says
    assert clean(target)


def test_to_gtids(archive: Archive, target: ThrowawayServer) -> None:
    gtids, end, wanted = archive.after["three"]
    stop = restore(archive, target, gtids).position
    # MariaDB may write an event of its own behind a transaction.
    assert (stop.file, stop.offset <= end.offset) == (end.file, True)
    assert digests(target) == wanted
    # The last of them alone means the same.
    source, _, number = gtids.rpartition("-")
    single = gtids if target.flavour == "mariadb" else f"{source.partition(':')[0]}:{number}"
    assert [one.sure for one in starts(archive.store, "shop", parse_point(single), [])] == [True]
    assert choose(archive.store, "shop", single, []).stop == stop
    beyond = gtids.replace(number, "9999") if target.flavour == "mariadb" else f"{source.partition(':')[0]}:9999"
    last, end, _ = archive.after["last"]
    assert ":tagged:1" in last or target.flavour == "mariadb" or target.series < (8, 3)
    found = choose(archive.store, "shop", last, []).stop
    assert found is not None
    assert (found.file, found.offset <= end.offset) == (end.file, True)
    assert not any(one.sure for one in starts(archive.store, "shop", parse_point(beyond), []))
    with pytest.raises(NotHere, match="holds no"):
        choose(archive.store, "shop", beyond, [])


def test_to_a_time(archive: Archive, target: ThrowawayServer) -> None:
    assert archive.time is not None
    (start,) = starts(archive.store, "shop", parse_point(archive.time.isoformat()), [])
    assert start.sure
    # Where only the whole log can tell whether it reaches so far, that is found before anything is changed.
    with pytest.raises(Refused, match="does not show what came until the asked time"):
        restore(archive, target, "2999-01-01T00:00:00Z")
    assert "bkpc_restore" not in {name for (name,) in target.run("SHOW DATABASES")}
    restore(archive, target, archive.time.isoformat())
    assert digests(target) == archive.after["deleted"][2]


class LateEnd:
    """A store in which log behind a position does not come, and in the end is damaged, before the target holds what it
    is to hold."""

    def __init__(self, inner: Store, behind: Position, there: Callable[[], bool]) -> None:
        self._inner, self._behind, self._there = inner, behind, there
        self.waited = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get(self, key: str) -> bytes:
        segment = parse_key(key)
        if not segment or order(Position(segment.file, segment.start)) < order(self._behind):
            return self._inner.get(key)
        deadline = time.monotonic() + 30
        while not self._there() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.waited = self._there()
        return b"not what was written"


@pytest.mark.parametrize("by", WAYS)
def test_to_a_time_it_replays_before_all_is_read_and_is_no_success_before_that(
    archive: Archive, target: ThrowawayServer, by: By
) -> None:
    assert archive.time is not None
    end = archive.after["dropped"][1]
    (start,) = starts(archive.store, "shop", parse_point(archive.time.isoformat()), [])

    def replayed() -> bool:
        replays = ("w", "t") in tables(target) and bool(target.run("SELECT 1 FROM w.t WHERE b = 'changed'"))
        return replays and not target.run("SELECT 1 FROM w.gone")

    late = LateEnd(archive.store, end, replayed)
    into = Target(parse_address(target.url), Secret(""))
    with pytest.raises(DamagedBackup, match="is not what was written") as raised:
        recover([start], cast(Store, late), into, Means(by=by), Silent())
    assert late.waited
    assert f"--to {start.course().start.file.rpartition('.')[0]}." in raised.value.help
    assert "empty it" in raised.value.help
    with pytest.raises(Refused, match="broke off while it replayed"):
        restore(archive, target, "latest", by)
    target.run("DROP DATABASE bkpc_restore")
    assert digests(target) == archive.after["deleted"][2]
    assert clean(target)


@pytest.mark.parametrize("by", WAYS)
def test_another_into_the_same_target_is_refused_and_does_no_harm(
    archive: Archive, target: ThrowawayServer, by: By
) -> None:
    """It would take the log in the server's directory for what one that was killed had left."""

    class Twice(Silent):
        def loaded(self) -> None:
            with pytest.raises(Refused, match=r"another restore into .* is running"):
                restore(archive, target, "latest", by)

    (start,) = starts(archive.store, "shop", parse_point(archive.after["deleted"][1].text), [])
    recover([start], archive.store, Target(parse_address(target.url), Secret("")), Means(by=by), Twice())
    assert digests(target) == archive.after["deleted"][2]
    assert clean(target)


def test_before_an_event(archive: Archive, target: ThrowawayServer) -> None:
    _, end, wanted = archive.after["deleted"]
    stop = restore(archive, target, before_event("drop table w.gone")).position
    assert (stop.file, stop.offset >= end.offset) == (end.file, True)
    assert digests(target) == wanted
    with pytest.raises(BadUsage, match="several") as raised:
        choose(archive.store, "shop", before_event("insert w.t"), [])
    assert raised.value.help.count("--to ") == (5 if target.flavour == "mysql" else 4)
    with pytest.raises(NotHere, match=r"has no: truncate w\.t"):
        choose(archive.store, "shop", before_event("truncate w.t"), [])


def test_the_source_s_own_number(archive: Archive, target: ThrowawayServer) -> None:
    """A restored server often has the configuration of the lost one: what is of its number it would skip."""
    target.run(f"SET GLOBAL server_id = {archive.server.server_id}")
    try:
        restore(archive, target, "latest", "applier")
        assert digests(target) == archive.after["last"][2]
        assert target.run("SELECT @@GLOBAL.server_id")[0][0] == archive.server.server_id
    finally:
        target.run(f"SET GLOBAL server_id = {target.server_id}")


def test_one_that_only_looks_like_ours(
    archive: Archive, target: ThrowawayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a server in a container, with the same paths as one beside it."""
    into, means = Target(parse_address(target.url), Secret("")), Means()
    (start,) = starts(archive.store, "shop", Latest(), [])
    facts = ready_target(into, start.image)
    assert isinstance(way_of(into, facts, means), ByApplier)
    monkeypatch.setattr(way, "_age_of", lambda _: 1e6)
    found = way_of(into, facts, means)
    assert isinstance(found, ByClient)
    assert "is not" in found.because
    with pytest.raises(Refused, match=r"the applier of .* can't replay"):
        way_of(into, facts, Means(by="applier"))


class Meddling(Silent):
    """Changes what was loaded: the log does not fit then."""

    def __init__(self, target: ThrowawayServer) -> None:
        self._target = target

    def loaded(self) -> None:
        self._target.run("INSERT INTO w.t VALUES (3, 'in the way')")


@pytest.mark.parametrize("by", WAYS)
def test_a_replay_that_stops_is_no_success(archive: Archive, target: ThrowawayServer, by: By) -> None:
    with pytest.raises(ToolFailed, match=r"(?s)the replay stopped .*Duplicate entry '3'") as raised:
        restore(archive, target, "latest", by, Meddling(target))
    # The applier tells up to where it came, which may be the end of the file before.
    where = (
        f"at the event that ends at {archive.after['three'][1].file}:" if by == "client" else "stopped after binlog.0"
    )
    assert where in str(raised.value)
    with pytest.raises(Refused, match="broke off while it replayed"):
        restore(archive, target, "latest", by)
    target.run("DROP DATABASE bkpc_restore")
    assert clean(target)


def test_a_server_that_dies_during_the_replay(
    archive: Archive, target: ThrowawayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        started = applier._Channel._start

        def dying(channel: applier._Channel) -> None:
            started(channel)
            target.kill()

        patch.setattr(applier._Channel, "_start", dying)
        with pytest.raises((ServerFailed, ToolFailed)):
            restore(archive, target, "latest", "applier")
    target.restart()
    with pytest.raises(Refused, match="broke off while it replayed"):
        restore(archive, target, "latest")
    target.run("DROP DATABASE bkpc_restore", "DROP DATABASE w")
    if target.flavour == "mysql":
        # What MySQL leaves where it is killed while it starts its applier.
        ((folder, uuid),) = target.run("SELECT @@replica_load_tmpdir, @@server_uuid")
        Path(str(folder), f"SQL_LOAD-bkpc{uuid}").touch()
    restore(archive, target, "latest", "applier")
    assert digests(target) == archive.after["last"][2]
    assert clean(target)


class Breaking(Silent):
    """Breaks off at a part."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.parts: list[str] = []

    def loading(self, part: Part, number: int, of: int) -> None:  # noqa: ARG002
        if number == self._at:
            raise KeyboardInterrupt
        self.parts.append(part.name)


def test_it_goes_on_where_it_broke_off(archive: Archive, target: ThrowawayServer) -> None:
    (image,) = catalogue.all_images(archive.store, "shop")
    parts = [one for one in image.manifest.parts if one.kind != "accounts"]
    first = Breaking(len(parts))
    with pytest.raises(KeyboardInterrupt):
        restore(archive, target, "latest", teller=first)
    # As after a power cut: some of what was begun is there, whatever was noted.
    objects = next(one for one in parts if one.kind == "objects")
    target.run(f"UPDATE bkpc_restore.progress SET state = 'begun' WHERE what = 'part {objects.name}'")
    target.run("DELETE FROM w.fleeting")
    target.run("CREATE DATABASE somebody", "CREATE TABLE somebody.t (id INT)")
    with pytest.raises(Refused, match="not empty: it holds somebody"):
        restore(archive, target, "latest")
    target.run("DROP DATABASE somebody")
    second = Breaking(0)
    restore(archive, target, archive.after["deleted"][1].text, teller=second)
    (fleeting,) = [one for one in parts if one.table == "fleeting"]
    assert set(second.parts) == {objects.name, parts[-1].name, fleeting.name}
    assert len(target.run("SHOW TRIGGERS IN w")) == 2
    assert digests(target) == archive.after["deleted"][2]
    assert clean(target)


def test_a_part_that_can_not_be_loaded_is_named(archive: Archive, target: ThrowawayServer, tmp_path: Path) -> None:
    (image,) = catalogue.all_images(archive.store, "shop")
    (part,) = [one for one in image.manifest.parts if one.table == "more1"]
    target.run("SET GLOBAL default_storage_engine = InnoDB")

    class Locked(Silent):
        def begins(self, _: object) -> None:
            target.run("CREATE DATABASE w", "CREATE VIEW w.more1 AS SELECT 1 AS id")

    with pytest.raises(ToolFailed, match=rf"w\.more1 \({part.name}\) can't be loaded") as raised:
        restore(archive, target, "latest", teller=Locked())
    assert "again" in raised.value.help
    target.run("DROP VIEW w.more1")
    restore(archive, target, "latest")
    assert digests(target) == archive.after["last"][2]
