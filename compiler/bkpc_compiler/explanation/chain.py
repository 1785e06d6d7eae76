"""The instant at which the newest image in a store is oldest: which run of each job made it, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import lcm

from bkpc_compiler.feasibility.demand import JobDemand
from bkpc_compiler.feasibility.staleness import MOST_EVENTS


@dataclass(frozen=True, slots=True)
class Oldest:
    """Milliseconds since the Monday on which the cycle begins, UTC: when each job of the chain began the run that
    made the image, and when the next fresher one is whole in the last store. `slack`: added for clock changes."""

    runs: tuple[int, ...]
    next_whole: int
    slack: int

    @property
    def age(self) -> int:
        return self.next_whole - self.runs[0] + self.slack


def oldest(jobs: Sequence[JobDemand]) -> Oldest | None:
    """The worst instant of a chain whose jobs all have slots; None where jobs come at no fixed times of the week,
    or too many of them to look at each."""
    if not all(job.rhythm.steady for job in jobs):
        return None
    cycle = lcm(*(job.rhythm.period for job in jobs))
    if any(cycle // job.rhythm.period > MOST_EVENTS for job in jobs):
        return None
    shifts = (sorted({0, job.rhythm.shift}) for job in jobs)
    worst = (_worst(jobs, moved, cycle) for moved in product(*shifts))
    return max(worst, key=lambda one: (one.age, one.runs))


def _worst(jobs: Sequence[JobDemand], moved: Sequence[int], cycle: int) -> Oldest:
    slack = max(job.rhythm.shift for job in jobs)
    last = jobs[-1]
    assert last.slot is not None
    first = last.rhythm.phase + moved[-1] + last.begins
    starts = range(first, first + 2 * cycle + 1, last.rhythm.period)
    runs = [_runs(jobs, moved, slack, start) for start in starts]
    found: Oldest | None = None
    newest = runs[0]
    for start, one in zip(starts, runs, strict=True):
        if one[0] > newest[0]:
            instant = Oldest(newest, start + last.lead + last.slot.length, slack)
            found = instant if found is None or instant.age > found.age else found
            newest = one
    assert found is not None
    return found


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
