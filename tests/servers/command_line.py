"""bkpc as its users run it: a folder with a policy, a plan, an environment, and the commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyrage

from bkpc_runtime.mysql.flavour import read_facts
from bkpc_runtime.repository import layout, segments
from bkpc_runtime.repository.plans import put_in_force
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.world import open_world
from tests.database_server import ThrowawayServer
from tests.demo import policy
from tests.servers.streaming import position

PASSWORD = "a-password-nobody-should-see"


@dataclass
class Done:
    """What a command printed (both streams) and how it ended."""

    code: int
    text: str


@dataclass
class Office:
    """A folder with the demo's policy for `server`, an age key and the account `backup`."""

    folder: Path
    server: ThrowawayServer
    environ: dict[str, str] = field(default_factory=dict)
    recipient: str = ""

    @classmethod
    def opened(cls, folder: Path, server: ThrowawayServer) -> Office:
        identity = pyrage.x25519.Identity.generate()
        folder.mkdir(parents=True, exist_ok=True)
        key = folder / "key.txt"
        key.write_text(f"{identity}\n")
        key.chmod(0o600)
        server.run(f"CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}'", "GRANT ALL ON *.* TO 'backup'@'%'")
        environ = {
            **os.environ,
            "SHOP_DB_USER": "backup",
            "SHOP_DB_PASSWORD": PASSWORD,
            "BKPC_AGE_IDENTITY": str(key),
            "BKPC_MYSQL_BIN": str(server.bin),
            "PYTHONUNBUFFERED": "1",
        }
        office = cls(folder, server, environ, str(identity.to_public()))
        office.write(policy.mended(server.port, office.recipient))
        office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
        return office

    def plan_physical(self) -> None:
        """The policy with an incremental image every hour, and so with physical full ones, compiled."""
        text = policy.mended(self.server.port, self.recipient)
        text = text.replace("rto 30min", "rto 1h")  # a chain of a day is prepared for half an hour
        self.write(text.replace("1h to disk\n", "1h to disk\n  incremental hourly to disk\n"))
        self.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)

    def begin(self) -> None:
        """The plan is in force in its directories, as after `apply`; no image is taken."""
        world = open_world(self.folder / "plan.json", self.environ)
        for one in world.plan.estate.stores:
            if one.kind == "directory":
                put_in_force(world.store(one.name), world.plan, world.clock())

    def write(self, text: str) -> None:
        (self.folder / "shop.bkp").write_text(text)

    def bkpc(self, *arguments: str, expect: int | None = None, **environ: str) -> Done:
        """Runs a command; insists on its exit code when `expect` is given."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environ | environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=120,
        )
        assert PASSWORD not in done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        assert expect is None or done.returncode == expect, f"exit code {done.returncode}: {done.stdout}"
        return Done(done.returncode, done.stdout)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "bkpc_compiler.main", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts a command that goes on; what it prints is appended to `<command>.log`."""
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(self.command(*arguments), cwd=self.folder, env=self.environ, stdout=log, stderr=log)

    def until_archived(self, server: ThrowawayServer, folder: str = "backups") -> None:
        """Until a directory has the whole log of a server, which has taken the place of another maybe: asked for
        without a command, of which each takes a second."""
        store = DirectoryStore("disk", self.folder / folder)
        with server.connect() as connection:
            own = read_facts(connection).identity
        until = time.monotonic() + 60
        while True:
            prefix = layout.prefix_of("shop", own)
            epoch = max(segments.epochs(store, prefix), default=0)
            if epoch and segments.newest_end(store, prefix, epoch) == position(server):
                return
            assert time.monotonic() < until
            time.sleep(0.1)

    def archived(self, *servers: ThrowawayServer, stores: int = 1) -> str:
        """Waits until so many stores have the whole log of each of `servers`; where that of the first ends.

        Where they write is asked each time: MariaDB adds a checkpoint by itself, whenever it likes.
        """
        until = time.monotonic() + 60
        while True:
            ends = [position(one).text for one in servers or (self.server,)]
            listed = self.bkpc("list", "plan.json").text
            told = re.findall(r"log to (\S+:\d+)", listed)
            if sum(told.count(end) for end in set(ends)) >= stores * len(ends):
                return ends[0]
            assert time.monotonic() < until, listed
