"""Phrases and labels that several rules share: a bound's terms as labels under the clauses that cost it."""

from __future__ import annotations

from bkpc_compiler.diagnostics.diagnostic import Label
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.verdict import Analysis, Answer
from bkpc_compiler.program.model import Origin
from bkpc_compiler.remedies.structure import thin_links
from bkpc_grammar.quantities import ZERO_DURATION, Duration, Rate


def labels_of(bound: Bound | None, *but: Label) -> tuple[Label, ...]:
    """One label per clause that a bound takes time from: the first of a term carries its words, the others say so."""
    if bound is None:
        return ()
    taken = {label.span for label in but}
    labels = []
    for term in bound.terms:
        if term.duration > ZERO_DURATION and term.spans and term.spans[0] not in taken:
            taken.add(term.spans[0])
            labels.append(Label(term.spans[0], f"{term.duration.human()} {term.label}{_source(term)}"))
    for term in bound.terms:
        for span in term.spans[1:]:
            if term.duration > ZERO_DURATION and span not in taken and not span.file.startswith("std/"):
                taken.add(span)
                labels.append(Label(span, f"counts in those {term.duration.human()}"))
    return tuple(labels)


def _source(term: Term) -> str:
    return f" ({term.spans[-1].file})" if term.origin is Origin.STANDARD else ""


def also(bound: Bound | None, shown: tuple[Label, ...]) -> tuple[str, ...]:
    """A note with the terms that no label shows."""
    if bound is None:
        return ()
    spans = {label.span for label in shown}
    rest = [
        term for term in bound.terms if term.duration > ZERO_DURATION and (not term.spans or term.spans[0] not in spans)
    ]
    return (f"also: {', '.join(f'{term.duration.human()} {term.label}' for term in rest)}",) if rest else ()


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
