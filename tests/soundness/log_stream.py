"""A log stream under an adversary who writes as much as he may, whenever it hurts.

Transactions come with at most `burst + writes * t` bytes in any time `t`. The stream collects a batch from its first
transaction until `flush` later, or until the batch before is stored if that takes longer; then it stores the batch as
objects of at most 16 MiB, one after the other. An object's transactions are safe when it is complete.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from math import ceil
from random import Random

from tests.soundness.images import Stretch

OBJECT = 16 * 2**20
_MOMENT = 1e-6  # ms: how far a loss of nothing may seem to grow


@dataclass(frozen=True, slots=True)
class Pipe:
    """One stream into one store: bytes and seconds."""

    rate: float
    latency: float
    flush: float
    writes: float
    burst: float


@dataclass(frozen=True, slots=True)
class Habit:
    """How transactions come within one batch: parts of what they may.

    `pause`: seconds of silence before the first; `first`: of the burst, with the first transaction; `flow`: of the
    steady rate, while the batch is open; `last`: of the burst left, at the end of it.
    """

    pause: float
    first: float
    flow: float
    last: float


Adversary = Callable[[int], Habit]
"""The habit in batch number n."""


@dataclass(slots=True)
class Batch:
    """`opening` bytes come at `opened`, `flowing` evenly until `closed`, `closing` at `closed`."""

    opened: float
    closed: float
    opening: float
    flowing: float
    closing: float
    size: float = field(init=False)
    objects: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.opening + self.flowing + self.closing
        self.objects = max(1, ceil(self.size / OBJECT - 1e-9))

    def came(self, byte: float) -> float:
        """When the byte at this position was written."""
        if byte < self.opening or not self.size:
            return self.opened
        if byte < self.opening + self.flowing:
            return self.opened + (byte - self.opening) / self.flowing * (self.closed - self.opened)
        return self.closed

    def telling(self) -> set[int]:
        """The objects among which is the one that waits longest: between them the wait is linear."""
        ends = [ceil(self.opening / OBJECT), ceil((self.opening + self.flowing) / OBJECT)]
        near = {0, self.objects - 1, *(end - 1 for end in ends), *ends}
        return {one for one in near if 0 <= one < self.objects}


def batches(pipe: Pipe, adversary: Adversary, count: int) -> list[tuple[Batch, float]]:
    """The first `count` batches and when each starts to be stored."""
    found: list[tuple[Batch, float]] = []
    cut, stored, tokens = 0.0, 0.0, pipe.burst
    for number in range(count):
        habit = adversary(number)
        opened = cut + habit.pause
        tokens = min(pipe.burst, tokens + pipe.writes * habit.pause)
        opening = tokens * habit.first
        flow = habit.flow
        if not opening and not flow:  # something must come first
            opening, flow = (1.0, 0.0) if tokens >= 1 else (0.0, 1.0)
        tokens -= opening
        cut = max(opened + pipe.flush, stored)
        flowing = pipe.writes * flow * (cut - opened)
        tokens = min(pipe.burst, tokens + pipe.writes * (1 - flow) * (cut - opened))
        closing = tokens * habit.last
        tokens -= closing
        batch = Batch(opened, cut, opening, flowing, closing)
        stored = cut + batch.objects * pipe.latency + batch.size / pipe.rate
        found.append((batch, cut))
    return found


def completed(pipe: Pipe, batch: Batch, begins: float, number: int) -> float:
    """When object `number` of a batch is complete."""
    return begins + (number + 1) * pipe.latency + min((number + 1) * OBJECT, batch.size) / pipe.rate


def worst(pipe: Pipe, adversary: Adversary, count: int) -> float:
    """The longest that a transaction was not safe, in seconds."""
    found = 0.0
    for batch, begins in batches(pipe, adversary, count):
        for number in batch.telling():
            found = max(found, completed(pipe, batch, begins, number) - batch.came(number * OBJECT))
    return found


def steady(_: int) -> Habit:
    """As much as may come for ever, evenly."""
    return Habit(0, 0, 1, 0)


def all_at_once(number: int) -> Habit:
    """The whole burst first, then the steady rate on top."""
    return Habit(0, 1 if number == 0 else 0, 1, 0)


def after_silence(pipe: Pipe) -> Adversary:
    """Silence until the whole burst may come again; then it comes right after a cut, and the steady rate goes on."""
    refill = pipe.burst / pipe.writes if pipe.writes else 0.0
    return lambda number: Habit(0, 0, 1, 0) if number % 4 else Habit(refill, 1, 1, 0)


def before_the_cut(pipe: Pipe) -> Adversary:
    """A first transaction waits; the burst comes just before the cut, the next one right after it."""
    refill = pipe.burst / pipe.writes if pipe.writes else 0.0
    return lambda number: Habit(refill, 0, 1, 1) if number % 3 == 0 else Habit(0, 1, 1, 0)


def by_chance(random: Random, pipe: Pipe) -> Adversary:
    """Anything that may come."""
    refill = pipe.burst / pipe.writes if pipe.writes else 0.0

    def habit(_: int) -> Habit:
        pause = random.choice((0.0, 0.0, random.uniform(0, pipe.flush), random.uniform(0, refill)))
        return Habit(pause, random.choice((0.0, 1.0, random.random())), random.choice((0.0, 1.0, random.random())),
                     random.choice((0.0, 1.0, random.random())))  # fmt: skip

    return habit


def worst_of_all(pipe: Pipe, random: Random) -> float:
    """The worst any of the adversaries achieves."""
    return max(worst(pipe, adversary, count) for adversary, count in _adversaries(pipe, random))


def _adversaries(pipe: Pipe, random: Random) -> tuple[tuple[Adversary, int], ...]:
    return (*_repeatable(pipe), (by_chance(random, pipe), 30))


def _repeatable(pipe: Pipe) -> tuple[tuple[Adversary, int], ...]:
    return ((steady, 40), (all_at_once, 12), (after_silence(pipe), 12), (before_the_cut(pipe), 12))


@dataclass(slots=True)
class Prompt:
    """The best that a stream can do which flushes as declared: what is full is cut at once, and nothing waits for
    anything but its turn on the way. `worst`: the longest that a transaction was not safe, in seconds."""

    pipe: Pipe
    worst: float = 0.0
    free: float = 0.0

    def follow(self, adversary: Adversary, count: int) -> float:
        pipe, cut, tokens = self.pipe, 0.0, self.pipe.burst
        for number in range(count):
            habit = adversary(number)
            opened = cut + habit.pause
            tokens = min(pipe.burst, tokens + pipe.writes * habit.pause)
            opening = tokens * habit.first
            due, closing = opened + pipe.flush, (tokens - opening) * habit.last
            tokens -= opening + closing
            left = self._full(opening, opened, opened)
            flow, first, at = pipe.writes * habit.flow, opened, opened
            while flow and left + flow * (due - at) >= OBJECT and at < opened + 4 * pipe.flush:
                at += (OBJECT - left) / flow
                self._sent(OBJECT, first, at)
                left, first, due = 0.0, at, at + pipe.flush
            left = min(left + flow * (due - at), OBJECT)
            cut = due
            if left + closing >= OBJECT:
                left = self._full(left + closing, first, due)
                first, cut = due, due + pipe.flush
            else:
                left += closing
            if left:
                self._sent(left, first, cut)
        return self.worst

    def _full(self, size: float, first: float, at: float) -> float:
        """Cuts what is full; what is left."""
        while size >= OBJECT:
            self._sent(OBJECT, first, at)
            size, first = size - OBJECT, at
        return size

    def _sent(self, size: float, first: float, at: float) -> None:
        self.free = max(self.free, at) + size / self.pipe.rate
        self.worst = max(self.worst, self.free + self.pipe.latency - first)


def best_of_all(pipe: Pipe, random: Random) -> float:
    """The worst any of the adversaries achieves against the promptest stream."""
    return max(Prompt(pipe).follow(adversary, count) for adversary, count in _adversaries(pipe, random))


def over_time(pipe: Pipe, adversary: Adversary, count: int) -> list[Stretch]:
    """The loss at every instant: the age of the oldest transaction that is not safe, in ms."""
    found: list[Stretch] = []
    safe_until = 0.0
    for batch, begins in batches(pipe, adversary, count):
        for number in range(batch.objects):
            came, done = batch.came(number * OBJECT), completed(pipe, batch, begins, number)
            start = max(came, safe_until)
            if came > safe_until:
                found.append(Stretch(0, 0.0, _MOMENT, (came - safe_until) * 1000 / _MOMENT))
            if done > start:
                found.append(Stretch(0, (start - came) * 1000, (done - start) * 1000, 1.0))
            safe_until = max(safe_until, done)
    return found


ANSWERED, WHOLE_SECOND = 0.5, 1.0
"""Seconds: a server may take so long to say its time and where its log ends; MariaDB's log tells whole ones."""


@dataclass(frozen=True, slots=True)
class Made:
    """When the first transaction of each object came, in order, and when that object is complete."""

    came: Sequence[float]
    done: Sequence[float]

    @classmethod
    def by(cls, pipe: Pipe, adversary: Adversary, count: int) -> Made:
        made = [
            (batch, begins, number)
            for batch, begins in batches(pipe, adversary, count)
            for number in range(batch.objects)
        ]
        came = [batch.came(number * OBJECT) for batch, _, number in made]
        return cls(came, [completed(pipe, *one) for one in made])


@dataclass(frozen=True, slots=True)
class Notes:
    """What one who goes back with others knows of a log: until when nothing else was committed.

    The server is asked now and then. Its answer holds for what was there when it was asked, is noted when all that was
    there when it answered is safe, and costs a request.
    """

    made: Made
    asked: Sequence[float]
    latency: float

    @classmethod
    def of(cls, pipe: Pipe, made: Made, apart: float, first: float) -> Notes:
        """Asked every `apart` seconds from `first` on, until the last has come."""
        last = made.came[-1]
        asked = list(accumulate(repeat(apart, max(0, int((last - first) / apart) + 2)), initial=first))
        while asked and _answered(asked[-1]) >= last:
            asked.pop()
        return cls(made, asked, pipe.latency)

    def over_time(self) -> list[Stretch]:
        """The loss at every instant."""
        noted: list[float] = []
        for start, end, safe in self._without_news():
            stored = self._stored(start, end, safe)
            noted += [safe + self.latency] * (stored - start)
            noted += [asked + ANSWERED + self.latency for asked in self.asked[stored:end]]
        return [_between(*one) for one in zip(self.asked, noted, noted[1:], strict=False) if one[2] > one[1]]

    def worst(self) -> float:
        """The longest loss, in seconds. From a note that waits for nothing to the next it is as ever: of those one is
        enough of each time without news."""
        worst, before = 0.0, 0.0
        for start, end, safe in self._without_news():
            for at in (start, max(start + 1, self._stored(start, end, safe))):
                if 0 < at < end:
                    last = self._noted(at - 1, before if at == start else safe)
                    if (now := self._noted(at, safe)) > last:
                        worst = max(worst, _between(self.asked[at - 1], last, now).worst / 1000)
            before = safe
        return worst

    def _without_news(self) -> Iterator[tuple[int, int, float]]:
        """The first of some answers and the one after them between which nothing comes, and when what came is safe."""
        start = 0
        while start < len(self.asked):
            come = bisect_right(self.made.came, _answered(self.asked[start]))
            end = bisect_left(self.asked, self.made.came[come], start + 1, key=_answered)
            yield start, end, self.made.done[come - 1] if come else 0.0
            start = end

    def _stored(self, start: int, end: int, safe: float) -> int:
        """The first answer of some that comes when all is safe already."""
        return bisect_left(self.asked, safe, start, end, key=_answered)

    def _noted(self, at: int, safe: float) -> float:
        return max(_answered(self.asked[at]), safe) + self.latency


def _answered(asked: float) -> float:
    return asked + ANSWERED


def _between(asked: float, noted: float, again: float) -> Stretch:
    """What is lost from one note to the next: all since the answer that the first is of."""
    return Stretch(0, (noted - asked + WHOLE_SECOND) * 1000, (again - noted) * 1000, 1.0)


def known_over_time(pipe: Pipe, adversary: Adversary, count: int, apart: float, first: float) -> list[Stretch]:
    """The loss at every instant of one who goes back with others, of a server that is asked every `apart` seconds."""
    return Notes.of(pipe, Made.by(pipe, adversary, count), apart, first).over_time()


def worst_known(pipe: Pipe, random: Random, apart: float) -> float:
    """The worst any of the adversaries achieves against one who goes back with others, in seconds, whenever the server
    is asked: best just before something that waits long."""
    worst, chance = 0.0, by_chance(random, pipe)
    for adversary, count in (*_repeatable(pipe), (chance, 30)):
        opened = [batch.opened for batch, _ in batches(pipe, adversary, min(count, 8))]
        firsts = {(at - ANSWERED + 1e-9) % apart for at in opened} | {random.uniform(0, apart)}
        made = None
        for first in firsts:
            if made is None or adversary is chance:  # never twice the same
                made = Made.by(pipe, adversary, count)
            worst = max(worst, Notes.of(pipe, made, apart, first).worst())
    return worst
