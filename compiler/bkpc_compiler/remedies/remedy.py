"""The help of a diagnostic: what would prove the promise, least change first, and what is proved as it stands."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from bkpc_compiler.diagnostics.diagnostic import Edit
from bkpc_compiler.feasibility.verdict import Analysis, Answer
from bkpc_compiler.program.model import Scope
from bkpc_compiler.program.values import duration_of
from bkpc_compiler.remedies.assumed import undeclared
from bkpc_compiler.remedies.harm import harm_of
from bkpc_compiler.remedies.search import Help, Trials, helps
from bkpc_compiler.remedies.structure import hot_levels, warm_stores, wider_ways
from bkpc_grammar.shares import for_share, millionths_of

SHOWN = 3
"""Figures that a help names."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """`help`: in words; `edit`: the first change named, where it is a literal of a file."""

    help: str
    edit: Edit | None = None


def remedy_of(analysis: Analysis, answer: Answer) -> Remedy:
    """What would prove `answer`."""
    if answer.kind == "rpo" and answer.promise.scope is Scope.INTRUDER and not answer.choice.lines:
        return Remedy("`lock …` longer than `detect`, with copies in an object store: only those outlive an intruder")
    trials = Trials(analysis, answer)
    found = [*_structure(trials, answer), *islice(helps(trials), SHOWN)] if trials.left else []
    harms = [(one, harm_of(analysis, one.program)) for one in found]
    harms.sort(key=lambda pair: bool(pair[1]))  # those that take nothing from others first
    told = []
    if len(found) == 1:
        told.append(f"{found[0].words} would prove it{harms[0][1]}")
    elif found:
        told.append(f"any one of these would prove it: {', '.join(f'{one.words}{harm}' for one, harm in harms)}")
    told += _as_it_stands(trials, answer)
    if assumed := undeclared(trials):
        told.append(assumed)
    if not told:
        told.append(_longest_part(answer))
    return Remedy("; ".join(told), next((one.edit for one, harm in harms if one.edit and not harm), None))


def _as_it_stands(trials: Trials, answer: Answer) -> list[str]:
    """The objective that is kept today: with another promise other lines may count, and other rates be reserved."""
    if answer.upper is None or not answer.kept_long_enough:
        return []
    whole = answer.upper.total.human(answer.objective.value).replace(" ", "")
    weaker = duration_of(whole)
    if weaker is None or not trials.proves_with(answer.objective.span, weaker):
        return []
    of_all = for_share(millionths_of(answer.promise.share(answer.kind)))
    return [f"as it stands, `{answer.kind} {whole}{of_all}` would be proved"]


def _structure(trials: Trials, answer: Answer) -> list[Help]:
    """The first change of structure of each kind that proves it."""
    found = []
    for tried in (hot_levels if answer.kind == "rpo" else warm_stores, wider_ways):
        proving = (
            (words, program) for words, program in tried(trials.analysis.program, answer) if trials.proves(program)
        )
        found += [Help(words, 0, Fraction(1), program) for words, program in islice(proving, 1)]
    return found


def _longest_part(answer: Answer) -> str:
    """Where to begin, when nothing that was tried is enough by itself."""
    bound = answer.lower or answer.upper
    if answer.choice.hopeless:
        return "let its images fit into their windows first: BKP2003 says what that takes"
    if bound is None:
        return "send images to a store that outlives this failure"
    if not bound.terms:
        return "no one change that was tried proves it"
    longest = max(bound.terms, key=lambda term: term.duration.amount)
    part = f"{longest.duration.human()} {longest.label.partition(', ')[0]}"
    return f"no one change that was tried proves it; begin with the longest part: {part}"
