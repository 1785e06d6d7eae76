"""bkpc killed with -9, and its server, at every boundary with a store: run again, everything promised is there.

CI tries one boundary in `STRIDE`, another one each day; `make crash` tries all. The number tried is printed. On
a bucket with STORE=oss (`make test-oss`).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, segments
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.verify import verify_image
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import Store
from tests.crash.boundaries import KILLED, Boundaries, Ended, Running, begun
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import SYSTEM, digests, quoted
from tests.oss_server import KEY_ID, KEY_SECRET
from tests.servers.command_line import Office
from tests.servers.conftest import FLAVOURS
from tests.servers.kinds_of_store import apart, bucket_at
from tests.servers.streaming import archived, binlogs, position

STRIDE = int(os.environ.get("BKPC_CRASH_STRIDE", "12"))
POLICY = """\
edition 1
site here {{ region "cn-hangzhou" }}
store disk at here {{ {disk} }}
store far at here {{ {far} }}
database shop at here {{
  mysql "127.0.0.1:{port}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 100MiB  writes 10MiB/h  burst 1MiB
}}
policy basic {{
  promise against corruption {{ rpo 2d  rto 4h }}
  full daily at 02:00 within 1h to disk
  cold daily at 05:00 within 1h from disk to far
  keep 14d
  encrypt rest to "{recipient}"
}}
protect shop with basic
"""
COMMANDS = {
    "backup": ["run", "plan.json", "shop/full/disk"],
    "copy": ["run", "plan.json", "shop/cold/far"],
}


class Crashing:
    """An office whose commands can be killed at a boundary."""

    def __init__(self, office: Office, stores: dict[str, Store]) -> None:
        self.office, self.stores = office, stores
        self.key = Secret((office.folder / "key.txt").read_text().strip())

    def run(self, arguments: list[str], *, fatal: int = 0, victim: int = 0) -> Ended:
        return self.begin(arguments, fatal=fatal, victim=victim).ended()

    def begin(self, arguments: list[str], *, fatal: int = 0, victim: int = 0) -> Running:
        return begun(self.office.folder, self.office.environ, arguments, Boundaries(fatal, victim))

    def something_to(self, command: str) -> None:
        """Make sure that the command has all of its work to do."""
        if command == "copy":
            assert self.run(COMMANDS["backup"]).code == 0

    def images(self, store: str) -> set[str]:
        return {one.manifest.id for one in catalogue.all_images(self.stores[store], "shop")}

    def all_sound(self) -> None:
        """Every image that a store names can be read back, every byte of it."""
        for store in self.stores.values():
            for image in catalogue.all_images(store, "shop"):
                assert verify_image(image, store, [self.key]).problems == ()


NAMES = ("disk", "far")


@contextmanager
def two_stores(folder: Path, office: Path) -> Iterator[tuple[dict[str, str], dict[str, Store]]]:
    """What a policy says of each, and each: directories, or with STORE=oss a bucket of a server apart."""
    if os.environ.get("STORE") != "oss":
        yield (
            {name: f'directory "{name}"' for name in NAMES},
            {name: DirectoryStore(name, office / name) for name in NAMES},
        )
        return
    with apart(folder / "oss") as endpoint:
        words = f'endpoint "{endpoint}" credentials env OSS_KEY_ID, OSS_KEY_SECRET'
        yield (
            {name: f'oss "backup/{name}" {words}' for name in NAMES},
            {name: bucket_at(endpoint, name) for name in NAMES},
        )


@pytest.fixture
def crashing(tmp_path: Path) -> Iterator[Crashing]:
    """Of one flavour: what is asked here is about stores."""
    with (
        start_server(FLAVOURS[0], tmp_path / "source") as server,
        two_stores(tmp_path, tmp_path / "office") as (words, stores),
    ):
        server.run(
            "CREATE DATABASE s", "CREATE TABLE s.t (id INT PRIMARY KEY, body TEXT)",
            "CREATE TABLE s.u (id INT PRIMARY KEY)", "INSERT INTO s.t VALUES (1, REPEAT('a', 60000)), (2, 'b')",
        )  # fmt: skip
        office = Office.opened(tmp_path / "office", server)
        office.environ |= {"OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
        office.write(POLICY.format(port=server.port, recipient=office.recipient, **words))
        office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
        (tmp_path / "temporary").mkdir()
        office.environ["TMPDIR"] = str(tmp_path / "temporary")
        office.begin()
        made = Crashing(office, stores)
        for arguments in COMMANDS.values():
            ended = made.run(arguments)
            assert ended.code == 0, ended.text
        yield made
        assert not list((tmp_path / "temporary").iterdir()), "what was killed left something behind"


def chosen(count: int) -> range:
    """The boundaries that are tried today."""
    return range(1 + int(time.time() // 86_400) % STRIDE, count + 1, STRIDE)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_bkpc_is_killed(crashing: Crashing, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    def killed(at: int) -> None:
        ended = crashing.run(COMMANDS[command], fatal=at)
        assert ended.code in {KILLED, 0}, ended.text  # the count of chunks may differ by a few from run to run

    tried = each_boundary(crashing, command, killed)
    told(capsys, f"{command}: bkpc was killed at {tried}")


@pytest.mark.parametrize("command", ["backup"])
def test_the_server_is_killed(crashing: Crashing, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = crashing.office.server

    def killed(at: int) -> None:
        assert server.process is not None
        ended = crashing.run(COMMANDS[command], fatal=at, victim=server.process.pid)
        assert ended.code in {0, 4}, ended.text
        assert "Traceback" not in ended.text
        server.kill()
        server.start()

    tried = each_boundary(crashing, command, killed)
    told(capsys, f"{command}: the server was killed at {tried}")


def each_boundary(crashing: Crashing, command: str, kill: Callable[[int], None]) -> str:
    """Whatever was there before a kill is there after it, and what is run again is done."""
    crashing.something_to(command)
    count = crashing.run(COMMANDS[command]).passed
    assert count > 20
    for at in chosen(count):
        crashing.something_to(command)
        before = {name: crashing.images(name) for name in crashing.stores}
        kill(at)
        crashing.all_sound()
        again = crashing.run(COMMANDS[command])
        assert again.code == 0, again.text
        crashing.all_sound()
        for name, images in before.items():
            assert images <= crashing.images(name)
    return f"{len(chosen(count))} of {count} boundaries"


def test_a_restore_that_is_killed_goes_on_or_says_that_it_can_not(
    crashing: Crashing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was killed before may be there as well: the images are those of commands that were killed half-way."""
    count = crashing.run(COMMANDS["backup"]).passed
    crashing.run(COMMANDS["backup"], fatal=count // 2)
    crashing.office.server.run("INSERT INTO s.u VALUES (7)")
    assert crashing.run(COMMANDS["backup"]).code == 0
    crashing.run(COMMANDS["copy"], fatal=5)
    assert crashing.run(COMMANDS["copy"]).code == 0
    wanted = digests(crashing.office.server)
    with start_server(crashing.office.server.flavour, tmp_path / "rescue") as rescue:
        into = ["restore", "plan.json", "shop", "--store", "far", "--into", rescue.url]
        count = crashing.run(into).passed
        for at in chosen(count):
            emptied(rescue)
            assert crashing.run(into, fatal=at).code in {KILLED, 0}
            again = crashing.run(into)
            if again.code == 5:
                assert "not empty" in again.text
                emptied(rescue)
                again = crashing.run(into)
            assert again.code == 0, again.text
            assert digests(rescue) == wanted
    told(capsys, f"restore: bkpc was killed at {len(chosen(count))} of {count} boundaries")


def emptied(server: ThrowawayServer) -> None:
    for (name,) in server.run(f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN {SYSTEM}"):
        server.run(f"DROP DATABASE {quoted(str(name))}")
    server.run("DROP USER IF EXISTS 'backup'@'%'")


def test_a_stream_that_is_killed_leaves_no_gap(crashing: Crashing, capsys: pytest.CaptureFixture[str]) -> None:
    office, server = crashing.office, crashing.office.server
    office.write((office.folder / "shop.bkp").read_text().replace("  keep 14d", "  hot to disk every 1s\n  keep 14d"))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    store = crashing.stores["disk"]
    (prefix,) = catalogue.prefixes(store, "shop")
    first = catalogue.all_images(store, "shop")[0].position
    kills = range(1 + int(time.time() // 86_400) % STRIDE, 60, STRIDE)
    for at in kills:
        agent = crashing.begin(["agent", "plan.json"], fatal=at)
        until_dead(
            agent.process, lambda: server.run("INSERT INTO s.u SELECT COUNT(*) + 100 FROM s.u", "FLUSH BINARY LOGS")
        )
        assert agent.ended().code == KILLED
    agent = crashing.begin(["agent", "plan.json"])
    end = position(server)
    while (found := segments.newest_end(store, prefix, 1)) is None or segments.order(found) < segments.order(end):
        time.sleep(0.1)
    os.kill(agent.process, signal.SIGTERM)
    assert agent.ended().code == 0
    assert segments.epochs(store, prefix) == [1], "no kill made a gap"
    kept = archived(store, prefix, 1, Position(first.file, 0), crashing.key)
    assert kept == {name: body for name, body in binlogs(server).items() if name >= first.file}
    told(capsys, f"stream: bkpc was killed at {len(kills)} boundaries")


def until_dead(process: int, write: Callable[[], object]) -> None:
    """Writes until the process has ended, which stays to be waited for."""
    end = time.monotonic() + 60
    while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        assert time.monotonic() < end, "it was not killed: too few boundaries"
        write()
        time.sleep(0.05)


def told(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")
