"""Memory of images and copies side by side: as many as an agent runs at once, from and to the tests' OSS server.

    python -m bench.side_by_side [--jobs N] [--size MIB] [--expected GIB]

Each job packs, seals and uploads an object as an image's stream is, then copies it to another key. Prints the peak
memory of the process (VmHWM), after it has imported all it needs and at the end.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
from pathlib import Path

import pyrage
from tests.oss_server import KEY_ID, KEY_SECRET, REGION

from bench.bucket import serving
from bkpc_runtime.room import MOST
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.transfer.memory import settle
from bkpc_runtime.transfer.outbound import Outbound
from bkpc_runtime.transfer.ranges import read_checked

MIB = 1 << 20
ASKED = 250


def memory() -> float:
    """VmHWM in MiB."""
    with Path("/proc/self/status").open() as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def one_job(endpoint: str, bucket: str, number: int, size: int, expected: int, recipient: str) -> None:
    key = AccessKey(KEY_ID, Secret(KEY_SECRET))
    store = OssStore("far", bucket, endpoint, REGION, "jobs", lambda: key)
    with store.writer(f"image-{number}", expected) as writer:
        out = Outbound(writer.write, [recipient], large=True)
        block = os.urandom(MIB)
        for _ in range(size // MIB):
            out.write(block)
        sums = out.finish()
        writer.commit()
    with store.writer(f"copy-{number}", expected, resumes=True) as writer:
        for chunk in read_checked(store, f"image-{number}", sums):
            writer.write(chunk)
        writer.commit()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.side_by_side")
    parser.add_argument("--jobs", type=int, default=MOST)
    parser.add_argument("--size", type=int, default=200, help="MiB of each object")
    parser.add_argument(
        "--expected", type=int, default=150, help="GiB that are said to come: parts are as large as that asks"
    )
    chosen = parser.parse_args()
    settle()
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    with tempfile.TemporaryDirectory(prefix="bkpc-bench-") as name, serving(Path(name) / "oss") as server:
        began = memory()
        values = (chosen.size * MIB, chosen.expected << 30, recipient)
        threads = [
            threading.Thread(target=one_job, args=(server.endpoint, "backup", number, *values))
            for number in range(chosen.jobs)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"{chosen.jobs} jobs, {chosen.size} MiB each, parts for {chosen.expected} GiB")
    print(f"  peak memory {memory():.0f} MiB, {began:.0f} of it before the first (asked: at most {ASKED})")


if __name__ == "__main__":
    main()
