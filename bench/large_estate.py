"""`python -m bench.large_estate [--databases N …]`: what `check` takes on large estates, by phase, and how it grows.

50 sites, 100 stores, 200 links, 200 policies with three scopes each; every database with its own figures, a third
of them needing another; links and stores as wide as that takes. Each size runs in a process of its own; the ratios
are to the first size.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

MEASURE = """
import gc, resource, sys, time
from pathlib import Path
gc.disable()
start = time.perf_counter()
from bkpc_compiler.diagnostics.text import render
from bkpc_compiler.commands.verdicts import counted, verdict_table
from bkpc_compiler.feasibility.verdict import analyse
from bkpc_compiler.passes import Checked
from bkpc_compiler.program.resolve import resolve
from bkpc_compiler.rules import RULES
times = [time.perf_counter()]
program, sources, found = resolve([sys.argv[1]], lambda path: Path(path).read_text())
times.append(time.perf_counter())
analysis = analyse(program)
times.append(time.perf_counter())
judged = [one for rule in RULES for one in rule(analysis)]
times.append(time.perf_counter())
checked = Checked(sources, program, analysis, tuple(judged))
text = render(checked.diagnostics, sources, colour=False) + verdict_table(checked) + counted(checked)
times.append(time.perf_counter())
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(*(after - before for before, after in zip([start, *times], times)), memory // 1024)
print(text.splitlines()[-1])
"""
PHASES = ("import", "parse and resolve", "judge and plan", "rules", "print")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.large_estate")
    parser.add_argument("--databases", type=int, nargs="+", default=[1000, 10000])
    sizes = parser.parse_args().databases
    first: float | None = None
    with tempfile.TemporaryDirectory() as folder:
        for number in sizes:
            path = Path(folder) / f"{number}.bkp"
            path.write_text(estate(number))
            run = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
            figures, told = run.stdout.splitlines()
            *phases, memory = map(float, figures.split())
            total = sum(phases)
            first = first or total
            told_phases = ", ".join(f"{name} {took:.2f} s" for name, took in zip(PHASES, phases, strict=True))
            print(f"{number:>7} databases: {total:6.2f} s, {memory:.0f} MiB, {total / first:.1f} times the first")
            print(f"        {told_phases}\n        {told}")
    return 0


def estate(number: int, sites: int = 50, policies: int = 200, links: int = 200) -> str:
    """A policy file of `number` databases; the same for the same number."""
    chance = random.Random(1)  # noqa: S311 - the same estate in each run
    wide = 20 * max(1, number // 10000)
    lines = ["edition 1", 'timezone "Asia/Shanghai"', 'import "std/oss"']
    lines += [f'site s{one} {{ region "r{one % 10}" }}' for one in range(sites)]
    for one in range(sites):
        oss = f'oss "b{one}" endpoint "https://oss-{one}.aliyuncs.com" credentials env K{one}, V{one}'
        rates = f"reads {wide}Gbit/s writes {wide}Gbit/s"
        lines.append(f"store near{one} at s{one} {{ {oss} class standard {rates} }}")
        lines.append(f"store far{one} at s{one} {{ {oss} class infrequent_access {rates} }}")
    pairs = {(one, (one + 1) % sites) for one in range(sites)}
    while len(pairs) < links:
        source, target = chance.sample(range(sites), 2)
        if (target, source) not in pairs:
            pairs.add((source, target))
    for source, target in sorted(pairs):
        lines.append(f"link s{source} -- s{target} {{ bandwidth {wide}Gbit/s latency {chance.randint(1, 40)}ms }}")
    lines += [_policy(one, sites, chance) for one in range(policies)]
    protected: dict[int, list[str]] = {}
    for one in range(number):
        lines.append(_database(one, sites, chance))
        protected.setdefault(one % sites + sites * chance.randrange(policies // sites), []).append(f"db{one}")
    lines += [f"protect {', '.join(names)} with p{policy}" for policy, names in sorted(protected.items())]
    return "\n".join(lines) + "\n"


def _policy(number: int, sites: int, chance: random.Random) -> str:
    home, other = number % sites, (number + 1) % sites
    at = f"{chance.randint(0, 5):02d}:{chance.choice([0, 15, 30]):02d}"
    return f"""policy p{number} {{
  promise against corruption, host {{ rpo 10s  rto 2h }}
  promise against site {{ rpo 5min  rto 8h }}
  respond detect 5min activate 10min
  full daily at {at} within 6h to near{home}
  hot to near{home}, near{other} every 5s
  cold daily at 10:00 within 10h from near{home} to near{other}
  keep 35d, 12 monthly
}}"""


def _database(number: int, sites: int, chance: random.Random) -> str:
    site = number % sites
    needs = f"needs db{number - sites}" if number >= sites and chance.random() < 1 / 3 else ""
    return f"""database db{number} at s{site} {{
  mysql "db{number}.svc:3306"
  credentials env U{number}, W{number}
  size {chance.randint(1, 40)}GiB  grows 2%/month
  writes {chance.randint(1, 200)}MiB/h  burst 16MiB
  restores 200MiB/s  replays 40MiB/s
  {needs}
  standby s{(site + 1) % sites} {{ provision 20min }}
}}"""


if __name__ == "__main__":
    sys.exit(main())
