"""Why there is no bound, and what decides a verdict beside the bounds."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from bkpc_compiler.feasibility.demand import Demand
from bkpc_compiler.feasibility.holding import Short
from bkpc_compiler.feasibility.judging import PointJudging, no_point_in_common
from bkpc_compiler.feasibility.lines import Choice, places
from bkpc_compiler.feasibility.recovery_point import Line
from bkpc_compiler.feasibility.together import Outage, missing
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict
from bkpc_compiler.rules.words import never_whole
from bkpc_grammar.quantities import Duration

NAMED = 3
"""Databases that a remark names."""


def remarks_on(analysis: Analysis, answer: Answer) -> Iterator[str]:
    """Sentences, without a stop at their end."""
    choice = answer.choice
    if not choice.lines:
        for job in choice.hopeless:
            yield f"nobody can do it: {never_whole(job)}"
        if not choice.hopeless:
            yield "nobody can do it: no copy of it survives"
        return
    if choice.cut_off or (answer.kind == "rto" and answer.nowhere):
        yield f"nobody can do it: a copy survives, but {_nowhere(choice)}"
        return
    if isinstance(answer.judging, PointJudging) and answer.judging.apart:
        yield f"nobody can do it: {no_point_in_common(answer.judging)}"
        return
    if answer.upper is None:
        yield from dict.fromkeys(_unbounded(analysis, answer))
    elif answer.upper.total <= answer.objective.value and answer.shorts:
        yield from (_forgotten(analysis, answer, one) for one in answer.shorts)
    least = answer.lower
    if (
        answer.verdict is Verdict.REFUTED
        and answer.kind == "rpo"
        and (least is None or least.total <= answer.objective.value or _outrun(answer))
    ):
        yield _written_faster(answer)


def _outrun(answer: Answer) -> bool:
    """Whether a log that falls behind for ever loses the promise for a share of all instants."""
    logs = [line.log for line in answer.choice.readable if line.log is not None]
    return answer.promise.rpo_quantile < 1 and bool(logs) and all(log.hopeless for log in logs)


def _written_faster(answer: Answer) -> str:
    if answer.overfull is None:
        return "the log is written faster than any way to its stores carries it"
    others = [f"`{name}`" for name in answer.overfull.databases if name != answer.database.name]
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    named = f"{', '.join(others[:NAMED])}{more}"
    return f"its log and those of {named} are written faster than {answer.overfull.resource.words} carries them"


def _nowhere(choice: Choice) -> str:
    sites = [one.site for one in places(choice.database, choice.loss)]
    if not sites:
        return "nothing says where to rebuild: it has no `standby` outside what is lost"
    return f"no links lead from it to {' or '.join(f'`{one}`' for one in sites)}"


def _unbounded(analysis: Analysis, answer: Answer) -> Iterator[str]:
    """Why nothing bounds it from above."""
    choice, outage = answer.choice, analysis.outage(answer)
    line = choice.line
    assert line is not None
    found = list(_late(analysis.demand, line))
    if answer.kind == "rpo":
        found += [words for words in (_log_late(line),) if words]
        found += _group(analysis, answer)
    else:
        found += [f"nothing says when `{name}`, which it needs, is back" for name in missing(outage, choice.database)]
        found += [] if found else _no_room(outage, choice)
    yield from found or ["nothing bounds it"]


def _late(demand: Demand, line: Line) -> Iterator[str]:
    for job in line.image.jobs:
        if job.slot is None:
            short = [one for one in demand.shortages if job.id in one.ids]
            where = f": {', '.join(one.resource.words for one in short)}" if short else ""
            where = where or (" beside the other images of its server" if job.id in demand.queued else "")
            yield f"nothing says when {job.id} is done: it finds no room{where}"


def _log_late(line: Line) -> str:
    if line.log is None or line.log.most_delay is not None:
        return ""
    if not line.log.fits:
        return f"{line.log.id} finds no room on its way to `{line.log.store}`"
    return f"{line.log.id} falls behind for ever on its way to `{line.log.store}`"


def _group(analysis: Analysis, answer: Answer) -> list[str]:
    """A group goes back to a point that all its members have."""
    own = answer.database.name
    groups = [one.members for one in analysis.program.groups if own in one.members]
    names = sorted({name for members in groups for name in members} - {own})
    if not names:
        return []
    listed = ", ".join(f"`{name}`" for name in names)
    return [f"it goes back to one point with its group ({listed}), and not all of them have a log that bounds it"]


def _no_room(outage: Outage, choice: Choice) -> Iterator[str]:
    recovery = choice.recovery
    assert recovery is not None
    for transfer in recovery.transfers:
        for one in transfer.resources:
            if outage.left.usable(one) == 0:
                yield f"nothing is left of {one.words} beside what others reserve"


def _forgotten(analysis: Analysis, answer: Answer, short: Short) -> str:
    """What the recovery reads may be gone by then."""
    what = "locked" if short.locked else "kept"
    name, group = short.database.name, analysis.outage(answer).setting.grouped.get(answer.database.name, ())
    whose = (
        "it" if name == answer.database.name else f"`{name}`, {'of its group' if name in group else 'which it needs'},"
    )
    if short.needed is None or short.until is None:
        return f"not proved: nothing bounds how long {whose} must be {what}"
    age, until, held = (Duration(Fraction(one, 1000)).human() for one in (short.age, short.until, short.held))
    passed = "until it is read" if short.locked else "until the damage is noticed and its first byte is read"
    why = f"an image may be {age} old" + (f", and {until} pass {passed}" if short.until else "")
    some = ": what thins keeps one of many" if short.thinned and not short.held else ""
    return f"not proved: {whose} must be {what} for {short.needed.human()} ({why}), and is for {held}{some}"
