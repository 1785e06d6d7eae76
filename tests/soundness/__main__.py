"""`python -m tests.soundness --cases N --seed S`; `--only 17` shows one case of that seed in full."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import replace
from pprint import pprint
from random import Random
from time import perf_counter

import msgspec

from tests.soundness.ground import FEATURES, USUAL, Odds
from tests.soundness.harness import PROCESSES, drawn, odds_of, one_case, run, summary


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.soundness", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--only", type=int, metavar="CASE", help="this case alone, with its program and plan")
    parser.add_argument("--often", action="append", choices=FEATURES, default=[],
                        help="draw this in nearly every case that can have it")  # fmt: skip
    parser.add_argument("--never", action="append", choices=FEATURES, default=[],
                        help="draw none of this")  # fmt: skip
    given = parser.parse_args()
    odds: Odds | None = None
    if given.often or given.never:
        odds = replace(USUAL, **dict.fromkeys(given.often, 0.9), **dict.fromkeys(given.never, 0.0))
    started = perf_counter()
    if given.only is not None:
        show(given.seed, given.only, odds or odds_of(given.only))
        total = one_case(given.seed, given.only, odds)
    else:
        total = run(given.cases, given.seed, given.processes, odds)
    print(summary(total, perf_counter() - started))
    return 1 if total.violations else 0


def show(seed: int, number: int, odds: Odds) -> None:
    """The program, the verdicts and the plan of one case."""
    program, said = drawn(Random(f"{seed}:{number}"), odds)  # noqa: S311 - drawn again from the printed seed
    for part in (program.sites, program.links, program.stores, program.databases, program.protections):
        pprint(part, width=150)
    pprint(said.verdicts, width=150)
    if said.plan is not None:
        print(msgspec.json.format(msgspec.json.encode(said.plan), indent=1).decode())


if __name__ == "__main__":
    sys.exit(main())
