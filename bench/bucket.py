"""The driver of OSS beside Alibaba's own `oss2`, on the tests' server in a process of its own, in turn.

    python -m bench.bucket [--size MIB] [--rounds N]

Ours compresses, seals and hashes on the way there, and hashes, opens and expands on the way back; `oss2` moves the same
stored bytes with `resumable_upload` and `resumable_download`, with parts as large and as many threads. Prints medians
and the ratio of speeds (above 1: bkpc is faster), and the requests of each.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import oss2
import pyrage
from tests.oss_server import KEY_ID, KEY_SECRET, REGION

from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.oss_download import CONNECTIONS
from bkpc_runtime.stores.oss_upload import SMALLEST_PART, UNDER_WAY
from bkpc_runtime.transfer.inbound import inbound
from bkpc_runtime.transfer.outbound import Outbound
from bkpc_runtime.transfer.ranges import read_checked
from bkpc_runtime.transfer.sums import Sums

MIB = 1 << 20
ASKED = 0.9


@dataclass(frozen=True, slots=True)
class Serving:
    """The tests' server in its own process."""

    endpoint: str

    def requests(self) -> Counter[str]:
        """By kind, since the last time."""
        with urllib.request.urlopen(f"{self.endpoint}/-/requests") as answer:  # noqa: S310 - the loopback
            lines = answer.read().decode().splitlines()
        asked = urllib.request.Request(f"{self.endpoint}/-/requests", method="DELETE")  # noqa: S310
        urllib.request.urlopen(asked).close()  # noqa: S310
        return Counter(line.split()[0] for line in lines)


@contextmanager
def serving(folder: Path) -> Iterator[Serving]:
    command = [sys.executable, "-m", "tests.oss_server", "--root", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Serving(process.stdout.readline().split()[0])
    finally:
        process.terminate()
        process.wait()


class Peers:
    """Both drivers, on the same bytes."""

    def __init__(self, endpoint: str, folder: Path, size: int) -> None:
        self.folder = folder
        access = AccessKey(KEY_ID, Secret(KEY_SECRET))
        self.store = OssStore("bench", "backup", endpoint, REGION, "", lambda: access)
        self.bucket: Any = oss2.Bucket(oss2.AuthV4(KEY_ID, KEY_SECRET), endpoint, "backup", region=REGION)
        identity = pyrage.x25519.Identity.generate()
        self.recipient, self.identity = str(identity.to_public()), Secret(str(identity))
        self.plain = folder / "plain"
        self.stored = folder / "stored"
        with self.plain.open("wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))  # does not shrink: as many bytes are stored as are read
        self.sums: Sums | None = None

    def ours_up(self) -> None:
        with self.plain.open("rb") as file, self.store.writer("ours", self.plain.stat().st_size) as writer:
            outbound = Outbound(writer.write, [self.recipient])
            while chunk := file.read(MIB):
                outbound.write(chunk)
            self.sums = outbound.finish()
            writer.commit()

    def ours_down(self) -> None:
        assert self.sums is not None
        plain = inbound(
            read_checked(self.store, "ours", self.sums), name="ours", encrypted=True, identities=[self.identity],
            expected=self.sums,
        )  # fmt: skip
        with (self.folder / "back").open("wb") as file:
            for chunk in plain:
                file.write(chunk)

    def theirs_up(self) -> None:
        oss2.resumable_upload(
            self.bucket, "theirs", str(self.plain), store=self._marks(), multipart_threshold=0,
            part_size=SMALLEST_PART, num_threads=UNDER_WAY,
        )  # fmt: skip

    def theirs_down(self) -> None:
        oss2.resumable_download(
            self.bucket, "theirs", str(self.stored), store=oss2.ResumableDownloadStore(root=str(self.folder)),
            multiget_threshold=0, part_size=SMALLEST_PART, num_threads=CONNECTIONS,
        )  # fmt: skip

    def _marks(self) -> Any:
        return oss2.ResumableStore(root=str(self.folder))


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds that passed, and those of the processor in this process."""
    began, used = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - began, time.process_time() - used


def compare(size: int, rounds: int, folder: Path) -> dict[str, float]:
    """Prints the comparison; the ratios of speed, up and down."""
    ratios: dict[str, float] = {}
    with serving(folder / "oss") as server:
        peers = Peers(server.endpoint, folder, size)
        for what, theirs, ours in (
            ("upload", peers.theirs_up, peers.ours_up),
            ("download", peers.theirs_down, peers.ours_down),
        ):
            times: dict[str, list[float]] = {"oss2": [], "bkpc": []}
            used: dict[str, list[float]] = {"oss2": [], "bkpc": []}
            asked: dict[str, Counter[str]] = {}
            for _ in range(rounds):
                for name, work in (("oss2", theirs), ("bkpc", ours)):
                    server.requests()
                    seconds, processor = timed(work)
                    times[name].append(seconds)
                    used[name].append(processor)
                    asked[name] = server.requests()
            pairs = zip(times["oss2"], times["bkpc"], strict=True)
            ratios[what] = statistics.median(their / own for their, own in pairs)
            for name, passed in times.items():
                middle, busy = statistics.median(passed), statistics.median(used[name])
                told = ", ".join(f"{count} {kind}" for kind, count in sorted(asked[name].items()))
                speed = f"{middle:6.2f} s  {size / MIB / middle:6.0f} MiB/s  processor {busy:5.2f} s"
                print(f"  {what:9} {name}  {speed}   requests: {told}")
            print(f"  {what:9} ratio {ratios[what]:.2f} (asked: at least {ASKED})")
        assert filecmp.cmp(folder / "back", peers.plain, shallow=False)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bucket")
    parser.add_argument("--size", type=int, default=256, help="MiB of one object")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    print(f"{chosen.size} MiB that do not shrink, median of {chosen.rounds} pairs; ours sealed and hashed:")
    with tempfile.TemporaryDirectory(prefix="bkpc-bench-") as name:
        compare(chosen.size * MIB, chosen.rounds, Path(name))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  peak memory of both drivers in one process {peak:.0f} MiB")


if __name__ == "__main__":
    main()
