"""The ways to recover that a failure leaves, and why each was not chosen."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from bkpc_compiler.estate.failures import survives
from bkpc_compiler.explanation.explanation import Line
from bkpc_compiler.feasibility import recovery_point as points
from bkpc_compiler.feasibility.bounds import Bound
from bkpc_compiler.feasibility.lines import Choice, places
from bkpc_compiler.feasibility.recovery_time import Place, leads_back
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_grammar.quantities import Duration
from bkpc_grammar.rounding import told_down


def lines_of(choice: Choice) -> tuple[Line, ...]:
    """The chosen line, then the others as they are named."""
    synced = tuple(dict.fromkeys(line for _, line, _ in choice.ways if line.synced or line.image.beside))
    # Of two of one name, by any quorum's store or by just this one, the chosen one is told.
    same = {(line.image.id, line.synced[0].name) for line in synced if len(line.synced) == 1}
    plain = [one for one in choice.lines if one.name not in same or one == choice.line]
    told = {one.name for one in plain}
    twins = [one for one in synced if len(one.synced) == 1 and (one.image.id, one.synced[0].name) in told]
    lines = (*plain, *(one for one in synced if one not in twins))
    found = [_line(choice, line) for line in lines]
    lines_told = [replace(one, why_not=_why_not(choice, one, line)) for one, line in zip(found, lines, strict=True)]
    return tuple(sorted(lines_told, key=lambda one: not one.chosen))


def _line(choice: Choice, line: points.Line) -> Line:
    promise = choice.promise
    share = promise.rpo_quantile if promise else Fraction(1)
    place = _place(choice, line)
    alone = None
    if place is not None:
        alone = choice.on(line, place).most
    first = line.image.jobs[0].store
    return Line(
        image=tuple(dict.fromkeys((first, *(job.store for job in line.image.jobs)))),
        logs=tuple(one.name for one in line.log_stores),
        place=place.site if place else None,
        loses_most=_total(points.most_lost(line, share)),
        loses_least=_total(points.least_lost(line, choice.felt_as, share)),
        back_alone=None if alone is None else Fraction(alone, 1000),
        why_not="",
        beside=tuple(one.name for one in line.image.beside),
    )


def _total(bound: Bound | None) -> Fraction | None:
    return None if bound is None else bound.total.amount


def _place(choice: Choice, line: points.Line) -> Place | None:
    """Where it leads soonest."""
    if choice.recovery is not None and choice.recovery.line == line:
        return choice.recovery.place
    led = [one for one in places(choice.database, choice.loss) if leads_back(choice.setting, line, one, choice.loss)]

    def soonest(place: Place) -> tuple[bool, int, str]:
        most = choice.on(line, place).most
        return (most is None, most or 0, place.site)

    return min(led, key=soonest, default=None)


def _why_not(choice: Choice, one: Line, line: points.Line) -> str:
    if choice.line == line:
        return ""
    rpo = choice.promise.rpo.value if choice.promise and choice.promise.rpo else None
    considered = any(other == line for _, other, _ in choice.ways)
    if not considered and choice.line is not None:
        if rpo is not None and (one.loses_least is None or one.loses_least > rpo.amount):
            least = "more and more" if one.loses_least is None else told_down(one.loses_least, rpo.amount)
            return f"can lose {least}, more than {rpo}"
        if line.log is None and choice.line.log is not None and choice.database.name in choice.setting.grouped:
            return "only logs have a point in common, and it goes back together with its group"
    if one.place is None:
        return _leads_nowhere(choice)
    chosen = choice.recovery
    if chosen is not None and _proved(one, rpo) != _proved(_line(choice, chosen.line), rpo):
        return f"not proved to lose at most {rpo}: {_at_most(one.loses_most)}"
    if one.back_alone is None:
        return "nothing bounds when it is back"
    if chosen is not None and chosen.most is not None and one.back_alone * 1000 > chosen.most:
        return f"back {_human(one.back_alone - Fraction(chosen.most, 1000))} later, were each alone to come back"
    return "no sooner back: the first of them by name was taken"


def _leads_nowhere(choice: Choice) -> str:
    sites = [one.site for one in places(choice.database, choice.loss)]
    if not sites:
        return "nothing says where to rebuild: no `standby` outside what is lost"
    return f"no links lead from it to {' or '.join(f'`{one}`' for one in sites)}"


def _proved(one: Line, rpo: Duration | None) -> bool:
    return rpo is None or (one.loses_most is not None and one.loses_most <= rpo.amount)


def _at_most(seconds: Fraction | None) -> str:
    return "nothing bounds it" if seconds is None else f"at most {_human(seconds)}"


def _human(seconds: Fraction | None) -> str:
    return "more and more" if seconds is None else Duration(seconds).human()


def gone_of(analysis: Analysis, choice: Choice) -> tuple[str, ...]:
    """Copies of the database that the failure takes, in words."""
    name, demand = choice.database.name, analysis.demand
    stores = analysis.setting.stores
    images = [one.store for one in demand.jobs_by_database.get(name, ())]
    logs = [one.store for one in demand.streams_by_database.get(name, ())]
    found = []
    for what, where in (("image", images), ("log", logs)):
        found += [
            f"{what} in `{store}`"
            for store in dict.fromkeys(where)
            if not survives(stores[store], choice.loss, choice.policy)
        ]
    return tuple(found)
