"""`bkpc check` of the shop example, cold, beside what no Python program can avoid: starting the interpreter.

python -m bench.cold_check [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "tests" / "cases" / "examples" / "shop" / "payments.bkp"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "bkpc --version": ["-m", "bkpc_compiler.main", "--version"],
    "bkpc check payments.bkp": ["-m", "bkpc_compiler.main", "check", str(EXAMPLE)],
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cold_check")
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            began = time.monotonic()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.monotonic() - began)
    for name, found in times.items():
        print(f"{name:<26} median {statistics.median(found):.2f} s, best {min(found):.2f} s")
    print("asked: at most 0.60 s")


if __name__ == "__main__":
    main()
