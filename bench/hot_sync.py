"""What `hot sync` costs a commit, beside what the store alone takes: the floor.

    python -m bench.hot_sync [--server mariadb|mysql] [--commits N] [--latency MS] [--writers W]

Commits one row after the other: with nobody to wait for, then with a stream to a directory, then with a store that
answers every write after `--latency`. Beside each: the time that the store alone takes for an object of that size.
Several writers share groups: then commits per second, and objects per second, are printed too.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

from tests.database_server import ThrowawayServer, start_server
from tests.servers.streaming import Streaming

from bkpc_runtime.steps.log_acknowledging import SyncWish
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import StoredObject

_SIZE = 600
"""Bytes of a segment with one small transaction."""


class Slow(DirectoryStore):
    """Answers a write so many seconds later."""

    latency = 0.0

    def put(self, key: str, body: bytes) -> StoredObject:
        time.sleep(self.latency)
        return super().put(key, body)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.hot_sync")
    parser.add_argument("--server", choices=["mariadb", "mysql"], default="mariadb")
    parser.add_argument("--commits", type=int, default=400)
    parser.add_argument("--latency", type=float, default=20.0, help="milliseconds")
    parser.add_argument("--writers", type=int, default=16)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bkpc-bench-") as name:
        folder = Path(name)
        with start_server(chosen.server, folder / "source") as server:
            prepare(server)
            print(f"{chosen.server}, {chosen.commits} commits of one row:")
            shown("nobody waits", commits(server, 0, chosen.commits, 1))
            near = Slow("near", folder / "near")
            measure(server, near, chosen, "a directory")
            near.latency = chosen.latency / 1000
            measure(server, near, chosen, f"a store that answers after {chosen.latency:.0f} ms")


def prepare(server: ThrowawayServer) -> None:
    prefix = "rpl_semi_sync_source" if server.flavour == "mysql" else "rpl_semi_sync_master"
    server.run("CREATE DATABASE w", "CREATE TABLE w.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, body VARCHAR(20))")
    if server.flavour == "mysql":
        server.run("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
    server.run(f"SET GLOBAL {prefix}_timeout = 4294967295", f"SET GLOBAL {prefix}_wait_point = 'AFTER_SYNC'")


def switch(server: ThrowawayServer, word: str) -> None:
    prefix = "rpl_semi_sync_source" if server.flavour == "mysql" else "rpl_semi_sync_master"
    server.run(f"SET GLOBAL {prefix}_enabled = {word}")


def measure(server: ThrowawayServer, store: Slow, chosen: argparse.Namespace, name: str) -> None:
    floor = [timed(lambda number=number: store.put(f"floor/{number}", b"x" * _SIZE)) for number in range(100)]
    switch(server, "ON")
    streaming = Streaming(server, store, flush_seconds=1.0, sync=SyncWish(1, None))
    with streaming as stream:
        while stream.state().sync != "on":
            time.sleep(0.05)
        before = objects(store)
        alone = commits(server, 1, chosen.commits, 1)
        middle, begun = objects(store), time.perf_counter()
        many = commits(server, 2, chosen.commits, chosen.writers)
        took = time.perf_counter() - begun
        after = objects(store)
    switch(server, "OFF")
    print(f"commits wait for {name}:")
    shown("the store alone (floor)", floor)
    shown("one writer", alone)
    ratio = statistics.median(alone) / statistics.median(floor)
    print(f"    {ratio:.2f} of the floor; {(middle - before) / len(alone):.2f} objects a commit")
    shown(f"{chosen.writers} writers", many)
    print(f"    {len(many) / took:.0f} commits/s in {(after - middle) / took:.0f} objects/s")


def objects(store: DirectoryStore) -> int:
    return sum(1 for _ in store.root.glob("shop/*/logs/*/*/*.zst"))


def timed(work: object) -> float:
    begun = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - begun


def commits(server: ThrowawayServer, round_: int, count: int, writers: int) -> list[float]:
    """How long each of `count` commits took, in seconds."""
    found: list[float] = []

    def write() -> None:
        with server.connect() as connection, connection.cursor() as cursor:
            one = f"INSERT INTO w.t (body) VALUES ('{round_}')"
            found.extend([timed(lambda: cursor.execute(one)) for _ in range(count // writers)])

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def shown(what: str, times: list[float]) -> None:
    ordered = sorted(times)
    high = ordered[int(len(ordered) * 0.99)]
    print(f"  {what}: median {statistics.median(ordered) * 1000:.2f} ms, 99 % {high * 1000:.1f} ms")


if __name__ == "__main__":
    main()
