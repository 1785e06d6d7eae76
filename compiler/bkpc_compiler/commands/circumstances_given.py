"""What commands that read policies are told beside them: `--facts`, `--today`, `--horizon`."""

from __future__ import annotations

import argparse
import hashlib
import re
from datetime import date
from pathlib import Path

from bkpc_compiler.circumstances import Circumstances, MeasuredFacts
from bkpc_compiler.commands.given_file import read_given

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_HORIZON = re.compile(r"(?:(?P<years>\d{1,9})y)?(?:(?P<months>\d{1,9})mo)?")


class FactsUnusable(Exception):
    """The document of measured figures can't be read, or is none; the message says why and where in it."""


def add_circumstances(parser: argparse.ArgumentParser) -> None:
    """The options that every command takes that reads policies."""
    parser.add_argument("--facts", metavar="FILE", help="measured figures (JSON): they count instead of declared ones")
    parser.add_argument(
        "--today", metavar="DATE", type=_day, help="YYYY-MM-DD: dates months to come, and tells figures that are old"
    )


def add_horizon(parser: argparse.ArgumentParser) -> None:
    """For commands that look ahead."""
    parser.add_argument(
        "--horizon",
        metavar="TIME",
        type=_months,
        help="12mo, 1y: as the databases grow, in which month promises stop being proved",
    )


def circumstances_of(arguments: argparse.Namespace) -> Circumstances:
    """What was given. The document of facts goes by its name alone: where it lies tells nothing of what is in it,
    and a plan has the same bytes wherever it is made.

    Raises:
        FactsUnusable: the document can't be read, or is not one.
    """
    if arguments.facts is None:
        return Circumstances(None, arguments.today)
    from bkpc_grammar.facts import FactsRejected, read_facts

    path = Path(arguments.facts)
    try:
        document = read_given(path)
        facts = read_facts(document, arguments.facts)
    except OSError as problem:
        raise FactsUnusable(f"{arguments.facts} can't be read: {problem.strerror}") from problem
    except FactsRejected as problem:
        raise FactsUnusable(str(problem)) from problem
    return Circumstances(MeasuredFacts(path.name, hashlib.sha256(document).hexdigest(), facts), arguments.today)


def _day(text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a day: write YYYY-MM-DD")


def _months(text: str) -> int:
    from bkpc_compiler.feasibility.growth import MOST_MONTHS

    match = _HORIZON.fullmatch(text)
    if not text or not match:
        hint = "`m` may mean minutes or months: write `mo`" if re.fullmatch(r"\d+m", text) else "write `12mo` or `1y`"
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of months or years: {hint}")
    months = 12 * int(match["years"] or 0) + int(match["months"] or 0)
    if not 1 <= months <= MOST_MONTHS:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to {MOST_MONTHS} months")
    return months
