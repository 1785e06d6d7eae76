"""Many random cases: what the checker proves must hold in the simulator, what it refutes must be out of reach."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from math import ceil, inf
from multiprocessing import Pool
from random import Random
from statistics import median
from time import perf_counter

from bkpc_compiler.program.model import Program, Scope
from bkpc_grammar.quantities import ZERO_DURATION, Duration, duration
from tests.soundness.adapter import Judged, Verdict, judged
from tests.soundness.best_case import BestCase
from tests.soundness.course import Fault
from tests.soundness.estates import random_program, with_objectives
from tests.soundness.ground import FEATURES, TURNS, USUAL, Odds, dense
from tests.soundness.world import Observed, simulate

PROCESSES = 2
_SLACK = 1e-3  # seconds: plans are in whole milliseconds
_FIRST = duration(1, "d")


@dataclass(slots=True)
class Outcome:
    """One case, or many together."""

    cases: int = 0
    violations: list[str] = field(default_factory=list)
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, verdict), of cases as they usually are
    featured: Counter[tuple[str, str]] = field(default_factory=Counter)  # (what the case is dense with, verdict)
    tightness: dict[str, list[float]] = field(default_factory=lambda: {"rpo": [], "rto": []})
    judging: float = 0.0  # seconds
    simulating: float = 0.0
    refuting: float = 0.0

    def add(self, other: Outcome) -> None:
        self.cases += other.cases
        self.violations += other.violations
        self.verdicts += other.verdicts
        self.featured += other.featured
        for kind, ratios in other.tightness.items():
            self.tightness[kind] += ratios
        self.judging += other.judging
        self.simulating += other.simulating
        self.refuting += other.refuting

    @property
    def undecided(self) -> float:
        """The share of objectives on which the checker does not say, in cases as they usually are."""
        return _undecided(self.verdicts)

    @property
    def undecided_of_all(self) -> float:
        """That share with the dense cases."""
        return _undecided(self.verdicts + self.featured)

    def tight(self, kind: str) -> float:
        """The median of what was seen at the worst over what was proved."""
        return median(self.tightness[kind] or [0.0])


def _undecided(verdicts: Counter[tuple[str, str]]) -> float:
    return sum(count for (_, verdict), count in verdicts.items() if verdict == "UNDECIDED") / max(1, verdicts.total())


def run(cases: int, seed: int, processes: int = PROCESSES, odds: Odds | None = None) -> Outcome:
    """`cases` cases drawn from `seed`; with one process, in this one. `odds`: of every case."""
    print(f"seed {seed}, {cases} cases")
    total = Outcome()
    if processes == 1:
        _gather(total, (one_case(seed, number, odds) for number in range(cases)))
    else:
        with Pool(processes) as pool:
            _gather(total, pool.imap_unordered(partial(one_case, seed, odds=odds), range(cases), chunksize=25))
    total.violations.sort()
    return total


def _gather(total: Outcome, outcomes: Iterable[Outcome]) -> None:
    for one in outcomes:
        total.add(one)


def feature_of(number: int) -> str | None:
    """What case `number` is dense with: every fifth is, in turns."""
    return TURNS[number // 5 % len(TURNS)] if number % 5 == 4 else None


def odds_of(number: int) -> Odds:
    feature = feature_of(number)
    return dense(feature) if feature else USUAL


def one_case(seed: int, number: int, odds: Odds | None = None) -> Outcome:
    """Draw a program, put its objectives near the bounds, and hold the checker to what it says then."""
    found = Outcome(cases=1)
    try:
        _judge(found, Random(f"{seed}:{number}"), odds or odds_of(number))  # noqa: S311 - drawn again from the seed
    except Exception:  # noqa: BLE001 - whatever breaks is a finding, with the case it broke on
        found.violations.append(f"broke: {traceback.format_exc(limit=-3)}")
    found.violations = [f"case {seed}:{number}: {one}" for one in found.violations]
    feature = None if odds else feature_of(number)
    if feature:
        for (_, verdict), count in found.verdicts.items():
            found.featured[feature, verdict] += count
        found.verdicts = Counter()
    return found


def drawn(random: Random, odds: Odds = USUAL) -> tuple[Program, Judged]:
    """A program with objectives near the bounds of a first pass, and what is made of it."""
    program = random_program(random, odds)
    bounds = {(one.database, one.promise.scope, one.kind): one for one in judged(program, planned=False).verdicts}
    synced = {one.database for one in program.protections if any(hot.sync for hot in one.policy.hot)}

    def near(database: str, scope: Scope, kind: str) -> Duration | None:
        bound = bounds.get((database, scope, kind))
        if bound and kind == "rpo" and database in synced and random.random() < 0.5:
            return ZERO_DURATION
        return near_bound(random, bound) if bound else None

    program = with_objectives(program, near)
    return program, judged(program)


def near_bound(random: Random, bound: Verdict) -> Duration:
    finite = [one for one in (bound.upper, bound.lower) if 0 < one < inf]
    if not finite:
        return _FIRST
    return duration(max(1, ceil(random.choice(finite) * 2 ** random.uniform(-1, 1) * 1000)), "ms")


def _judge(found: Outcome, random: Random, odds: Odds) -> None:
    started = perf_counter()
    program, said = drawn(random, odds)
    found.judging = perf_counter() - started
    for one in said.verdicts:
        found.verdicts[one.kind, one.verdict] += 1
    started = perf_counter()
    if said.plan is not None:
        seen = simulate(program, said.plan, random)
        for one in (one for one in said.verdicts if one.verdict == "PROVED"):
            _hold(found, one, seen)
        found.violations += [f"{one.kind}: {one.text}" for one in seen.faults if breaks(one, said)]
    found.simulating = perf_counter() - started
    started = perf_counter()
    best = BestCase(program, random)
    for one in (one for one in said.verdicts if one.verdict == "REFUTED"):
        least = best.least(one.database, one.promise, one.kind)
        if least < one.objective - _SLACK:
            found.violations.append(f"REFUTED but met: {named(one)}, {least:.3f} s would do")
    found.refuting = perf_counter() - started


def _hold(found: Outcome, one: Verdict, seen: Observed) -> None:
    """A promise that was proved."""
    held = seen.held[one.database, one.promise.scope, one.kind]
    if held > one.objective + _SLACK:
        found.violations.append(f"PROVED but missed: {named(one)}, {held:.3f} s seen")
    if held > one.upper + _SLACK:
        found.violations.append(f"above the proved bound: {named(one)}, {held:.3f} s seen")
    if 0 < one.upper < inf:
        found.tightness[one.kind].append(held / one.upper)


def named(one: Verdict) -> str:
    share = one.promise.share(one.kind)
    return (
        f"{one.database} {one.kind} {one.promise.scope} {one.objective:.3f} s for {float(share):.0%} "
        f"(bounds {one.lower:.3f} to {one.upper:.3f} s)"
    )


def breaks(fault: Fault, said: Judged) -> bool:
    """Whether a plan that cannot be carried out so belies a proof."""
    for one in said.verdicts:
        if one.verdict != "PROVED" or one.database not in fault.databases:
            continue
        if fault.scope is None:
            return True
        if one.kind == "rto" and one.promise.scope.value == fault.scope:
            usual = one.promise.rto_quantile < 1  # steps may take longer now and then
            if not (usual and fault.kind in {"late", "overrun"}):
                return True
    return False


def summary(total: Outcome, seconds: float) -> str:
    """What a run found, for people."""
    objectives = total.verdicts.total() + total.featured.total()
    lines = [f"{total.cases} cases in {seconds:.1f} s, {objectives} objectives"]
    for kind in ("rpo", "rto"):
        counts = ", ".join(f"{name} {total.verdicts[kind, name]}" for name in ("PROVED", "REFUTED", "UNDECIDED"))
        ratios = sorted(total.tightness[kind]) or [0.0]
        tenth, ninetieth = ratios[len(ratios) // 10], ratios[len(ratios) * 9 // 10]
        lines.append(
            f"  {kind}: {counts}; seen/proved: median {total.tight(kind):.3f}, 10% {tenth:.3f}, 90% {ninetieth:.3f}"
        )
    unsaid = []
    for name in FEATURES:
        told = {verdict: total.featured[name, verdict] for verdict in ("PROVED", "REFUTED", "UNDECIDED")}
        if sum(told.values()):
            unsaid.append(f"{name} {told['UNDECIDED'] / sum(told.values()):.1%}")
    if unsaid:
        lines.append(f"  undecided in cases that are dense with something: {', '.join(unsaid)}")
    per_case = [
        f"{name} {spent / max(1, total.cases) * 1000:.1f} ms"
        for name, spent in (("checker", total.judging), ("simulator", total.simulating), ("best case", total.refuting))
    ]
    lines.append(f"  undecided {total.undecided:.1%} in usual cases, {total.undecided_of_all:.1%} with the dense ones")
    lines.append(f"  per case: {', '.join(per_case)}")
    lines.append(f"  violations: {len(total.violations)}")
    return "\n".join([*lines, *(f"    {one}" for one in total.violations[:40])])
