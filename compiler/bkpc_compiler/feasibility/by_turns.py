"""Images of one database in several stores: the freshest counts, whichever store has it. Above, what the planned slots
achieve together; below, what no schedule betters, though each store alone may be worse."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from operator import itemgetter

from msgspec.structs import replace

from bkpc_compiler.estate.resources import transfer_at_best
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.images import ImageCopy, least_gap, staleness_together
from bkpc_compiler.feasibility.recovery_point import Line, least_lost, lost_at_least
from bkpc_compiler.feasibility.thaw import thaw_of
from bkpc_compiler.feasibility.working import Apart, Copying
from bkpc_compiler.program.model import Scope
from bkpc_grammar.quantities import Duration


def taken_by_turns(images: Sequence[ImageCopy]) -> tuple[ImageCopy, ...]:
    """Images that are fresher where several stores count than in any of them: of stores that need not thaw, and of all.

    Stores without which the newest is no older are left out: whoever recovers must be able to read from each.
    """
    able = [one for one in images if one.staleness is not None and not one.behind]
    found: dict[tuple[str, ...], ImageCopy] = {}
    ready = [one for one in able if thaw_of(one.store) is None]
    for some in (ready, able) if len(ready) < len(able) else (able,):
        together = _fewest(_by_store(some))
        if together is not None:
            found[tuple(one.name for one in together.stores)] = together
    return tuple(found.values())


def any_of_all(images: Sequence[ImageCopy]) -> ImageCopy | None:
    """The newest of all stores that need not thaw, where that is fresher than in any one: a log goes on from it.

    Which one is taken is left to `restore`, which takes the newest: from each of them there must be a way back.
    """
    ready = [one for one in images if thaw_of(one.store) is None]
    able = [one for one in ready if one.staleness is not None and not one.behind]
    together = _together(_by_store(able)) if len({one.jobs[0].id for one in able}) > 1 else None
    if together is None or together.staleness is None or len({one.store.name for one in ready}) < 2:
        return None
    if any(one.staleness and one.staleness.worst <= together.staleness.worst for one in able):
        return None
    stores = {one.store.name: one.store for one in ready if one.store.name != together.store.name}
    return replace(together, beside=tuple(stores[name] for name in sorted(stores)))


def _by_store(images: Sequence[ImageCopy]) -> list[ImageCopy]:
    """One of each store, the freshest, with all ways into it beside it; by name."""
    found: dict[str, ImageCopy] = {}
    for one in sorted(images, key=lambda one: (one.staleness.worst if one.staleness else 0, one.id)):
        found.setdefault(one.store.name, one)
    return [found[name] for name in sorted(found)]


def _fewest(images: list[ImageCopy]) -> ImageCopy | None:
    """The newest of the fewest of `images` that are together as fresh as all; None where one is so alone."""
    firsts = {one.jobs[0].id for one in images}
    together = _together(images) if len(firsts) > 1 else None
    if together is None or together.staleness is None:
        return None
    worst = together.staleness.worst
    for one in list(images):
        rest = [other for other in images if other is not one]
        fewer = _together(rest)
        if fewer is not None and fewer.staleness is not None and fewer.staleness.worst <= worst:
            images, together = rest, fewer
    return together if len(images) > 1 else None


def _together(images: Sequence[ImageCopy]) -> ImageCopy | None:
    if not images:
        return None
    first, *others = images
    chains = tuple(jobs for one in images for jobs in (one.jobs, *one.others))
    ages = staleness_together(chains)
    if ages is None:
        return None
    return ImageCopy(
        ", ".join(one.id for one in images),
        first.store,
        first.jobs,
        ages,
        others=chains[1:],
        joint=True,
        beside=tuple(one.store for one in others),
    )


def least_age(images: Sequence[ImageCopy], share: Fraction, *, arrives: bool) -> Bound:
    """Of the newest of `images`, in whichever store. `arrives`: one on its way when the failure comes still does."""
    images = tuple({one.id: one for one in images}.values())
    if len({one.store.name for one in images}) == 1:
        return images[0].age_at_least(share, arrives=arrives)
    beside = (jobs for one in images for jobs in one.others)
    chains = tuple(dict.fromkeys((*(one.jobs for one in images), *beside)))
    firsts = tuple(dict.fromkeys(jobs[:1] for jobs in chains))
    # Those of two stores may be of one job: no more images are new than are made.
    gap, longest = max(((least_gap(of, share), of) for of in (chains, firsts)), key=itemgetter(0))
    apart = Duration(Fraction(gap, 1000))
    spans = tuple(dict.fromkeys(jobs[0].level.span for jobs in firsts))
    words = "images" if any(jobs[0].incremental for jobs in firsts) else "full backups"
    between = Term(f"between two {words} to any store", apart, spans, working=Apart(longest, share))
    if arrives:
        return Bound((between,))
    moved = (
        tuple(_written(job) for job in jobs if not job.of_its_end and any(one.firm for one in job.resources))
        for jobs in chains
    )
    return Bound((between, *min((Bound(terms) for terms in moved), key=_total).terms))


def least_lost_on(lines: Sequence[Line], scope: Scope, share: Fraction) -> Bound | None:
    """What none of `lines` betters, nor all of them together: at each instant the best of them may be another.

    None where the loss grows for ever. Of images the freshest counts, in whichever store; of logs each is judged alone.
    """
    lows = [low for line in lines if line.log is not None and (low := least_lost(line, scope, share)) is not None]
    images = [line.image for line in lines if line.log is None]
    if images:
        lows.append(least_age(images, share, arrives=scope is Scope.CORRUPTION))
    return min(lows, key=_total, default=None)


def lost_at_least_on(lines: Sequence[Line], scope: Scope, share: Fraction) -> Fraction | None:
    """The total of `least_lost_on`, in seconds; of logs without its terms."""
    lows = [low for line in lines if line.log is not None and (low := lost_at_least(line, scope, share)) is not None]
    images = [line.image for line in lines if line.log is None]
    if images:
        lows.append(least_age(images, share, arrives=scope is Scope.CORRUPTION).total.amount)
    return min(lows, default=None)


def _written(job: JobDemand) -> Term:
    """An image on its way into a store, at full capacity."""
    took = Duration(transfer_at_best(job.resources, job.least))
    return Term(f"writing {job.least} to `{job.store}`", took, (job.size.span,), working=Copying(job))


def _total(bound: Bound) -> Duration:
    return bound.total
