"""Phrases and labels that several rules share: a bound's terms as labels under the clauses that cost it."""

from __future__ import annotations

from bkpc_compiler.diagnostics.diagnostic import Label
from bkpc_compiler.feasibility.bounds import Bound, Term, told_of
from bkpc_compiler.feasibility.verdict import Analysis, Answer
from bkpc_compiler.program.model import Origin
from bkpc_compiler.remedies.structure import thin_links
from bkpc_grammar.quantities import ZERO_DURATION, Duration, Rate

Told = tuple[tuple[Term, str], ...]
"""Terms that take time, each with how long as it is printed: they add up."""


def most_told(answer: Answer) -> tuple[str, Told]:
    """The upper bound and its terms."""
    return _told(answer.upper, answer, up=True)


def least_told(answer: Answer) -> tuple[str, Told]:
    """The lower bound and its terms."""
    return _told(answer.lower, answer, up=False)


def _told(bound: Bound | None, answer: Answer, *, up: bool) -> tuple[str, Told]:
    if bound is None:
        return "", ()
    whole, parts = told_of(bound, answer.objective.value, up=up)
    pairs = zip(bound.terms, parts, strict=True)
    return whole, tuple((term, told) for term, told in pairs if term.duration > ZERO_DURATION)


def labels_of(terms: Told, *but: Label) -> tuple[Label, ...]:
    """One label per clause that a bound takes time from: the first of a term carries its words, the others say so."""
    taken = {label.span for label in but}
    labels = []
    for term, told in terms:
        if term.spans and term.spans[0] not in taken:
            taken.add(term.spans[0])
            labels.append(Label(term.spans[0], f"{told} {term.label}{_source(term)}"))
    for term, told in terms:
        for span in term.spans[1:]:
            if span not in taken and not span.file.startswith("std/"):
                taken.add(span)
                labels.append(Label(span, f"counts in those {told}"))
    return tuple(labels)


def _source(term: Term) -> str:
    return f" ({term.spans[-1].file})" if term.origin is Origin.STANDARD else ""


def also(terms: Told, shown: tuple[Label, ...]) -> tuple[str, ...]:
    """A note with the terms that no label shows."""
    spans = {label.span for label in shown}
    rest = [f"{told} {term.label}" for term, told in terms if not term.spans or term.spans[0] not in spans]
    return (f"also: {', '.join(rest)}",) if rest else ()


def routed(analysis: Analysis, answer: Answer) -> tuple[str, ...]:
    """A note per thin link that is taken before a wider way around it: routes are fixed."""
    return tuple(
        f"routes take the fewest links, then the widest: link {link.name} is taken; the way around it, over "
        f"{', '.join(one.name for one in around.links)}, carries {Rate(around.narrowest).human()}"
        for link, around in thin_links(analysis.program, answer)
    )


def subject(answer: Answer) -> str:
    """`after the loss of site `hangzhou``."""
    return f"after {answer.choice.loss.phrase()}"


def needed_hold(answer: Answer) -> Duration | None:
    """How long a copy must be held: until damage is noticed, from an image as old as the newest may be."""
    line = answer.choice.line
    if line is None or line.image.age is None:
        return None
    detect = answer.protection.policy.detect
    return line.image.age.total + (detect.value if detect else ZERO_DURATION)
