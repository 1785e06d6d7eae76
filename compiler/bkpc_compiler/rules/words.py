"""Phrases and labels that several rules share: a bound's terms as labels under the clauses that cost it."""

from __future__ import annotations

from fractions import Fraction

from bkpc_compiler.diagnostics.diagnostic import Label
from bkpc_compiler.estate.resources import transfer_at_best
from bkpc_compiler.feasibility.bounds import Bound, Term, told_of
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.holding import Short
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.program.model import Origin
from bkpc_compiler.remedies.structure import thin_links
from bkpc_compiler.source import Span
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


def never_whole(job: JobDemand) -> str:
    """Why no plan does a job that is `hopeless`."""
    least = Duration(transfer_at_best(job.resources, job.least))
    thaw = f" after a thaw of {job.thaw.value}" if job.thaw else ""
    takes = f"takes at least {least.human_down()}{thaw}, whatever the schedule, and its window is {job.window}"
    return f"{job.id} {takes}"


def window_of(job: JobDemand) -> Span:
    """Where the policy says within what it must be done."""
    return (job.schedule.window or job.schedule).span


def nothing_left(answer: Answer) -> str:
    """Why no line leads back."""
    return "no image is ever whole in its window" if answer.choice.hopeless else "nothing to recover from survives"


def hopeless_labels(answer: Answer) -> tuple[Label, ...]:
    """The windows in which no image is ever whole, and what is too large for them."""
    found: dict[Span, Label] = {}
    for job in answer.choice.hopeless:
        found.setdefault(window_of(job), Label(window_of(job), never_whole(job)))
        found.setdefault(job.size.span, Label(job.size.span, f"{job.least} to move"))
    return tuple(found.values())


def subject(answer: Answer) -> str:
    """`after the loss of site `hangzhou``."""
    return f"after {answer.choice.loss.phrase()}"


def longest_shorts(analysis: Analysis, *, locked: bool) -> tuple[tuple[Answer, Short], ...]:
    """What is not kept, or `locked`, for long enough: the most that any answer needs, by database and scope."""
    found: dict[tuple[str, str], tuple[Answer, Short]] = {}
    for answer in analysis.unproved:
        if answer.verdict is Verdict.REFUTED:
            continue
        for short in answer.shorts:
            key = (short.database.name, answer.promise.scope.value)
            if short.locked is locked and (key not in found or _longer(short, found[key][1])):
                found[key] = (answer, short)
    return tuple(found.values())


def _longer(one: Short, other: Short) -> bool:
    return other.needed is not None and (one.needed is None or one.needed > other.needed)


def why_held(short: Short) -> tuple[str, ...]:
    """The sum, where it is not plain from the labels."""
    notes = []
    if short.common is not None:
        point = Duration(Fraction(short.common, 1000)).human()
        whose = f"; `{short.database.name}` needs an image from before it" if short.age > short.common else ""
        notes.append(f"its group goes back to one point that all have, up to {point} old{whose}")
    if short.until:
        age, until = (Duration(Fraction(one, 1000)).human() for one in (short.age, short.until))
        read = "it is read until" if short.locked else "it may be needed until"
        notes.append(f"an image may be {age} old when the failure comes, and {read} {until} after")
    return tuple(notes)
