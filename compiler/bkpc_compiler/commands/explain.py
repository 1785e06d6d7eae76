"""`bkpc explain CODE`: the page of a diagnostic; `bkpc explain DB`: how the bounds of a database come about."""

from __future__ import annotations

import argparse
import re
import sys
from importlib import resources
from pathlib import Path

from bkpc_compiler.commands.circumstances_given import add_circumstances

EXAMPLE = """\
example:
  bkpc explain BKP3001
  bkpc explain rto-unreachable
  bkpc explain orders --against site policies/    each term of its bounds, with its figures
a name alone is a diagnostic's if one has it; with --against, a PATH or --format json it is a database's
exit: 0 shown, whatever the verdict, 1 the policies have errors, 2 no such code, database or promise
"""

INTERMIXED = True
"""`explain orders --against site policies/`: argparse would take the path for one too many."""
_CODE = re.compile(r"bkp\d{4}.*", re.IGNORECASE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="CODE|DB", help="a code (BKP3001) or its name (rto-unreachable), or a database")
    parser.add_argument(
        "paths",
        nargs="*",
        default=[],
        metavar="PATH",
        help="for a database: files, or folders read recursively (default: here)",
    )
    parser.add_argument("--against", metavar="SCOPE", help="one failure only: corruption, host, site, region, intruder")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of what is said about a database")
    add_circumstances(parser)


def run(arguments: argparse.Namespace) -> int:
    alone = not arguments.paths and arguments.against is None and arguments.facts is None and arguments.format == "text"
    wanted = arguments.name.lower()
    known: dict[str, str] = {}
    page = None
    for path in _pages():
        text = path.read_text(encoding="utf-8")
        titles = {one.lower(): one for one in text.partition("\n")[0].removeprefix("# ").split()[:2]}
        known |= titles
        if wanted in titles:
            page = text.rstrip()
    if alone and page is not None:
        print(page)
        return 0
    missing = f"there is no diagnostic {arguments.name!r}{_similar(wanted, known)}" if alone else ""
    if alone and _CODE.fullmatch(wanted):
        print(f"bkpc explain: {missing}", file=sys.stderr)
        return 2
    from bkpc_compiler.commands.explain_database import explain_database

    return explain_database(arguments, missing=missing, is_code=page is not None)


def _similar(name: str, known: dict[str, str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f" (did you mean {known[close[0]]}?)" if close else ""


def _pages() -> list[Path]:
    """The pages as shipped in the wheel; in a working tree, those of `docs/errors`."""
    shipped = Path(str(resources.files("bkpc_compiler"))) / "errors"
    folder = shipped if shipped.is_dir() else Path(__file__).parents[3] / "docs" / "errors"
    return sorted(folder.glob("BKP*.md"))
