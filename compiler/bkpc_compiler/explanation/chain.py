"""The instant at which the newest image in a store is oldest: which run of each job made it, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import lcm

from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.staleness import MOST_EVENTS, MOST_SHIFTED


@dataclass(frozen=True, slots=True)
class Oldest:
    """Milliseconds since the Monday on which the cycle begins, UTC: when each of `jobs` began the run that made the
    image, and when a fresher one, of job `after`, is whole in the last store. `slack`: added for clock changes."""

    jobs: tuple[JobDemand, ...]
    runs: tuple[int, ...]
    after: JobDemand
    next_whole: int
    slack: int

    @property
    def fresh(self) -> int:
        """Its age when it became whole."""
        return _whole(self.jobs, self.runs) - self.runs[0] + self.slack

    @property
    def age(self) -> int:
        return self.next_whole - self.runs[0] + self.slack


def oldest(jobs: Sequence[JobDemand]) -> Oldest | None:
    """The worst instant of a chain whose jobs all have slots; None where jobs come at no fixed times of the week,
    or too many of them to look at each."""
    if not all(job.rhythm.fixed for job in jobs):
        return None
    cycle = lcm(*(job.rhythm.period for job in jobs))
    if any(cycle // job.rhythm.period > MOST_EVENTS for job in jobs):
        return None
    shifts = (sorted({0, job.rhythm.shift}) for job in jobs)
    worst = (_worst(jobs, moved, cycle) for moved in product(*shifts))
    return max(worst, key=lambda one: (one.age, one.runs))


def oldest_of_all(chains: Sequence[Sequence[JobDemand]]) -> Oldest | None:
    """The same where several chains fill one store, and the freshest of all images counts."""
    jobs = {job.id: job for jobs in chains for job in jobs}
    if not all(job.rhythm.fixed for job in jobs.values()):
        return None
    cycle = lcm(*(job.rhythm.period for job in jobs.values()))
    shifted = [name for name, job in jobs.items() if job.rhythm.shift]
    if len(shifted) > MOST_SHIFTED or any(cycle // job.rhythm.period > MOST_EVENTS for job in jobs.values()):
        return None
    late = product(*((0, jobs[name].rhythm.shift) for name in shifted))
    worst = (_worst_of_all(chains, dict(zip(shifted, moved, strict=True)), cycle) for moved in late)
    return max(worst, key=lambda one: (one.age, -one.fresh, one.runs))


def _worst(jobs: Sequence[JobDemand], moved: Sequence[int], cycle: int) -> Oldest:
    return _worst_of_all([jobs], {job.id: late for job, late in zip(jobs, moved, strict=True)}, cycle)


def _worst_of_all(chains: Sequence[Sequence[JobDemand]], moved: Mapping[str, int], cycle: int) -> Oldest:
    """Two cycles are walked through; in the first every chain brings its images once."""
    slack = max(job.rhythm.shift for jobs in chains for job in jobs)
    images = []
    for jobs in chains:
        last, late = jobs[-1], [moved.get(job.id, 0) for job in jobs]
        first = last.rhythm.phase + late[-1] + last.begins
        for start in range(first, first + 3 * cycle + 1, last.rhythm.period):
            runs = _runs(jobs, late, slack, start)
            images.append((_whole(jobs, runs), runs, jobs))
    images.sort(key=lambda one: (one[0], one[1]))
    begun = max(next(whole for whole, _, of in images if of is jobs) for jobs in chains)
    found: Oldest | None = None
    _, newest, of = images[0]
    for whole, runs, jobs in images:
        if runs[0] > newest[0]:
            instant = Oldest(tuple(of), newest, jobs[-1], whole, slack)
            if begun < whole <= begun + 2 * cycle:
                better = found is None or (instant.age, -instant.fresh) > (found.age, -found.fresh)
                found = instant if better else found
            newest, of = runs, jobs
    assert found is not None
    return found


def _whole(jobs: Sequence[JobDemand], runs: Sequence[int]) -> int:
    last = jobs[-1]
    assert last.slot is not None
    return runs[-1] + last.lead + last.slot.length


def _runs(jobs: Sequence[JobDemand], moved: Sequence[int], slack: int, start: int) -> tuple[int, ...]:
    """When each job began the run behind what the last one moves at `start`: a copy takes the freshest image that
    is whole, and the latest run is never of an older one."""
    found = [start]
    for job, late in zip(reversed(jobs[:-1]), reversed(moved[:-1]), strict=True):
        assert job.slot is not None
        begins = job.rhythm.phase + late + job.begins
        turns = (found[0] - slack - job.lead - job.slot.length - begins) // job.rhythm.period
        found.insert(0, begins + turns * job.rhythm.period)
    return tuple(found)
