"""`bkpc explain CODE`: the page of a diagnostic."""

from __future__ import annotations

import argparse
import sys
from importlib import resources
from pathlib import Path

EXAMPLE = """\
example:
  bkpc explain BKP3001
  bkpc explain rto-unreachable
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", help="a code (BKP3001) or a name (rto-unreachable)")


def run(arguments: argparse.Namespace) -> int:
    wanted = arguments.code.lower()
    for path in _pages():
        code, name = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").split()[:2]
        if wanted in (code.lower(), name.lower()):
            print(path.read_text(encoding="utf-8").rstrip())
            return 0
    print(f"bkpc explain: there is no diagnostic {arguments.code!r}", file=sys.stderr)
    return 2


def _pages() -> list[Path]:
    """The pages as shipped in the wheel; in a working tree, those of `docs/errors`."""
    shipped = Path(str(resources.files("bkpc_compiler"))) / "errors"
    folder = shipped if shipped.is_dir() else Path(__file__).parents[3] / "docs" / "errors"
    return sorted(folder.glob("BKP*.md"))
