"""`python -m bench.large_estate [--databases N …]`: what `check` takes on large estates, by phase, and how it grows.

50 sites, 100 stores, 200 links, 200 policies with three scopes each; every database with its own figures, a third
of them needing another; links and stores as wide as that takes. Each run is a process of its own; seconds are of the
processor, since a shared machine has others to serve; the ratios are to the first size.
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
now = time.process_time
marks, within = [now()], dict.fromkeys(("parse", "settle", "schedule_of"), 0.0)
from bkpc_compiler.diagnostics.text import render
from bkpc_compiler.commands.verdicts import counted, verdict_table
from bkpc_compiler.feasibility import together, verdict
from bkpc_compiler.passes import Checked
from bkpc_compiler.program import resolve
from bkpc_compiler.rules import RULES
marks.append(now())
def timed(module, name):
    true = getattr(module, name)
    def run(*arguments):
        start = now()
        found = true(*arguments)
        within[name] += now() - start
        return found
    setattr(module, name, run)
timed(resolve, "parse")
timed(verdict, "settle")
timed(together, "schedule_of")
program, sources, found = resolve.resolve([sys.argv[1]], lambda path: Path(path).read_text())
marks.append(now())
analysis = verdict.analyse(program)
marks.append(now())
judged = [one for rule in RULES for one in rule(analysis)]
marks.append(now())
checked = Checked(sources, program, analysis, tuple(judged))
text = render(checked.diagnostics, sources, colour=False) + verdict_table(checked) + counted(checked)
marks.append(now())
loaded, resolved, analysed, ruled, printed = (after - before for before, after in zip(marks, marks[1:]))
planned = within["settle"] + within["schedule_of"]
parsed = within["parse"]
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(loaded, parsed, resolved - parsed, analysed - planned, planned, ruled, printed, memory // 1024)
print(text.splitlines()[-1])
"""
PHASES = ("import", "parse", "resolve", "feasibility", "planning", "rules", "print")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.large_estate")
    parser.add_argument("--databases", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--runs", type=int, default=3, help="of each size; the one in the middle is told")
    asked = parser.parse_args()
    first: float | None = None
    with tempfile.TemporaryDirectory() as folder:
        for number in asked.databases:
            path = Path(folder) / f"{number}.bkp"
            path.write_text(estate(number))
            (*phases, memory), told = sorted((_run(path) for _ in range(asked.runs)), key=_total)[asked.runs // 2]
            total = sum(phases)
            first = first or total
            told_phases = ", ".join(f"{name} {took:.2f} s" for name, took in zip(PHASES, phases, strict=True))
            print(f"{number:>7} databases: {total:6.2f} s, {memory:.0f} MiB, {total / first:.1f} times the first")
            print(f"        {told_phases}\n        {told}")
    return 0


def _run(path: Path) -> tuple[list[float], str]:
    run = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    figures, told = run.stdout.splitlines()
    return [float(one) for one in figures.split()], told


def _total(run: tuple[list[float], str]) -> float:
    return sum(run[0][:-1])


def estate(number: int, sites: int = 50, policies: int = 200, links: int = 200) -> str:
    """A policy file of `number` databases; the same for the same number."""
    chance = random.Random(1)  # noqa: S311 - the same estate in each run
    wide = 20 * max(1, number // 10000)
    lines = ["edition 1", 'timezone "Asia/Shanghai"', 'import "std/oss"']
    lines += [f'site s{one} {{ region "r{one % 10}" }}' for one in range(sites)]
    for one in range(sites):
        oss = f'endpoint "https://oss{one}.example.com" credentials env K{one}, V{one}'
        rates = f"reads {wide}Gbit/s writes {wide}Gbit/s"
        lines.append(f'store near{one} at s{one} {{ oss "near-{one}" {oss} class standard {rates} }}')
        lines.append(f'store far{one} at s{one} {{ oss "far-{one}" {oss} class infrequent_access {rates} }}')
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
