"""Flows that share capacities like water: how soon all can be through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations
from math import inf

_MOST_IN_EVERY_ORDER = 3


@dataclass(frozen=True, slots=True)
class Flow:
    """From `ready` on, so many bytes at so much at most, phase after phase, each over all that it `crosses`."""

    ready: float
    phases: tuple[tuple[float, float], ...]
    crosses: tuple[str, ...]


def alone(flow: Flow, capacities: dict[str, float]) -> float:
    """When a flow is through with everything to itself."""
    return flow.ready + sum(
        size / min(most, *(capacities[one] for one in flow.crosses), inf) for size, most in flow.phases
    )


def together(flows: list[Flow], capacities: dict[str, float]) -> float:
    """The earliest that all are through, over the orders tried: the first takes what it can, the next what is left."""
    latest = sorted(range(len(flows)), key=lambda one: -alone(flows[one], capacities))
    soonest = max((alone(flow, capacities) for flow in flows), default=0.0)
    if len(flows) <= 1:
        return soonest
    orders: Iterable[tuple[int, ...]] = (
        permutations(latest) if len(flows) <= _MOST_IN_EVERY_ORDER else (tuple(latest), tuple(reversed(latest)))
    )
    best = inf
    for order in orders:
        best = min(best, _in_order(flows, capacities, order))
        if best <= soonest * (1 + 1e-9):
            break
    return best


def _in_order(flows: list[Flow], capacities: dict[str, float], order: tuple[int, ...]) -> float:
    """When all are through if those earlier in `order` always come first."""
    now = 0.0
    phase = [0] * len(flows)
    left = [flow.phases[0][0] if flow.phases else 0.0 for flow in flows]
    done = {index for index, flow in enumerate(flows) if not flow.phases}
    through = max((flows[index].ready for index in done), default=0.0)
    while len(done) < len(flows):
        free = dict(capacities)
        rates: dict[int, float] = {}
        for index in order:
            if index in done or flows[index].ready > now + 1e-9:
                continue
            flow = flows[index]
            rates[index] = min(flow.phases[phase[index]][1], *(free[one] for one in flow.crosses), inf)
            for one in flow.crosses:
                free[one] -= rates[index]
        waits = [flow.ready - now for flow in flows if flow.ready > now + 1e-9]
        waits += [left[index] / rate for index, rate in rates.items() if rate > 1e-6]
        step = min(waits)
        now += step
        for index, rate in rates.items():
            left[index] -= rate * step
            if left[index] <= 1e-3:
                phase[index] += 1
                if phase[index] == len(flows[index].phases):
                    done.add(index)
                else:
                    left[index] = flows[index].phases[phase[index]][0]
        through = now
    return through
