"""Verdicts as a table, and what was counted."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

from bkpc_compiler.feasibility.bounds import told_of
from bkpc_compiler.feasibility.log_left import log_left
from bkpc_compiler.feasibility.verdict import Answer, Verdict
from bkpc_compiler.passes import Checked
from bkpc_grammar.quantities import Duration

if TYPE_CHECKING:
    from bkpc_compiler.feasibility.growth import Outlook


def verdict_table(checked: Checked, *, explain: bool = False) -> str:
    """One aligned row per objective; with `explain`, the terms of its bounds and all assumptions.

    Where somebody looked ahead, a row ends with what comes of it.
    """
    ahead = _ahead(checked.outlook) if checked.outlook else None
    rows = [
        (*_row(answer), *((ahead.get(place, ""),) if ahead else ())) for place, answer in enumerate(checked.answers)
    ]
    if not rows:
        return ""
    aligned = "  ".join(f"%-{max(map(len, column))}s" for column in zip(*rows, strict=True))
    lines = []
    for row, answer in zip(rows, checked.answers, strict=True):
        lines.append(f"{(aligned % row).rstrip()}{_from_the_image_alone(answer)}")
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
        f"{answer.kind} {answer.promised}",
        _bounds(answer),
    )


def _ahead(outlook: Outlook) -> dict[int, str]:
    """By the place of an answer that is proved today: `holds 12mo`, `breaks in 7mo`. Empty where nothing grows."""
    if not outlook.months[0].sizes:
        return {}
    broken = {one.place: f"breaks in {one.month.number}mo" for one in outlook.broken}
    return {place: broken.get(place, f"holds {outlook.horizon}mo") for place in outlook.proved}


def _bounds(answer: Answer) -> str:
    promised = answer.objective.value
    most = answer.most.human(promised) if answer.most else "no bound"
    if answer.verdict is Verdict.PROVED:
        return f"≤ {most}"
    if answer.least is None:
        if answer.choice.cut_off:
            return "no way back"
        if answer.choice.lines and not answer.nowhere:
            return "no bound"
        if answer.choice.hopeless:
            return "no image"
        return "nowhere to rebuild" if answer.nowhere else "nothing survives"
    if answer.overfull is not None:
        return "no bound"
    if answer.verdict is Verdict.REFUTED:
        return f"≥ {answer.least.human_down(promised)}"
    return f"{answer.least.human_down(promised)} … {most}"


def _from_the_image_alone(answer: Answer) -> str:
    """That the time is of a way back without a log, where a log is left."""
    told = answer.kind == "rto" and answer.verdict is Verdict.PROVED
    left = log_left(answer.choice) if told else None
    if left is None:
        return ""
    back = "no bound" if left.back is None else f"≤ {Duration(Fraction(left.back, 1000)).human()}"
    return f"  from the image alone; with the log {back}, were no other to come back"


def _terms(answer: Answer) -> list[str]:
    up = answer.verdict is not Verdict.REFUTED
    bound = answer.upper if up else answer.lower
    if bound is None:
        return []
    whole, told = told_of(bound, answer.objective.value, up=up)
    return [f"    {shown:>10}  {term.label}" for shown, term in zip(told, bound.terms, strict=True)] + [
        f"    {whole:>10}  in all"
    ]


def _assumptions(checked: Checked) -> list[str]:
    from bkpc_compiler.planning.objectives import assumptions_of, spans_of

    program, today = checked.program, checked.circumstances.today
    measured = program.measured if program else ()
    found = assumptions_of(checked.answers, checked.place_of, measured, today)
    lines = [f"    {one.where}  {' '.join(one.what.split())}  ({one.measured or one.origin})" for one in found]
    used = {span for answer in checked.answers for span in spans_of(answer)}
    more = [
        f"    {checked.place_of(one.span)[0]}  {one.what}  ({one.told(today)})"
        for one in measured
        if one.span not in used
    ]
    beside = ["also counted as measured:", *more] if more else []
    return ["", "rests on:", *lines, *(f"    {words}" for words in STANDING), *beside]


STANDING = (
    "sizes are what is moved: compression only makes a recovery faster",
    "bkpc runs beside each database; a directory store is on the machine that bkpc runs on",
    "after corruption, host loss or intrusion a machine at the database's own site is ready to restore to",
    "what failed attempts of a job cost is within `retries`",
)
"""Assumptions of every proof."""


def counted(checked: Checked) -> str:
    """`checked 2 files, 3 databases, 21 promises: 21 proved`, and what came in beside the files."""
    numbers = Counter(one.verdict for one in checked.answers)
    told = ", ".join(f"{numbers[verdict]} {verdict.value.lower()}" for verdict in Verdict if verdict in numbers)
    files = sum(not path.startswith("std/") for path in checked.sources)
    databases = len({answer.database.name for answer in checked.answers})
    parts = [
        _many(files, "file"),
        f"{_many(databases, 'database')} with promises",
        _many(len(checked.answers), "objective"),
    ]
    lines = [f"checked {', '.join(parts)}: {told or 'none judged'}"]
    if checked.program and checked.circumstances.measured:
        number = len(checked.program.measured)
        lines.append(f"{_many(number, 'measured figure')} of {checked.circumstances.measured.path} counted")
    if checked.outlook:
        lines.append(f"looked {_many(checked.outlook.horizon, 'month')} ahead: {_outlook(checked.outlook)}")
    return "\n".join(lines)


def _outlook(outlook: Outlook) -> str:
    if not outlook.months[0].sizes:
        return "no database grows"
    if not outlook.broken:
        return f"all {len(outlook.proved)} that are proved stay so" if outlook.proved else "nothing is proved today"
    first = min(one.month.number for one in outlook.broken)
    return f"{len(outlook.broken)} no longer proved, the first in {_many(first, 'month')}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
