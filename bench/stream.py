"""How fast a server's binlog goes into a directory store, in bytes and in events per second, and in how much memory.

    python -m bench.stream [--server mariadb|mysql] [--megabytes MB] [--transactions N] [--recipient yes|no]

Two logs are written first: one of large row events, one of small transactions. Then a stream that begins at the
log's start reads all of it into a directory. `mysqlbinlog --raw` reads the same into a folder beside it. Prints rates,
user and system time of the receiving process, and its largest memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyrage
from tests.database_server import ThrowawayServer, start_server

from bkpc_runtime.mysql.binlog.events import walk
from bkpc_runtime.mysql.flavour import Position

_RECEIVE = """
import json, resource, sys, threading, time
from pathlib import Path
from tests.servers.streaming import Streaming, position
from bkpc_runtime.memory import give_back
from bkpc_runtime.stores.directory import DirectoryStore
give_back()
class Server:
    url, flavour = sys.argv[1], sys.argv[2]
store = DirectoryStore("disk", Path(sys.argv[3]))
file, offset, first = sys.argv[4], int(sys.argv[5]), sys.argv[6]
streaming = Streaming(Server, store, sys.argv[7], flush_seconds=1.0, oldest=lambda: first)
begun = time.perf_counter()
with streaming as stream:
    while time.perf_counter() - begun < 120:
        durable = stream.state().durable
        if durable and (durable.file, durable.offset) >= (file, offset):
            break
        time.sleep(0.01)
    else:
        sys.exit(str(stream.state()))
    took = time.perf_counter() - begun
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss: that is the parent's until the first page of its own.
peak = int(next(one for one in open("/proc/self/status") if one.startswith("VmHWM")).split()[1]) / 1024
print(json.dumps({"took": took, "cpu": used.ru_utime + used.ru_stime, "memory": peak}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.stream")
    parser.add_argument("--server", choices=["mariadb", "mysql"], default="mariadb")
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--transactions", type=int, default=60_000)
    parser.add_argument("--recipient", choices=["yes", "no"], default="yes")
    chosen = parser.parse_args()
    recipient = str(pyrage.x25519.Identity.generate().to_public()) if chosen.recipient == "yes" else ""
    with (
        tempfile.TemporaryDirectory(prefix="bkpc-bench-") as name,
        start_server(chosen.server, Path(name) / "source", max_binlog_size="1G") as server,
    ):
        print(f"{chosen.server}, into a directory, {'encrypted' if recipient else 'not encrypted'}:", flush=True)
        for what, write in (("large", large), ("small", small)):
            server.run("FLUSH BINARY LOGS")
            first = at(server)
            write(server, chosen)
            report(server, Path(name) / what, first.file, at(server), recipient)


def at(server: ThrowawayServer) -> Position:
    row = server.run("SHOW BINARY LOG STATUS" if server.flavour == "mysql" else "SHOW MASTER STATUS")[0]
    return Position(str(row[0]), int(row[1]))


def large(server: ThrowawayServer, chosen: argparse.Namespace) -> None:
    """Rows of 1 MiB of text that compresses as such text does, many to a transaction."""
    server.run("CREATE DATABASE w", "CREATE TABLE w.big (id INT PRIMARY KEY AUTO_INCREMENT, body LONGBLOB)")
    text = "".join(f"order {number}, {os.urandom(8).hex()}, shipped; " for number in range(25_000))[: 1 << 20]
    one = f"INSERT INTO w.big (body) VALUES ('{text}')"
    for _ in range(chosen.megabytes // 16):
        server.run("BEGIN", *[one] * 16, "COMMIT", "TRUNCATE w.big")


def small(server: ThrowawayServer, chosen: argparse.Namespace) -> None:
    """Transactions of one row."""
    server.run(
        "CREATE TABLE w.small (id INT PRIMARY KEY AUTO_INCREMENT, body VARCHAR(40))", "USE w",
        "CREATE PROCEDURE w.fill(n INT) BEGIN WHILE n > 0 DO INSERT INTO w.small (body) VALUES (UUID()); "
        "SET n = n - 1; END WHILE; END", f"CALL w.fill({chosen.transactions})",
    )  # fmt: skip


def report(server: ThrowawayServer, folder: Path, first: str, end: Position, recipient: str) -> None:
    names = [str(row[0]) for row in server.run("SHOW BINARY LOGS") if str(row[0]) >= first]
    size = sum((server.datadir / name).stat().st_size for name in names)
    events = sum(1 for name in names for _ in walk([(name, 0, (server.datadir / name).read_bytes())]))
    (folder / "raw").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", _RECEIVE, server.url, server.flavour, str(folder / "store"), end.file, str(end.offset),
         first, recipient], capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    login = [f"--socket={server.socket}", "--user=root"]
    subprocess.run(
        server.binlog_command("--raw", "--read-from-remote-server", *login, f"--result-file={folder / 'raw'}/", *names),
        check=True,
    )
    raw, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  {size / 1e6:.0f} MB, {events:,} events of {size / events:.0f} bytes:")
    for what, took, used in (("bkpc", found["took"], found["cpu"]), ("mysqlbinlog --raw", raw, cpu)):
        print(f"    {what}: {size / took / 1e6:.0f} MB/s, {events / took:,.0f} events/s, {used:.2f} s of processor")
    print(f"    memory of bkpc: {found['memory']:.0f} MiB")


if __name__ == "__main__":
    main()
