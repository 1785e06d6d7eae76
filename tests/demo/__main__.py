"""`make demo`: the main job from end to end, on a throwaway server, as text worth reading."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pyrage

from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import digests
from tests.demo import policy
from tests.demo.shop import Writer, load, objects

STEP = 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--server", choices=["mariadb", "mysql"], default="mariadb")
    flavour = parser.parse_args().server
    folder = Path(tempfile.mkdtemp(prefix="bkpc-demo-"))
    try:
        with (
            start_server(flavour, folder / "source", sync_binlog=1) as source,
            start_server(flavour, folder / "rescue") as rescue,
        ):
            return Demo(flavour, folder, source, rescue).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Demo:
    """One run; everything it makes lies in `folder`, which goes with it."""

    def __init__(self, flavour: str, folder: Path, source: ThrowawayServer, rescue: ThrowawayServer) -> None:
        self.flavour, self.folder, self.source, self.rescue = flavour, folder, source, rescue
        identity = pyrage.x25519.Identity.generate()
        self.recipient = str(identity.to_public())
        key = folder / "key.txt"
        key.write_text(str(identity) + "\n")
        key.chmod(0o600)
        self.environ = {
            **os.environ,
            "SHOP_DB_USER": "backup",
            "SHOP_DB_PASSWORD": "not-the-real-one",
            "BKPC_AGE_IDENTITY": str(key),
            "BKPC_MYSQL_BIN": str(source.bin),
            "PYTHONUNBUFFERED": "1",
        }

    def run(self) -> int:
        heading(f"A shop on {self.flavour} {self.source.run('SELECT VERSION()')[0][0]}, with customers writing to it")
        load(self.source)
        self.source.run("CREATE USER 'backup'@'%' IDENTIFIED BY 'not-the-real-one'", "GRANT ALL ON *.* TO 'backup'@'%'")
        print(f"{len(digests(self.source))} tables, {len(objects(self.source))} views, triggers, routines and events")
        with ExitStack() as running:
            with Writer(self.source) as writer:
                self.check_and_compile()
                self.bkpc("apply", "plan.json", "--yes")
                running.callback(stopped, self.start_agent())
                lost = self.disaster(writer)
            return self.recover(*lost)

    def check_and_compile(self) -> None:
        heading("A promise that can't hold: ten seconds of loss, one image a day")
        (self.folder / "shop.bkp").write_text(policy.without_log(self.source.port, self.recipient))
        self.bkpc("check", "shop.bkp", expect=1)
        heading("Mended: the binary log is archived every two seconds")
        (self.folder / "shop.bkp").write_text(policy.mended(self.source.port, self.recipient))
        self.checked = self.bkpc("check", "shop.bkp")
        self.bkpc("compile", "shop.bkp", "-o", "plan.json")
        heading("The first full image, then the log as it is written")

    def start_agent(self) -> subprocess.Popen[bytes]:
        print("$ bkpc agent plan.json &")
        log = (self.folder / "agent.log").open("wb")
        agent = subprocess.Popen(
            [sys.executable, "-m", "bkpc_compiler.main", "agent", "plan.json"],
            cwd=self.folder, env=self.environ, stdout=log, stderr=log,
        )  # fmt: skip
        wait_until(lambda: b"streaming shop" in (self.folder / "agent.log").read_bytes(), "the agent streams")
        print(next(line for line in (self.folder / "agent.log").read_text().splitlines() if "streaming" in line))
        return agent

    def disaster(self, writer: Writer) -> tuple[dict[str, str], list[str], float]:
        heading("Customers buy for some seconds; then someone drops a table and deletes half of another")
        time.sleep(8)
        with writer.paused():
            before, there = digests(self.source), objects(self.source)
            dropped_at = time.time()
            self.source.run("DROP TABLE shop.reviews")
            self.source.run("DELETE FROM shop.order_items WHERE order_id % 2 = 0")
        print(f"before it: {writer.written:,} orders written, {len(before)} tables; DROP TABLE shop.reviews; DELETE …")
        end = self.source.run("SHOW BINARY LOG STATUS" if self.flavour == "mysql" else "SHOW MASTER STATUS")[0]
        durable = self.wait_durable(str(end[0]), int(end[1]))
        print(f"the log of it is in the store {durable - dropped_at:.1f} s after it happened; the shop goes on writing")
        time.sleep(2)
        return before, there, durable - dropped_at

    def wait_durable(self, file: str, offset: int) -> float:
        """When the store held the log up to a position, from the names of the segments alone."""

        def reached() -> bool:
            names = (self.folder / "backups").glob(f"**/logs/*/{file}/*.zst*")
            return any(int(re.split(r"[-.]", path.name)[1]) >= offset for path in names)

        wait_until(reached, "the log is stored")
        return time.time()

    def recover(self, before: dict[str, str], there: list[str], loss: float) -> int:
        heading("Which moment was it?")
        found = self.bkpc("log", "plan.json", "shop", "--find", "drop table shop.reviews")
        point = re.search(r"--to (\S+)", found)
        assert point is not None
        heading("Back to just before it, on a second server")
        self.bkpc("status", "plan.json")
        began = time.monotonic()
        target = f"mysql+unix://{self.rescue.socket}?user=root"
        self.bkpc("restore", "plan.json", "shop", "--to", point[1], "--into", target)
        took = time.monotonic() - began
        return self.judge(before, there, loss, took)

    def judge(self, before: dict[str, str], there: list[str], loss: float, took: float) -> int:
        heading("Is it the same?")
        after = digests(self.rescue)
        for table, sum_before in before.items():
            verdict = "same" if after.get(table) == sum_before else "DIFFERENT"
            print(f"  {table:<22} {sum_before:>12} {after.get(table, 'missing')!s:>12}  {verdict}")
        same_objects = objects(self.rescue) == there
        print(f"  views, triggers, routines, events: {len(there)}, {'same' if same_objects else 'DIFFERENT'}")
        proved = dict(re.findall(r"(rpo|rto) \S+\s+≤ (.+)", self.checked))
        print(f"\n  {'':<6}{'promised':<12}{'proved':<12}measured")
        print(f"  {'RPO':<6}{'10s':<12}{'≤ ' + proved['rpo'].strip():<12}{loss:.1f}s")
        print(f"  {'RTO':<6}{'30min':<12}{'≤ ' + proved['rto'].strip():<12}{took:.1f}s")
        good = after == before and same_objects
        print("\nEvery table is as it was at that transaction." if good else "\nThe restored server differs.")
        return 0 if good else 1

    def bkpc(self, *arguments: str, expect: int = 0) -> str:
        """Type a command, show what it prints, and insist on its exit code."""
        print("$ bkpc " + " ".join(arg if re.fullmatch(r"[\w./:=-]+", arg) else f"'{arg}'" for arg in arguments))
        done = subprocess.run(
            [sys.executable, "-m", "bkpc_compiler.main", *arguments],
            cwd=self.folder, env=self.environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        print(done.stdout, end="", flush=True)
        if done.returncode != expect:
            raise SystemExit(f"the demo expected exit code {expect}, bkpc gave {done.returncode}")
        return done.stdout


def stopped(agent: subprocess.Popen[bytes]) -> None:
    agent.send_signal(signal.SIGTERM)
    agent.wait()


def heading(text: str) -> None:
    global STEP  # noqa: PLW0603 - a counter of a script
    STEP += 1
    print(f"\n── {STEP}. {text}\n", flush=True)


def wait_until(reached: Callable[[], bool], what: str, patience: float = 60) -> None:
    end = time.monotonic() + patience
    while not reached():
        if time.monotonic() > end:
            raise SystemExit(f"after {patience:.0f} s it is not so that {what}")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
