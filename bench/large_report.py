"""`python -m bench.large_report [--databases N …]`: what `bkpc report` takes on the estates of `bench.large_estate`.

By phase, beside what `check` takes of it: judging, making the plan (its recoveries, its bounds, its digest), the second
opinion on it, and the page. Each run is a process of its own; seconds are of the processor.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.large_estate import estate

MEASURE = """
import gc, resource, sys, time
from pathlib import Path
gc.disable()
now = time.process_time
took = {}
def timed(module, name):
    true = getattr(module, name)
    def run(*arguments):
        start = now()
        found = true(*arguments)
        took[name] = took.get(name, 0.0) + now() - start
        return found
    setattr(module, name, run)
from bkpc_compiler import passes
from bkpc_compiler.backends.report import report_html
from bkpc_compiler.commands.source_files import compile_files
from bkpc_compiler.planning import emit, verified
timed(passes, "check_sources")
for name in ("recoveries_of", "objectives_of", "sealed"):
    timed(emit, name)
timed(emit, "emit")
timed(verified, "verified")
plan = compile_files([sys.argv[1]], "bench")[0]
timed(sys.modules[__name__], "report_html")
page = report_html(plan)
took["emit"] -= sum(took[name] for name in ("recoveries_of", "objectives_of", "sealed"))
told = [took[name] for name in sys.argv[2:]]
print(*told, now() - sum(told), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, len(page) // 1024)
"""
PHASES = {
    "check_sources": "check",
    "emit": "jobs",
    "recoveries_of": "recoveries",
    "objectives_of": "bounds",
    "sealed": "digest",
    "verified": "second opinion",
    "report_html": "page",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.large_report")
    parser.add_argument("--databases", type=int, nargs="+", default=[1000, 10000])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number in asked.databases:
            path = Path(folder) / f"{number}.bkp"
            path.write_text(estate(number))
            command = [sys.executable, "-c", MEASURE, str(path), *PHASES]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            *phases, memory, page = map(float, run.stdout.split())
            told = [f"{name} {took:.2f} s" for name, took in zip((*PHASES.values(), "import"), phases, strict=True)]
            times = sum(phases) / phases[0]
            print(f"{number:>7} databases: {sum(phases):6.2f} s, {times:.1f} times check, {memory:.0f} MiB")
            print(f"        {', '.join(told)}; the page has {page:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
