"""`python -m tests.soundness --cases N --seed S`; `--only 17` shows one case of that seed in full."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pprint import pprint
from random import Random
from time import perf_counter

import msgspec

from tests.soundness.harness import PROCESSES, drawn, one_case, run, summary


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.soundness", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--only", type=int, metavar="CASE", help="this case alone, with its program and plan")
    given = parser.parse_args()
    started = perf_counter()
    if given.only is not None:
        show(given.seed, given.only)
        total = one_case(given.seed, given.only)
    else:
        total = run(given.cases, given.seed, given.processes)
    print(summary(total, perf_counter() - started))
    return 1 if total.violations else 0


def show(seed: int, number: int) -> None:
    """The program, the verdicts and the plan of one case."""
    program, said = drawn(Random(f"{seed}:{number}"))  # noqa: S311 - drawn again from the printed seed
    for part in (program.sites, program.links, program.stores, program.databases, program.protections):
        pprint(part, width=150)
    pprint(said.verdicts, width=150)
    if said.plan is not None:
        print(msgspec.json.format(msgspec.json.encode(said.plan), indent=1).decode())


if __name__ == "__main__":
    sys.exit(main())
