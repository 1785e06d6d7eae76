"""A full image beside `mariadb-dump … | zstd -1 -T2` of the same data, in turn; and a restore's memory.

    python -m bench.full_image [--server mariadb|mysql] [--size MIB] [--rounds N]

Prints medians, the ratio of speeds (above 1: bkpc is faster), and the peak memory of bkpc's process.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.database_server import ThrowawayServer, start_server
from tests.servers.command_line import Office

MIB = 1 << 20
_ROW = """INSERT INTO shop.big (who, what, price, at, body)
SELECT CONCAT('customer ', seed.n * 7919 % 10007), REPEAT(SHA2(seed.n + {salt}, 256), 2), seed.n * 1.17, NOW(),
       CONCAT(UUID(), ' paid for ', seed.n, ' lamps of the kind that lasts, ', SHA2(seed.n * {salt}, 224))
FROM (SELECT a.n + b.n * 10 + c.n * 100 + d.n * 1000 + e.n * 10000 AS n FROM d a, d b, d c, d d, d e) seed"""
_ROW_BYTES = 320


def fill(server: ThrowawayServer, size: int) -> None:
    """One large table of `size` bytes of dump, and two small ones."""
    server.run(
        "CREATE DATABASE shop", "USE shop", "CREATE TABLE d (n INT)",
        "INSERT INTO d VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
        "CREATE TABLE big (id BIGINT PRIMARY KEY AUTO_INCREMENT, who VARCHAR(60), what TEXT, "
        "price DECIMAL(12,2), at DATETIME, body TEXT)",
        *(_ROW.format(salt=salt) for salt in range(1, max(1, size // (_ROW_BYTES * 100_000)) + 1)),
        "CREATE TABLE small AS SELECT * FROM big LIMIT 1000",
    )  # fmt: skip


def timed(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[float, int]:
    """Seconds, and the largest resident memory (bytes) of any one process."""
    began = time.monotonic()
    process = subprocess.Popen(list(command), cwd=folder, env=dict(environ), stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise SystemExit(f"{shlex.join(command)} failed with {status}")
    return time.monotonic() - began, used.ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.full_image")
    parser.add_argument("--server", choices=["mariadb", "mysql"], default="mariadb")
    parser.add_argument("--size", type=int, default=1024, help="MiB of dump")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bkpc-bench-") as name:
        folder = Path(name)
        with start_server(chosen.server, folder / "source") as server:
            fill(server, chosen.size * MIB)
            compare(server, folder, chosen.rounds)


def compare(server: ThrowawayServer, folder: Path, rounds: int) -> None:
    office = Office.opened(folder / "office", server)
    office.begin()
    dump = shlex.join(server.dump_command("--single-transaction", "--quick", "--hex-blob", "--databases", "shop"))
    peer = ["bash", "-o", "pipefail", "-c", f"{dump} | zstd -1 -T2 > peer.zst"]
    ours = office.command("run", "plan.json", "shop/full/disk")
    times: dict[str, list[float]] = {"peer": [], "bkpc": []}
    memory = 0
    for _ in range(rounds):
        times["peer"].append(timed(peer, office.folder, office.environ)[0])
        seconds, used = timed(ours, office.folder, office.environ)
        times["bkpc"].append(seconds)
        memory = max(memory, used)
    plain = int(subprocess.check_output(["bash", "-c", "zstd -dc peer.zst | wc -c"], cwd=office.folder))
    theirs, own = (statistics.median(times[one]) for one in ("peer", "bkpc"))
    print(f"{server.flavour}, {plain / MIB:.0f} MiB of dump, encrypted, median of {rounds}:")
    print(f"  {Path(dump.split()[0]).name} | zstd -1 -T2   {theirs:6.1f} s  {plain / MIB / theirs:6.0f} MiB/s")
    print(f"  bkpc run shop/full/disk      {own:6.1f} s  {plain / MIB / own:6.0f} MiB/s")
    print(f"  ratio {theirs / own:.2f} (asked: at least 0.80)")
    print(f"  peak memory of one process   {memory / MIB:6.0f} MiB (asked: under 200)")
    restore(server, office, folder)


def restore(server: ThrowawayServer, office: Office, folder: Path) -> None:
    with start_server(server.flavour, folder / "rescue") as rescue:
        command = office.command("restore", "plan.json", "shop", "--into", rescue.url)
        seconds, used = timed(command, office.folder, office.environ)
        asked = "SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', id, who, what, price, at, body))) FROM shop.big"
        same = rescue.run(asked) == server.run(asked)
    print(
        f"  restore                      {seconds:6.1f} s, peak {used / MIB:.0f} MiB, {'same' if same else 'DIFFERENT'}"
    )


if __name__ == "__main__":
    main()
