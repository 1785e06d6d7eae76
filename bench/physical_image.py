"""A physical image beside `mariabackup --stream | zstd -1 -T2` of the same data, in turn; and a restore's memory.

    python -m bench.physical_image [--size MIB] [--rounds N]

Prints medians, the ratio of speeds (above 1: bkpc is faster), and the peak memory of bkpc's own process.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.database_server import ThrowawayServer, start_mariadb
from tests.servers.command_line import Office

from bench.full_image import MIB, fill, timed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.physical_image")
    parser.add_argument("--size", type=int, default=2048, help="MiB of rows, about")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bkpc-bench-") as name:
        folder = Path(name)
        with start_mariadb(folder / "source") as server:
            fill(server, chosen.size * MIB)
            server.run("SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0.001", "SET GLOBAL innodb_max_dirty_pages_pct = 0")
            compare(server, folder, chosen.rounds)


def compare(server: ThrowawayServer, folder: Path, rounds: int) -> None:
    office = Office.opened(folder / "office", server)
    office.plan_physical()
    office.begin()
    options = office.folder / "peer.cnf"
    options.write_text(f"[client]\nuser=root\nsocket={server.socket}\n")
    tool = shlex.join(["mariadb-backup", f"--defaults-file={options}", "--backup", "--stream=mbstream"])
    peer = ["bash", "-o", "pipefail", "-c", f"{tool} --target-dir={folder / 'notes'} | zstd -1 -T2 -q > peer.zst"]
    ours = office.command("run", "plan.json", "shop/full/disk")
    ratios, memory = [], 0
    times: dict[str, list[float]] = {"peer": [], "bkpc": []}
    work: dict[str, list[float]] = {"peer": [], "bkpc": []}
    for _ in range(rounds):
        with processor_time(work["peer"]):
            times["peer"].append(timed(peer, office.folder, office.environ)[0])
        with processor_time(work["bkpc"]):
            seconds, used = timed(ours, office.folder, office.environ)
        times["bkpc"].append(seconds)
        ratios.append(times["peer"][-1] / seconds)
        memory = max(memory, used)
    plain = int(subprocess.check_output(["bash", "-c", "zstd -dc peer.zst | wc -c"], cwd=office.folder))
    stored = (office.folder / "peer.zst").stat().st_size
    theirs, own = (statistics.median(times[one]) for one in ("peer", "bkpc"))
    print(f"{plain / MIB:.0f} MiB of files, {stored / MIB:.0f} compressed, encrypted, median of {rounds}:")
    print(f"  mariabackup | zstd -1 -T2    {theirs:6.1f} s  {plain / MIB / theirs:6.0f} MiB/s")
    print(f"  bkpc run shop/full/disk      {own:6.1f} s  {plain / MIB / own:6.0f} MiB/s")
    pairs = ", ".join(f"{one:.2f}" for one in ratios)
    print(f"  ratio {statistics.median(ratios):.2f}, of pairs {pairs} (asked: at least 0.90)")
    busy, own_busy = (statistics.median(work[one]) for one in ("peer", "bkpc"))
    ratio = f"ratio {busy / own_busy:.2f}, however busy the machine is"
    print(f"  processor time               {busy:6.1f} s, ours {own_busy:.1f} s: {ratio}")
    print(f"  peak memory of one process   {memory / MIB:6.0f} MiB (asked: at most 250)")
    restore(office, folder)


@contextmanager
def processor_time(spent: list[float]) -> Iterator[None]:
    """Adds what the children of the block took, and theirs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def restore(office: Office, folder: Path) -> None:
    """Its own memory: preparing is another process, sized to the redo log."""
    command = office.command("restore", "plan.json", "shop", "--into-datadir", str(folder / "back"))
    seconds, _ = timed(command, office.folder, office.environ)
    own = peak_of([*command[:-1], str(folder / "again")], office)
    print(f"  restore                      {seconds:6.1f} s, peak {own / MIB:.0f} MiB")


def peak_of(command: list[str], office: Office) -> int:
    """VmHWM of the process alone, without its children."""
    process = subprocess.Popen(command, cwd=office.folder, env=office.environ, stderr=subprocess.DEVNULL)
    peak = 0
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        for line in status.read_text().splitlines() if status.exists() else ():
            if line.startswith("VmHWM"):
                peak = int(line.split()[1]) * 1024
        time.sleep(0.02)
    return peak


if __name__ == "__main__":
    main()
