"""How much memory an agent's streams take together, in one process: while others write, and when all are behind.

    python -m bench.stream_memory [--server mariadb|mysql] [--streams 1,8,32] [--megabytes MB] [--seconds S] \
        [--slow S] [--rows large|small]

All streams read one server, each into a directory of its own. First they bring back a log that was
written before they began; then they follow somebody who writes small and large rows for so many seconds. `--slow`:
the stores take so many seconds longer for each object. Prints the resident memory (VmHWM, after the imports and at the
end), the rate, and the processor's time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyrage
from tests.database_server import ThrowawayServer, start_server
from tests.servers.streaming import position

_RECEIVE = """
import json, resource, sys, time
from contextlib import ExitStack
from pathlib import Path
from tests.servers.streaming import Streaming, position, wait_for
from bkpc_runtime.memory import give_back
from bkpc_runtime.stores.directory import DirectoryStore
give_back()
class Slow(DirectoryStore):
    def writer(self, *given, **named):
        time.sleep(float(sys.argv[7]))
        return super().writer(*given, **named)
class Server:
    url, flavour = sys.argv[1], sys.argv[2]
folder, count, first, recipient = Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6]
def memory(word):
    return int(next(one for one in open("/proc/self/status") if one.startswith(word)).split()[1]) / 1024
def said(begun):
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = time.perf_counter() - begun
    told = {"took": took, "cpu": used.ru_utime + used.ru_stime, "peak": memory("VmHWM"), "now": memory("VmRSS")}
    print(json.dumps(told), flush=True)
begun = time.perf_counter()
said(begun)
with ExitStack() as stack:
    streams = [
        stack.enter_context(Streaming(Server, Slow("disk", folder / str(number)), recipient,
                                      flush_seconds=2.0, oldest=lambda: first))
        for number in range(count)
    ]
    for line in sys.stdin:
        end = position(Server)
        for stream in streams:
            wait_for(stream, end, 600)
        said(begun)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.stream_memory")
    parser.add_argument("--server", choices=["mariadb", "mysql"], default="mariadb")
    parser.add_argument("--streams", default="1,8,32")
    parser.add_argument("--megabytes", type=int, default=128)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--rows", choices=["large", "small"], default="large")
    chosen = parser.parse_args()
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    with (
        tempfile.TemporaryDirectory(prefix="bkpc-bench-") as name,
        start_server(chosen.server, Path(name) / "source", max_binlog_size="1G") as server,
    ):
        server.run("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY AUTO_INCREMENT, body LONGBLOB)")
        first = position(server)
        write(server, chosen)
        size = position(server).offset - first.offset
        print(f"{chosen.server}, into directories, encrypted; all behind by {size / 1e6:.0f} MB, then written to:")
        for count in map(int, chosen.streams.split(",")):
            report(server, Path(name) / str(count), count, first.file, recipient, chosen)


def write(server: ThrowawayServer, chosen: argparse.Namespace) -> None:
    """Rows of a MiB, or as much in transactions of one small row each."""
    if chosen.rows == "small":
        server.run(
            "CREATE TABLE w.s (id INT PRIMARY KEY AUTO_INCREMENT, body CHAR(40))",
            "CREATE PROCEDURE w.fill(n INT) BEGIN WHILE n > 0 DO INSERT INTO w.s (body) VALUES (UUID()); "
            "SET n = n - 1; END WHILE; END", f"CALL w.fill({chosen.megabytes * 4096})",
        )  # fmt: skip
        return
    for _ in range(max(1, chosen.megabytes // 16)):
        server.run("BEGIN", *["INSERT INTO w.t (body) VALUES (" + row(1 << 20) + ")"] * 16, "COMMIT")


def row(size: int) -> str:
    return "0x" + os.urandom(size // 2).hex() + "61" * (size // 2)


def report(
    server: ThrowawayServer, folder: Path, count: int, first: str, recipient: str, chosen: argparse.Namespace
) -> None:
    for number in range(count):
        (folder / str(number)).mkdir(parents=True)
    arguments = [server.url, server.flavour, str(folder), str(count), first, recipient, str(chosen.slow)]
    with subprocess.Popen(
        [sys.executable, "-c", _RECEIVE, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        before = json.loads(process.stdout.readline())
        told = []
        for writes in (0, chosen.seconds):
            follow(server, writes)
            process.stdin.write("\n")
            process.stdin.flush()
            told.append(json.loads(process.stdout.readline()))
        process.stdin.close()
    behind, written = told
    print(
        f"  {count:>3} streams: {behind['peak']:.0f} MiB at most while behind, for {behind['took']:.1f} s; "
        f"{written['peak']:.0f} MiB in all, {written['now']:.0f} MiB at the end; {before['now']:.0f} MiB before; "
        f"{written['cpu']:.1f} s of processor",
        flush=True,
    )


def follow(server: ThrowawayServer, seconds: int) -> None:
    """A megabyte a second of small rows, and a large one now and then."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.monotonic()
        server.run(*["INSERT INTO w.t (body) VALUES (" + row(2 << 10) + ")"] * 400)
        server.run("INSERT INTO w.t (body) VALUES (" + row(1 << 20) + ")")
        threading.Event().wait(max(0.0, begun + 1 - time.monotonic()))


if __name__ == "__main__":
    main()
