"""From commit to durable segment while small transactions are committed as fast as asked.

    python -m bench.stream_lag [--server mariadb|mysql] [--rate TX/S] [--seconds S]

Each transaction writes the time; when a segment appears in the store, the newest transaction in it tells how long
that took. Prints the rate reached and the lag: median, 99th percentile, worst; asked is flush period + 1 s.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.database_server import ThrowawayServer, start_server
from tests.servers.command_line import Office

from bkpc_runtime.mysql.binlog.transactions import transactions
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import segments
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.transfer.inbound import segment_opener

FLUSH = 2.0
_WRITERS = 2
_WRITER = """
import sys, time, pymysql
connection = pymysql.connect(unix_socket=sys.argv[1], user="root", autocommit=True)
cursor, number, pause, end = connection.cursor(), int(sys.argv[2]) * 10**8, 1 / float(sys.argv[3]), float(sys.argv[4])
begun = next_ = time.time()
done = 0
with open(sys.argv[5], "w") as log:
    while (now := time.time()) < end:
        if now < next_:
            time.sleep(min(0.002, next_ - now))
            continue
        next_ += pause
        number += 1
        done += 1
        cursor.execute(f"INSERT INTO w.t VALUES ({number}, 'small')")
        log.write(f"{number} {time.time():.6f}\\n")
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.stream_lag")
    parser.add_argument("--server", choices=["mariadb", "mysql"], default="mariadb")
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=30)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bkpc-bench-") as name:
        folder = Path(name)
        with start_server(chosen.server, folder / "source") as server:
            server.run("CREATE DATABASE w", "CREATE TABLE w.t (id BIGINT PRIMARY KEY, body VARCHAR(20))")
            measure(server, folder, chosen.rate, chosen.seconds)


def measure(server: ThrowawayServer, folder: Path, rate: int, seconds: int) -> None:
    office = Office.opened(folder / "office", server)
    office.begin()
    root = office.folder / "backups"
    arrived: dict[str, float] = {}
    stop = threading.Event()
    watching = threading.Thread(target=watch, args=(root, arrived, stop))
    agent = office.start("agent", "plan.json")
    try:
        while "streaming" not in (office.folder / "agent.log").read_text():
            time.sleep(0.1)
        watching.start()
        committed = write(server, folder, rate, seconds)
        time.sleep(FLUSH + 2)
    finally:
        stop.set()
        agent.terminate()
        agent.wait()
        watching.join()
    report(server, office, committed, arrived, seconds)


def watch(root: Path, arrived: dict[str, float], stop: threading.Event) -> None:
    """Notes when each segment became visible."""
    while not stop.wait(0.02):
        now = time.time()
        for path in root.glob("shop/*/logs/*/*/*.zst.age"):
            arrived.setdefault(path.name, now)


def write(server: ThrowawayServer, folder: Path, rate: int, seconds: int) -> list[tuple[int, float]]:
    """Commits from processes of their own; when each was acknowledged."""
    end = time.time() + seconds
    logs = [folder / f"writer{number}" for number in range(_WRITERS)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, server.socket, str(number), str(rate / _WRITERS), str(end), str(log)]
        )
        for number, log in enumerate(logs)
    ]
    for one in writers:
        one.wait()
    lines = [line.split() for log in logs for line in log.read_text().splitlines()]
    return [(int(number), float(at)) for number, at in lines]


def report(
    server: ThrowawayServer, office: Office, committed: list[tuple[int, float]], arrived: dict[str, float], seconds: int
) -> None:
    """The lag of every transaction: its segment's arrival less its acknowledgement."""
    store = DirectoryStore("disk", office.folder / "backups")
    key = Secret((office.folder / "key.txt").read_text().strip())
    (prefix,) = [f"shop/{name}".rstrip("/") for name in store.folders("shop/")]
    ends = [
        (file, one.end, arrived[one.key(prefix).rpartition("/")[2]])
        for file in segments.files(store, prefix, 1)
        for one in segments.archived_file(store, prefix, 1, file).segments
    ]
    first = segments.files(store, prefix, 1)[0]
    pieces = segments.read_log(store, prefix, 1, Position(first, 0), None, unpack=segment_opener([key]))
    inserted = [one for one in transactions(pieces) if one.changes]
    acknowledged = sorted(at for _, at in committed)
    lags = []
    at_segment = iter(ends)
    file, end, arrival = next(at_segment)
    # Both are in the order of commits.
    for one, at in zip(inserted, acknowledged, strict=True):
        while (one.file, one.end) > (file, end):
            file, end, arrival = next(at_segment)
        lags.append(arrival - at)
    lags.sort()
    print(
        f"{server.flavour}, {len(committed) / seconds:.0f} transactions/s for {seconds} s, flushed every {FLUSH:.0f} s:"
    )
    high = lags[int(len(lags) * 0.99)]
    print(f"  lag: median {statistics.median(lags):.2f} s, 99 % {high:.2f} s, worst {lags[-1]:.2f} s")
    print(f"  asked: at most {FLUSH + 1:.0f} s; {len(inserted)} of {len(committed)} committed transactions archived")


if __name__ == "__main__":
    main()
