"""`bkpc explain DB`: which database and failure are meant, or what is wrong with the question."""

from __future__ import annotations

import argparse
import shutil
import sys
from difflib import get_close_matches

from bkpc_compiler.commands.circumstances_given import FactsUnusable, circumstances_of
from bkpc_compiler.commands.source_files import NothingFound, judge_files
from bkpc_compiler.commands.terminal import wants_colour
from bkpc_compiler.explanation.explain import explain
from bkpc_compiler.passes import Checked
from bkpc_compiler.program.model import Program, Scope

WIDTH = 100
"""Columns where nothing says how wide the terminal is."""
MOST_NAMED = 8
"""Names that a message lists."""


class _Unanswerable(Exception):
    """There is nothing to explain; the message says why, and the way out."""


def explain_database(arguments: argparse.Namespace, *, missing: str, is_code: bool) -> int:
    """The whole of `bkpc explain DB`.

    `missing`: where nothing but a name was given, that no diagnostic has it; `is_code`: one has.
    """
    try:
        checked = judge_files(arguments.paths, circumstances_of(arguments))
    except (NothingFound, FactsUnusable) as problem:
        print(f"bkpc explain: {_and(missing)}{problem}", file=sys.stderr)
        return 2
    if checked.analysis is None:
        from bkpc_compiler.diagnostics.text import render

        sys.stderr.write(render(checked.diagnostics, checked.sources, colour=wants_colour(sys.stderr)))
        words = "nothing can be said of a database before the errors above are mended"
        print(f"bkpc explain: {_and(missing)}{words}", file=sys.stderr)
        return 1
    try:
        scope = _scope(arguments.against)
        _check(checked.analysis.program, arguments.name, scope, missing=missing, is_code=is_code)
    except _Unanswerable as problem:
        print(f"bkpc explain: {problem}", file=sys.stderr)
        return 2
    _show(checked, arguments.name, scope, arguments.format)
    return 0


def _show(checked: Checked, name: str, scope: Scope | None, form: str) -> None:
    assert checked.analysis is not None
    explanation = explain(checked.analysis, name, scope, checked.place_of, checked.circumstances.today)
    if form == "json":
        from bkpc_compiler.commands.explanation_json import as_json

        print(as_json(explanation))
        return
    from bkpc_compiler.commands.explanation_text import Look, as_text

    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    look = Look(width, colour=wants_colour(sys.stdout), ascii=encoding not in {"utf8", "utf16", "utf32"})
    sys.stdout.write(as_text(explanation, look))


def _scope(name: str | None) -> Scope | None:
    if name is None:
        return None
    try:
        return Scope(name)
    except ValueError:
        raise _Unanswerable(
            f"there is no scope `{name}`{_similar(name, list(Scope))}; there are {', '.join(Scope)}"
        ) from None


def _check(program: Program, name: str, scope: Scope | None, *, missing: str, is_code: bool) -> None:
    """Whether something is promised for the database, against the scope.

    Raises:
        _Unanswerable: nothing is.
    """
    names = [one.name for one in program.databases]
    if name not in names:
        raise _Unanswerable(_and(missing) + _unknown(program, name, names, is_code=is_code))
    policy = next((one.policy for one in program.protections if one.database == name), None)
    if policy is None:
        raise _Unanswerable(f"nothing is promised for `{name}`: `protect {name} with …` names a policy that does")
    promised = list(dict.fromkeys(one.scope for one in policy.promises if one.rpo or one.rto))
    if not promised:
        raise _Unanswerable(
            f"policy `{policy.name}` of `{name}` promises nothing: add `promise against corruption {{ rpo … rto … }}`"
        )
    if scope is not None and scope not in promised:
        raise _Unanswerable(
            f"nothing is promised for `{name}` against {scope}, only against {', '.join(promised)}: "
            f"add `promise against {scope} {{ rpo … rto … }}` to policy `{policy.name}`"
        )


def _and(missing: str) -> str:
    return f"{missing}, and " if missing else ""


def _unknown(program: Program, name: str, names: list[str], *, is_code: bool) -> str:
    if is_code:
        return f"there is no database `{name}`; it is a diagnostic: `bkpc explain {name}` alone shows its page"
    for group in program.groups:
        if group.name == name:
            return f"`{name}` is a group; name one of its databases: {', '.join(group.members)}"
    near = _similar(name, names)
    if not names:
        return "these files declare no database"
    listed = ", ".join(sorted(names)[:MOST_NAMED]) + (" …" if len(names) > MOST_NAMED else "")
    return f"there is no database `{name}`{near or f'; there are {listed}'}"


def _similar(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, n=3)
    return f" (did you mean {' or '.join(f'`{one}`' for one in close)}?)" if close else ""
