"""bkpc killed with -9, and its server, at every boundary with a store: run again, everything promised is there.

CI tries one boundary in `STRIDE`, another one each day; `make crash` tries all. The number tried is printed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bkpc_runtime.repository import catalogue
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.verify import verify_image
from bkpc_runtime.stores.directory import DirectoryStore
from tests.crash.boundaries import KILLED, Boundaries, Ended, forked
from tests.database_server import start_server
from tests.database_server.contents import digests
from tests.servers.command_line import Office
from tests.servers.conftest import FLAVOURS

STRIDE = int(os.environ.get("BKPC_CRASH_STRIDE", "12"))
POLICY = """\
edition 1
site here {{ region "local" }}
store disk at here {{ directory "disk" }}
store far at here {{ directory "far" }}
database shop at here {{
  mysql "127.0.0.1:{port}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 100MiB  writes 10MiB/h  burst 1MiB
}}
policy basic {{
  promise against corruption {{ rpo 2d  rto 2h }}
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

    def __init__(self, office: Office) -> None:
        self.office = office
        self.stores = {name: DirectoryStore(name, office.folder / name) for name in ("disk", "far")}
        self.key = Secret((office.folder / "key.txt").read_text().strip())

    def run(self, arguments: list[str], *, fatal: int = 0, victim: int = 0) -> Ended:
        return forked(self.office.folder, self.office.environ, arguments, Boundaries(fatal, victim))

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


@pytest.fixture
def crashing(tmp_path: Path) -> Iterator[Crashing]:
    """Of one flavour: what is asked here is about stores."""
    with start_server(FLAVOURS[0], tmp_path / "source") as server:
        server.run(
            "CREATE DATABASE s", "CREATE TABLE s.t (id INT PRIMARY KEY, body TEXT)",
            "CREATE TABLE s.u (id INT PRIMARY KEY)", "INSERT INTO s.t VALUES (1, REPEAT('a', 60000)), (2, 'b')",
        )  # fmt: skip
        office = Office.opened(tmp_path / "office", server)
        office.write(POLICY.format(port=server.port, recipient=office.recipient))
        office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
        (tmp_path / "temporary").mkdir()
        office.environ["TMPDIR"] = str(tmp_path / "temporary")
        made = Crashing(office)
        for arguments in COMMANDS.values():
            assert made.run(arguments).code == 0
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


def test_what_was_taken_after_kills_brings_everything_back(crashing: Crashing, tmp_path: Path) -> None:
    count = crashing.run(COMMANDS["backup"]).passed
    crashing.run(COMMANDS["backup"], fatal=count // 2)
    crashing.office.server.run("INSERT INTO s.u VALUES (7)")
    assert crashing.run(COMMANDS["backup"]).code == 0
    crashing.run(COMMANDS["copy"], fatal=5)
    assert crashing.run(COMMANDS["copy"]).code == 0
    with start_server(crashing.office.server.flavour, tmp_path / "rescue") as rescue:
        into = ["restore", "plan.json", "shop", "--store", "far", "--into", rescue.url]
        assert crashing.run(into).code == 0
        assert digests(rescue) == digests(crashing.office.server)


def told(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")
