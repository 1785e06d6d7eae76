"""Verdicts as a table, and what was counted."""

from __future__ import annotations

from bkpc_compiler.feasibility.verdict import Answer, Verdict
from bkpc_compiler.passes import Checked


def verdict_table(checked: Checked, *, explain: bool = False) -> str:
    """One aligned row per objective; with `explain`, the terms of its bounds and all assumptions."""
    rows = [_row(answer) for answer in checked.answers]
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row, answer in zip(rows, checked.answers, strict=True):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if explain:
            lines += _terms(answer)
    if explain:
        lines += _assumptions(checked)
    return "\n".join(lines) + "\n"


def _row(answer: Answer) -> tuple[str, ...]:
    return (
        answer.verdict.value,
        answer.database.name,
        answer.promise.scope.value,
        f"{answer.kind} {answer.objective.value}",
        _bounds(answer),
    )


def _bounds(answer: Answer) -> str:
    most = answer.most.human() if answer.most else "no bound"
    if answer.verdict is Verdict.PROVED:
        return f"≤ {most}"
    if answer.lower is None:
        return "nowhere to rebuild" if answer.nowhere else "nothing survives"
    if answer.verdict is Verdict.REFUTED:
        return f"≥ {answer.lower.total.human()}"
    return f"{answer.lower.total.human()} … {most}"


def _terms(answer: Answer) -> list[str]:
    bound = answer.lower if answer.verdict is Verdict.REFUTED else answer.upper
    return [f"    {term.duration.human():>10}  {term.label}" for term in bound.terms] if bound else []


def _assumptions(checked: Checked) -> list[str]:
    from bkpc_compiler.planning.objectives import assumptions_of

    found = assumptions_of(checked.answers, checked.place_of)
    lines = [f"    {one.where}  {' '.join(one.what.split())}  ({one.origin})" for one in found]
    return ["", "rests on:", *lines, *(f"    {words}" for words in STANDING)]


STANDING = (
    "sizes are what is moved: compression only makes a recovery faster",
    "bkpc runs beside each database; a directory store is on the machine that bkpc runs on",
    "after corruption, host loss or intrusion a machine at the database's own site is ready to restore to",
    "what failed attempts of a job cost is within `retries`",
)
"""Assumptions of every proof."""


def counted(checked: Checked) -> str:
    """`checked 2 files, 3 databases, 21 promises: 21 proved`."""
    numbers = {verdict: sum(one.verdict is verdict for one in checked.answers) for verdict in Verdict}
    told = ", ".join(f"{number} {verdict.value.lower()}" for verdict, number in numbers.items() if number)
    files = sum(not path.startswith("std/") for path in checked.sources)
    databases = len({answer.database.name for answer in checked.answers})
    parts = [
        _many(files, "file"),
        f"{_many(databases, 'database')} with promises",
        _many(len(checked.answers), "objective"),
    ]
    return f"checked {', '.join(parts)}: {told or 'none judged'}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
