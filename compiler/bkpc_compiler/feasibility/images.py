"""Where images of a database are, and how old the newest may be there: chains of a full image and copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.estate.resources import transfer_at_best
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.demand import Demand, JobDemand
from bkpc_compiler.feasibility.increments import Increments, increments_in
from bkpc_compiler.feasibility.staleness import (
    MOST_EVENTS,
    Leg,
    Staleness,
    staleness_of,
    staleness_of_all,
    unaligned,
)
from bkpc_compiler.feasibility.working import Ageing, Apart, Copying, Forced, Part
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Cadence, Database, ImageLevel, Store
from bkpc_compiler.source import Span
from bkpc_compiler.timetable.calendar import DAY
from bkpc_compiler.timetable.requests import Slot, at_database
from bkpc_grammar.quantities import Duration, Size
from bkpc_grammar.shares import percent

MONTH = Fraction(365 * DAY, 12)
"""Milliseconds: of months on the average."""
MOST_CHAINS = 1000
"""Ways of one database's images, shortest first: where all stores copy to all others, longer ones are not followed."""


class ImageCopy(Struct, frozen=True, dict=True):
    """The images of one database in one store.

    `staleness`: how old the newest usable one is over all instants, in the planned slots; None where a job has no slot
    in its window. `others`: the other ways that images of this database come into the store. `joint`: of all these ways
    together, rather than of `jobs` alone. `behind`: the incremental images that a full one may have behind it there,
    whichever way brought the newest. `beside`: more stores, to which some of `others` lead; the newest may be in any.
    """

    id: str
    store: Store
    jobs: tuple[JobDemand, ...]
    staleness: Staleness | None
    others: tuple[tuple[JobDemand, ...], ...] = ()
    joint: bool = False
    behind: Increments | None = None
    beside: tuple[Store, ...] = ()

    @once
    def comes(self) -> bool:
        """Whether images come at all, however late: a log can follow one."""
        return self.staleness is not None or (
            all(job.slot for job in self.jobs) and (self.behind is None or self.behind.bounded)
        )

    @once
    def hopeless(self) -> tuple[JobDemand, ...]:
        """Jobs that no plan does in their windows, one of each way into its store; none where some way has none."""
        found = [next((job for job in jobs if job.hopeless), None) for jobs in (self.jobs, *self.others)]
        return tuple(dict.fromkeys(job for job in found if job)) if None not in found else ()

    @once
    def oldest(self) -> int:
        """Milliseconds that the newest is old at most, whether its jobs keep to their windows or are as late as their
        slots; of one that comes."""
        if self.staleness is not None:
            return self.staleness.worst
        return sum(
            job.rhythm.gap + (job.left_out or 0) * job.rhythm.period + job.slot.end for job in self.jobs if job.slot
        )

    @once
    def stores(self) -> tuple[Store, ...]:
        """Where the newest may be."""
        return (self.store, *self.beside)

    @property
    def incremental(self) -> bool:
        return self.jobs[0].incremental

    @once
    def counted(self) -> tuple[JobDemand, ...]:
        """The jobs that its age rests on: of all ways into the store, where they are judged together."""
        ways = (self.jobs, *self.others) if self.joint else (self.jobs,)
        return tuple(dict.fromkeys(job for jobs in ways for job in jobs))

    @once
    def age(self) -> Bound | None:
        """At the worst instant; None where nothing bounds it."""
        return self._age(Fraction(1))

    @once
    def gap(self) -> int:
        """Milliseconds between two snapshots at least, at some time, whatever the schedule."""
        return least_gap((self.jobs, *self.others), Fraction(1))

    def age_for(self, share: Fraction) -> Bound | None:
        """The age that `share` of all instants keep below."""
        return self.age if share >= 1 else self._age(share)

    def _age(self, share: Fraction) -> Bound | None:
        if self.staleness is None:
            return None
        amount = self.staleness.quantile(share) / 1000
        last = self.jobs[-1]
        between = self.between(share)
        what = _two(last)
        if self.joint:
            where = " or ".join(f"`{one.name}`" for one in self.stores)
            what = f"two images in {where}, whichever {'store has' if self.beside else 'level brings'} them"
        of_all = "" if share >= 1 else f", {percent(share)} of all instants"
        jobs = self.counted
        spans = (*(job.schedule.span for job in jobs[:-1]), *_costs(jobs))
        ready = f"from the snapshot until the {'copy' if last.source else 'image'} is whole"
        return Bound(
            (
                Term(
                    f"between {what}{of_all}",
                    Duration(between),
                    tuple(dict.fromkeys(job.schedule.span for job in (jobs if self.joint else jobs[-1:]))),
                    working=Ageing(self, share, Part.BETWEEN),
                ),
                Term(
                    ready,
                    Duration(amount - between),
                    tuple(dict.fromkeys(spans)),
                    working=Ageing(self, share, Part.READY),
                ),
            )
        )

    def between(self, share: Fraction) -> Fraction:
        """Seconds of the age that pass between two images; the rest passes until one is whole."""
        assert self.staleness is not None
        amount = self.staleness.quantile(share) / 1000
        if self.joint:
            return max(Fraction(0), amount - Fraction(self.staleness.oldest[0], 1000))
        return min(Fraction(self.jobs[-1].rhythm.gap, 1000) * share, amount)

    def age_at_least(self, share: Fraction, *, arrives: bool) -> Bound:
        """What no start and no rate within the windows betters. `arrives`: an image on its way when the
        failure comes still arrives.

        The longest period, and from a snapshot until its last copy is whole: the transfers one after the
        other, and where all jobs have one period, the wait that their release times force. A physical image may be of
        the instant at which it is whole.
        """
        slowest = max(self.jobs, key=lambda job: (job.rhythm.period, job.source or ""))
        mixed = any(jobs[0].incremental for jobs in (self.jobs, *self.others))
        what = f"two images in `{self.store.name}`" if mixed else _two(slowest)
        apart = Fraction(self.gap if share >= 1 else least_gap((self.jobs, *self.others), share), 1000)
        chains = (self.jobs, *self.others)
        period = Term(f"between {what}", Duration(apart), (slowest.level.span,), working=Apart(chains, share))
        if self.others:
            return Bound((period,))
        if arrives:
            return Bound((period,))
        least = Fraction(0)
        terms: list[Term] = [period]
        for before, job in zip((None, *self.jobs), self.jobs, strict=False):
            took = transfer_at_best(job.resources, job.least)
            wait = _forced_wait(before, least, job, took) if before else Fraction(0)
            thaw = job.thaw.value.amount if job.thaw else Fraction(0)
            if thaw > wait and job.thaw:  # it may be asked for as soon as the image is whole
                words = f"thaw of `{job.source}`, before the copy to `{job.store}` can be made"
                terms.append(Term(words, job.thaw.value, (job.thaw.span,), job.thaw.origin))
            elif wait > 0:
                assert before is not None
                words = f"until the copy to `{job.store}` begins"
                forced = Forced(before, job, (least, took))
                terms.append(Term(words, Duration(wait), (job.schedule.span,), working=forced))
            if took > 0 and not job.of_its_end:
                way = "copying" if job.source else "writing"
                label = f"{way} {job.bytes} to `{job.store}` through {_narrow(job)}"
                terms.append(Term(label, Duration(took), _costs((job,), firm=True), working=Copying(job)))
            least = took
        return Bound(tuple(terms))

    @once
    def logical(self) -> bool:
        """Whether it may be a logical image, with an object for each table."""
        fulls = (jobs[0] for jobs in (self.jobs, *self.others) if not jobs[0].incremental)
        return not all(one.begins_chains for one in fulls)

    @once
    def prepared(self) -> int:
        """Images that are prepared one onto the other when it is loaded, at most: physical ones."""
        chains = (self.jobs, *self.others)
        if not any(isinstance(jobs[0].level, ImageLevel) and jobs[0].level.engine == "physical" for jobs in chains):
            return 0
        return 1 + (self.behind.count if self.behind else 0)

    def loaded(self, size: Size) -> int:
        """Bytes that are read to bring a full image of `size` back, and what is behind it, at most."""
        return size.bytes_up() + (self.behind.bytes if self.behind else 0)


def least_gap(chains: Sequence[Sequence[JobDemand]], share: Fraction) -> int:
    """Milliseconds since the newest snapshot that `share` of all instants can't keep below, whatever the starts
    of all `chains` together.

    Each chain brings one per its longest period: in `share` of the time those of all chains leave no less, nor less
    than `widest_left`. At the worst instant none may have begun outside the windows of the first jobs; nothing says
    how much of the time that costs.
    """
    if share == 1 and len(chains) == 1:
        return max(job.rhythm.period for job in chains[0])
    gap = share / sum(1 / max(mean_of(job) for job in jobs) for jobs in chains)
    gap = max(gap, widest_left(chains, share))
    firsts = list(dict.fromkeys(jobs[0] for jobs in chains))
    cycle = max(job.rhythm.period for job in firsts)
    few = sum(cycle // job.rhythm.period for job in firsts) <= MOST_EVENTS
    if share == 1 and few and all(cycle % job.rhythm.period == 0 and job.rhythm.fixed for job in firsts):
        closes, opens = uncovered(firsts, cycle)
        gap = max(gap, Fraction(opens - closes))
    return int(gap)


def widest_left(chains: Sequence[Sequence[JobDemand]], share: Fraction) -> Fraction:
    """Milliseconds since the newest snapshot that `share` of all instants can't keep below, whatever offsets the jobs
    are given: each keeps its own.

    A chain whose images come at one period leaves gaps of that length, into which the images of all others fall: into
    one of them no more than on the average. Where they are fewer than the gaps, all of the rest are left whole.
    """
    found = Fraction(0)
    for jobs in chains:
        period = max(job.rhythm.period for job in jobs)
        if all(job.rhythm.fixed and period % job.rhythm.period == 0 for job in jobs):
            others = sum(period / max(mean_of(job) for job in other) for other in chains if other is not jobs)
            if share == 1:
                found = max(found, Fraction(period, int(others) + 1))
            elif others < 1:
                found = max(found, period * (1 - (1 - share) / (1 - others)))
    return found


def mean_of(job: JobDemand) -> Fraction:
    """Milliseconds between two releases, on the average of the shortest year."""
    return MONTH if job.schedule.cadence is Cadence.MONTHLY else Fraction(job.rhythm.period)


def uncovered(jobs: Sequence[JobDemand], cycle: int) -> tuple[int, int]:
    """The longest stretch of the cycle in which none of `jobs` may take its snapshot: when it begins and ends."""
    spans = sorted(
        ((job.rhythm.phase + at) % cycle, job.window.milliseconds_up() + job.rhythm.shift)
        for job in jobs
        for at in range(0, cycle, job.rhythm.period)
    )
    reached = max(start + lasts - cycle for start, lasts in spans)
    longest = (0, 0)
    for start, lasts in spans:
        if start - reached > longest[1] - longest[0]:
            longest = reached, start
        reached = max(reached, start + lasts)
    return longest


def _forced_wait(before: JobDemand, needs: Fraction, job: JobDemand, took: Fraction) -> Fraction:
    """Seconds that at least pass between the end of `before`, which takes `needs`, and the start of `job`."""
    first, then = before.rhythm, job.rhythm
    if first.period != then.period or not (first.fixed and then.fixed) or first.shift or then.shift:
        return Fraction(0)
    between = Fraction(then.phase - first.phase, 1000)
    earliest = between - max(Fraction(0), before.window.amount - needs) - needs
    latest = between + max(Fraction(0), job.window.amount - took) - needs
    period = Fraction(first.period, 1000)
    turns = -(latest // period)  # the first turn whose latest start is not before the end
    return max(Fraction(0), earliest + turns * period)


def image_copies(stores: Mapping[str, Store], database: Database, demand: Demand) -> tuple[ImageCopy, ...]:
    """Where images of `database` are, after the jobs were settled."""
    if database.name in demand.images:
        return demand.images[database.name]
    jobs = demand.jobs_by_database.get(database.name, ())
    copies: list[ImageCopy] = []
    behind = increments_in(jobs)
    fresh = [_image((job,), stores, behind) for job in jobs if not job.source]
    while fresh and len(copies) + len(fresh) <= MOST_CHAINS:
        copies += fresh
        fresh = [
            _image((*upstream.jobs, job), stores, behind)
            for job in jobs
            for upstream in fresh
            if job.source == upstream.store.name and all(job.store != one.store for one in upstream.jobs)
        ]
    chains: dict[str, list[ImageCopy]] = {}
    for one in copies:
        chains.setdefault(one.store.name, []).append(one)
    alike = [_beside(one, chains[one.store.name]) if len(chains[one.store.name]) > 1 else one for one in copies]
    fresher = {one.store.name: one.staleness.worst for one in alike if one.incremental and one.staleness}
    newest = tuple(one for one in alike if one.incremental or not _outdone(one, fresher.get(one.store.name)))
    return demand.images.setdefault(database.name, newest)


def _outdone(image: ImageCopy, by: int | None) -> bool:
    """Whether the incremental images beside it are no older, `by` milliseconds at worst: the newest is one of them."""
    return by is not None and (image.staleness is None or by <= image.staleness.worst)


def _beside(image: ImageCopy, copies: Sequence[ImageCopy]) -> ImageCopy:
    """`image` with the other ways into its store: what is read there is the freshest of all `copies` there."""
    others = tuple(two.jobs for two in copies if two is not image)
    if image.incremental or (image.behind and not image.behind.bounded):
        return replace(image, others=others)
    joint = staleness_together((image.jobs, *others))
    better = joint is not None and (image.staleness is None or joint.worst < image.staleness.worst)
    return replace(image, others=others, staleness=joint if better else image.staleness, joint=better)


def staleness_together(chains: Sequence[Sequence[JobDemand]]) -> Staleness | None:
    """Of the freshest image that any of `chains` brings; None where nothing bounds it.

    Those without fixed times of the week only help, and are left out. So are incremental ones: one that is due while
    another job runs is late or left out, and what they achieve together is less.
    """
    steady = [
        jobs for jobs in chains if all(job.timely and job.rhythm.fixed for job in jobs) and not jobs[0].incremental
    ]
    if not steady:
        return None
    return staleness_of_all([[(job.id, _leg(job, job.slot)) for job in jobs if job.slot] for jobs in steady])


def _image(jobs: tuple[JobDemand, ...], stores: Mapping[str, Store], behind: Mapping[str, Increments]) -> ImageCopy:
    last = jobs[-1]
    chain = behind.get(last.store)
    ages = _staleness(jobs) if chain is None or chain.bounded else None
    return ImageCopy(last.id, stores[last.store], jobs, ages, behind=chain)


def _staleness(jobs: Sequence[JobDemand]) -> Staleness | None:
    legs = []
    for job in jobs:
        if job.slot is None or not job.timely:
            return None
        legs.append(_leg(job, job.slot))
    if jobs[0].left_out:
        return _with_left_out(legs, jobs[0].left_out)
    if len(legs) == 1:
        leg = legs[0]
        lasts = leg.end - leg.start
        return Staleness((((lasts, lasts + leg.period + leg.shift),),))
    if not all(job.rhythm.fixed for job in jobs):
        return unaligned(legs)
    return staleness_of(legs) or unaligned(legs)


def _with_left_out(legs: Sequence[Leg], left_out: int) -> Staleness:
    """So many images of the first in a row are not taken; each leg may have just missed the one before."""
    first, *others = legs
    rare = replace(first, period=first.period * (left_out + 1))
    return Staleness(unaligned((rare, *others)).times, coarse=True)


def _leg(job: JobDemand, slot: Slot) -> Leg:
    rhythm = job.rhythm
    period = rhythm.period if rhythm.fixed else rhythm.gap - rhythm.shift
    return Leg(period, rhythm.phase, job.begins, slot.end, rhythm.shift, job.schedule.timezone)


def _costs(jobs: Sequence[JobDemand], *, firm: bool = False) -> tuple[Span, ...]:
    """The clauses that a transfer's time comes from; `firm`: without what a schedule or a cautious figure adds."""
    spans = []
    for job in jobs:
        known = [one for one in job.resources if one.capacity is not None and one.span and (one.firm or not firm)]
        narrow = min(known, key=lambda one: (one.capacity, one.name), default=None)
        size = job.size
        if job.reads_longest and job.whole:
            narrow, size = next((one for one in known if at_database(one.name)), narrow), job.whole
        spans += [*((narrow.span,) if narrow and narrow.span else ()), size.span]
        spans += [] if firm else [job.schedule.span]
    return tuple(dict.fromkeys(spans))


def _narrow(job: JobDemand) -> str:
    firm = [one for one in job.resources if one.firm]
    return min(firm, key=lambda one: (one.capacity, one.name)).words


def _two(job: JobDemand) -> str:
    what = "copies" if job.source else "incremental images" if job.incremental else "full backups"
    return f"two {what} to `{job.store}`"
