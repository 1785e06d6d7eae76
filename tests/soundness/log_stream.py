"""A log stream under an adversary who writes as much as he may, whenever it hurts.

Transactions come with at most `burst + writes * t` bytes in any time `t`. The stream cuts an object `flush` after its
first transaction, or as soon as it has 16 MiB, and stores one after the other. An object's transactions are safe when
it is complete. Now and then a binlog ends: what there is of it is cut, its end is marked, and the next one begins.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from random import Random

import msgspec

from tests.soundness.images import Stretch

OBJECT = 16 * 2**20
_TRIED = 8
"""Of the instants at which objects begin, so many are tried."""
_MOMENT = 1e-6  # ms: how far a loss of nothing may seem to grow


@dataclass(frozen=True, slots=True)
class Pipe:
    """One stream into one store: bytes and seconds. `awaited`: by commits; then no binlog ends meanwhile."""

    rate: float
    latency: float
    flush: float
    writes: float
    burst: float
    awaited: bool = False


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


class Sent(msgspec.Struct, frozen=True, gc=False):
    """An object whose first transaction came at `came`, cut at `cut`, and complete at `done`."""

    came: float
    size: float
    cut: float
    done: float = 0.0


def cuts(pipe: Pipe, adversary: Adversary, count: int) -> Iterator[Sent]:
    """What is cut of `count` batches, in order: what is full at once, and what is not when `flush` has passed."""
    cut, tokens = 0.0, pipe.burst
    for number in range(count):
        habit = adversary(number)
        opened = cut + habit.pause
        tokens = min(pipe.burst, tokens + pipe.writes * habit.pause)
        opening, flow = tokens * habit.first, pipe.writes * habit.flow
        if not opening and not flow:  # something must come first
            opening, flow = (1.0, 0.0) if tokens >= 1 else (0.0, pipe.writes)
        due, closing = opened + pipe.flush, (tokens - opening) * habit.last
        tokens = min(pipe.burst, tokens - opening - closing + (pipe.writes - flow) * pipe.flush)
        left = yield from _full(opening, opened, opened)
        first, at = opened, opened
        while flow and left + flow * (due - at) >= OBJECT and at < opened + 4 * pipe.flush:
            at += (OBJECT - left) / flow
            yield Sent(first, OBJECT, at)
            left, first, due = 0.0, at, at + pipe.flush
        left, cut = min(left + flow * (due - at), OBJECT), due
        if left + closing >= OBJECT:
            left = yield from _full(left + closing, first, due)
            first, cut = due, due + pipe.flush
        else:
            left += closing
        if left:
            yield Sent(first, left, cut)


def _full(size: float, first: float, at: float) -> Generator[Sent, None, float]:
    """Cuts what is full; what is left."""
    while size >= OBJECT:
        yield Sent(first, OBJECT, at)
        size, first = size - OBJECT, at
    return size


def objects(pipe: Pipe, adversary: Adversary, count: int, ends: int = 0) -> list[Sent]:
    """The same, and when each is complete. A full one is all of a binlog but its first event, which was cut before it:
    so many requests it costs, and those after it. A binlog is ended by request behind object `ends` besides."""
    found: list[Sent] = []
    free = 0.0
    for number, one in enumerate(cuts(pipe, adversary, count)):
        full = one.size >= OBJECT and not pipe.awaited
        done = max(free, one.cut) + (2 if full else 1) * pipe.latency + one.size / pipe.rate
        free = done + (2 if full or (number == ends and not pipe.awaited) else 0) * pipe.latency
        found.append(Sent(one.came, one.size, one.cut, done))
    return found


def worst(pipe: Pipe, adversary: Adversary, count: int, ends: int = 0) -> float:
    """The longest that a transaction was not safe, in seconds."""
    return max((one.done - one.came for one in objects(pipe, adversary, count, ends)), default=0.0)


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
    ends = random.randrange(6)
    return max(worst(pipe, adversary, count, ends) for adversary, count in _adversaries(pipe, random))


def _adversaries(pipe: Pipe, random: Random) -> tuple[tuple[Adversary, int], ...]:
    return (*_repeatable(pipe), (by_chance(random, pipe), 30))


def _repeatable(pipe: Pipe) -> tuple[tuple[Adversary, int], ...]:
    return ((steady, 40), (all_at_once, 12), (after_silence(pipe), 12), (before_the_cut(pipe), 12))


@dataclass(slots=True)
class Prompt:
    """The best that a stream can do which flushes as declared: what is full is cut at once, one is stored after the
    other, and nothing waits for anything else. `worst`: the longest that a transaction was not safe, in seconds."""

    pipe: Pipe
    worst: float = 0.0
    free: float = 0.0

    def follow(self, adversary: Adversary, count: int) -> float:
        for one in cuts(self.pipe, adversary, count):
            self.free = max(self.free, one.cut) + self.pipe.latency + one.size / self.pipe.rate
            self.worst = max(self.worst, self.free - one.came)
        return self.worst


def best_of_all(pipe: Pipe, random: Random) -> float:
    """The worst any of the adversaries achieves against the promptest stream."""
    return max(Prompt(pipe).follow(adversary, count) for adversary, count in _adversaries(pipe, random))


def over_time(pipe: Pipe, adversary: Adversary, count: int) -> list[Stretch]:
    """The loss at every instant: the age of the oldest transaction that is not safe, in ms."""
    found: list[Stretch] = []
    safe_until = 0.0
    for one in objects(pipe, adversary, count):
        came, done = one.came, one.done
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
        made = objects(pipe, adversary, count)
        return cls([one.came for one in made], [one.done for one in made])


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
        opened = dict.fromkeys(one.came for one in cuts(pipe, adversary, min(count, 8)))
        firsts = {(at - ANSWERED + 1e-9) % apart for at in list(opened)[:_TRIED]} | {random.uniform(0, apart)}
        made = None
        for first in firsts:
            if made is None or adversary is chance:  # never twice the same
                made = Made.by(pipe, adversary, count)
            worst = max(worst, Notes.of(pipe, made, apart, first).worst())
    return worst
