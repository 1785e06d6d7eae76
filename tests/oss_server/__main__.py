"""`python -m tests.oss_server --root DIR [--port N]`: serves until interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.oss_server.server import KEY_ID, KEY_SECRET, REGION, serving


def main() -> None:
    """Prints where it listens and with which key, then waits for a signal."""
    parser = argparse.ArgumentParser(prog="python -m tests.oss_server")
    parser.add_argument("--root", type=Path, required=True, help="where buckets are kept")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    arguments = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with serving(arguments.root, arguments.port) as server:
        print(f"{server.endpoint} bucket=backup region={REGION} key={KEY_ID} secret={KEY_SECRET}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
        for problem in server.problems:
            print(problem, file=sys.stderr)


main()
