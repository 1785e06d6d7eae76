"""Recoveries that share capacities like water: how soon all can be through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations
from math import inf

_MOST_IN_EVERY_ORDER = 3
_LITTLE = 1e-3  # bytes


@dataclass(frozen=True, slots=True)
class Part:
    """From `ready` on, so many bytes over all that they `cross`; the machine takes in so much at most, and `beside` it
    takes so many seconds for tables, in which more bytes may come."""

    ready: float
    size: float
    most: float
    crosses: tuple[str, ...]
    beside: float = 0.0

    @property
    def loaded(self) -> float:
        """The machine is not done before."""
        return self.ready + self.beside + (self.size / self.most if self.beside else 0.0)


@dataclass(frozen=True, slots=True)
class Flow:
    """An image that a machine loads, and the log that it replays then; it may fetch the log before."""

    image: Part
    log: Part | None = None


@dataclass(slots=True)
class _Way:
    """What is left to do of a flow, and at which rates that goes on."""

    flow: Flow
    load: float
    fetch: float
    replay: float
    loading: float = 0.0
    fetching: float = 0.0
    replaying: float = 0.0

    @property
    def over(self) -> bool:
        return not self.load and not self.replay

    def rates(self, now: float, free: dict[str, float], part: str) -> None:
        """Takes of what is free: for its image, or for its log."""
        if part == "image":
            image = self.flow.image
            going = self.load > 0 and image.ready <= now + 1e-9
            self.loading = _taken(free, image.crosses, image.most) if going else 0.0
            return
        log = self.flow.log
        going = log is not None and self.fetch > 0 and log.ready <= now + 1e-9
        self.fetching = _taken(free, log.crosses, inf) if log and going else 0.0
        self.replaying = 0.0
        if log is not None and not self.load and self.replay > 0 and now + 1e-9 >= self.flow.image.loaded:
            self.replaying = log.most if self.replay > self.fetch + _LITTLE else min(log.most, self.fetching)

    def changes(self, now: float) -> Iterator[float]:
        """After how long its rates may be others."""
        for part, left in ((self.flow.image, self.load), (self.flow.log, self.fetch)):
            if part is not None and left and part.ready > now + 1e-9:
                yield part.ready - now
        if not self.load and self.replay and self.flow.image.loaded > now + 1e-9:
            yield self.flow.image.loaded - now
        for left, rate in ((self.load, self.loading), (self.fetch, self.fetching), (self.replay, self.replaying)):
            if left and rate > 1e-6:
                yield left / rate
        stock = self.replay - self.fetch
        if stock > _LITTLE and self.replaying > self.fetching + 1e-6:
            yield stock / (self.replaying - self.fetching)

    def goes_on(self, step: float) -> None:
        self.load = _less(self.load, self.loading * step if step else 0.0)
        self.fetch = 0.0 if self.fetching == inf else _less(self.fetch, self.fetching * step)
        self.replay = _less(self.replay, self.replaying * step)


def _taken(free: dict[str, float], crosses: tuple[str, ...], most: float) -> float:
    rate = min((free[one] for one in crosses), default=inf)
    rate = max(0.0, min(rate, most))
    for one in crosses:
        free[one] -= rate
    return rate


def _less(left: float, moved: float) -> float:
    return left - moved if left - moved > _LITTLE else 0.0


def together(flows: list[Flow], capacities: dict[str, float]) -> float:
    """The earliest that all are through, over the orders tried: the first takes what it can, the next what is left."""
    alone = [_in_order([flow], capacities, (0,), logs_last=False) for flow in flows]
    soonest = max(alone, default=0.0)
    if len(flows) <= 1:
        return soonest
    latest = sorted(range(len(flows)), key=lambda one: -alone[one])
    orders: Iterable[tuple[int, ...]] = (
        permutations(latest) if len(flows) <= _MOST_IN_EVERY_ORDER else (tuple(latest), tuple(reversed(latest)))
    )
    best = inf
    for order in orders:
        for logs_last in (False, True):
            best = min(best, _in_order(flows, capacities, order, logs_last=logs_last))
            if best <= soonest * (1 + 1e-9):
                return best
    return best


def _in_order(flows: list[Flow], capacities: dict[str, float], order: tuple[int, ...], *, logs_last: bool) -> float:
    """When all are through if those earlier in `order` always come first, their logs with them or after all images."""
    ways = [
        _Way(flows[one], flows[one].image.size, *((log.size, log.size) if (log := flows[one].log) else (0.0, 0.0)))
        for one in order
    ]
    turns = [(way, "image") for way in ways] + [(way, "log") for way in ways]
    if not logs_last:
        turns = [(way, part) for way in ways for part in ("image", "log")]
    now = 0.0
    while any(not way.over for way in ways):
        free = dict(capacities)
        for way, part in turns:
            way.rates(now, free, part)
        step = 0.0 if any(way.fetching == inf for way in ways) else min(one for way in ways for one in way.changes(now))
        for way in ways:
            way.goes_on(step)
        now += step
    return max([now, *(way.flow.image.loaded for way in ways)])
