"""`bkpc test`: the `test` blocks of policies, each judged under what it supposes."""

from __future__ import annotations

import argparse
import operator
import sys
from collections.abc import Callable

from bkpc_compiler.commands.circumstances_given import FactsUnusable, add_circumstances, circumstances_of
from bkpc_compiler.commands.source_files import NothingFound, check_files
from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.given import supposing
from bkpc_compiler.feasibility.verdict import Answer, analyse
from bkpc_compiler.program.model import Expectation, PolicyTest, Program
from bkpc_grammar.quantities import Duration
from bkpc_grammar.shares import for_share, millionths_of
from bkpc_grammar.visible import visible

EXAMPLE = """\
example:
  bkpc test policies/
exit: 0 all hold, 1 some do not, 2 there is no test
"""

_AT_MOST: dict[str, Callable[[Duration, Duration], bool]] = {"<=": operator.le, "<": operator.lt}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files, or folders read recursively (default: here)")
    add_circumstances(parser)


def run(arguments: argparse.Namespace) -> int:
    try:
        checked = check_files(arguments.paths, circumstances_of(arguments))
    except (NothingFound, FactsUnusable) as problem:
        print(f"bkpc test: {problem}", file=sys.stderr)
        return 2
    if checked.program is None or checked.analysis is None:
        print("bkpc test: the policies have errors; run `bkpc check`", file=sys.stderr)
        return 1
    if not checked.program.tests:
        print("bkpc test: there is no `test` block: nothing was tested", file=sys.stderr)
        return 2
    failures = 0
    for test in checked.program.tests:
        problems = failures_of(checked.program, test)
        failures += bool(problems)
        print(f"{'FAILED' if problems else 'ok    '}  {visible(test.name)}")
        for words in problems:
            print(f"        {visible(words)}")
    number = len(checked.program.tests)
    print(f"{number} test{'' if number == 1 else 's'}, {failures} failed")
    return 1 if failures else 0


def failures_of(program: Program, test: PolicyTest) -> list[str]:
    """What `test` expects and is not proved; empty: it holds."""
    answers = analyse(supposing(program, test.overrides)).answers
    return [words for one in test.expectations if (words := _failure(one, answers)) is not None]


def _failure(expected: Expectation, answers: tuple[Answer, ...]) -> str | None:
    wanted = f"{expected.database} {expected.objective} against {expected.scope}"
    for answer in answers:
        if (answer.database.name, answer.kind, answer.promise.scope) != (
            expected.database,
            expected.objective,
            expected.scope,
        ):
            continue
        if _holds(expected, answer):
            return None
        share = for_share(millionths_of(answer.promise.share(answer.kind)))
        return f"{wanted}{share}: {_range(answer.lower, answer.upper)}, not {expected.comparison} {expected.limit}"
    return f"{wanted}: nothing is promised"


def _holds(expected: Expectation, answer: Answer) -> bool:
    """Proved: an upper bound for at most, a lower one for at least, both for equal."""
    upper = answer.upper.total if answer.upper and answer.kept_long_enough else None
    lower = answer.lower.total if answer.lower else None
    if expected.comparison in _AT_MOST:
        return upper is not None and _AT_MOST[expected.comparison](upper, expected.limit)
    if expected.comparison == ">=":
        return lower is None or lower >= expected.limit
    if expected.comparison == ">":
        return lower is None or lower > expected.limit
    return upper == expected.limit


def _range(lower: Bound | None, upper: Bound | None) -> str:
    least = lower.total.human_down() if lower else "nothing survives"
    return f"between {least} and {upper.total.human()}" if upper else f"at least {least}, no upper bound"
