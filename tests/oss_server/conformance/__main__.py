"""`python -m tests.oss_server.conformance`: runs the suites and prints counts and failures.

`--suite NAME=FOLDER` says where a suite lies; oss2's is downloaded when no folder is given. With `--keep` the results
are kept and CONFORMANCE.md is written anew.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

from tests.oss_server.conformance import record
from tests.oss_server.conformance.runner import Outcome, run_suite
from tests.oss_server.conformance.suite_source import oss2_folder
from tests.oss_server.conformance.suites import OSS2, SUITES


def main() -> int:
    """Runs what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.oss_server.conformance")
    parser.add_argument("--suite", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the suites' libraries")
    parser.add_argument("--only", default="*", help="pattern over file names")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--keep", action="store_true", help="keep the results and write CONFORMANCE.md")
    arguments = parser.parse_args()
    folders = {name: Path(folder).resolve() for name, _, folder in (one.partition("=") for one in arguments.suite)}
    folders = folders or {OSS2.name: oss2_folder()}
    python = str(Path(arguments.python).absolute())  # not resolved: an environment is told by its path
    failed = 0
    for suite in SUITES:
        if suite.name not in folders:
            continue
        outcomes = run_suite(suite, folders[suite.name], python, arguments.only, arguments.jobs)
        failed += _told(suite.name, outcomes)
        if arguments.keep:
            record.keep(suite, outcomes, _version(folders[suite.name]))
    if arguments.keep:
        record.PAGE.write_text(record.page())
    return 1 if failed else 0


def _told(name: str, outcomes: list[Outcome]) -> int:
    for one in outcomes:
        if one.result == "failed":
            print(f"FAILED {one.file}::{one.test}: {one.reason}"[:400].replace("\n", " "))
    counts = Counter(one.result for one in outcomes)
    print(f"{name}: " + ", ".join(f"{number} {result}" for result, number in sorted(counts.items())), flush=True)
    return counts["failed"]


def _version(folder: Path) -> str:
    for name in ("oss2/__init__.py", "alibabacloud_oss_v2/_version.py"):
        if (folder / name).exists():
            found = re.search(r"""version\w*\s*=\s*['"]([^'"]+)""", (folder / name).read_text(), re.IGNORECASE)
            return found[1] if found else "?"
    return "?"


sys.exit(main())
