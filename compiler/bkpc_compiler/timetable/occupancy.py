"""How much of a resource is reserved at each instant of a cycle; and where there is room for more."""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class Occupancy:
    """Reserved bytes per second over one cycle of `length` milliseconds, of a resource that gives `usable`.

    `steady` holds always, the rest in intervals. Piecewise constant: `_loads[i]` from `_times[i]` on.
    """

    def __init__(self, length: int, usable: int, steady: int = 0) -> None:
        self.length, self.usable, self.steady = length, usable, steady
        self._times = [0]
        self._loads = [0]
        self._full: dict[int, tuple[int, int]] = {}  # by rate, a stretch without room: nothing is ever taken back

    @property
    def peak(self) -> int:
        """The most that is ever reserved."""
        return self.steady + max(self._loads)

    def conflict(self, start: int, lasts: int, rate: int, limit: int | None = None) -> int | None:
        """None if `rate` fits from `start` for `lasts`; else how long after `start` the conflict met first ends.

        `limit`: what may be reserved in all, where that is less than is usable.
        """
        room = (self.usable if limit is None else limit) - self.steady - rate
        if room < 0:
            return self.length
        at = start % self.length
        index = bisect_right(self._times, at) - 1
        ahead = 0
        while ahead < lasts:
            following = self._times[index + 1] if index + 1 < len(self._times) else self.length
            if self._loads[index] > room:
                return ahead + following - at
            ahead += following - at
            at, index = (0, 0) if following == self.length else (following, index + 1)
        return None

    def first_room(self, start: int, lasts: int, rate: int, latest: int | None = None) -> int:
        """The first instant from `start` on at which `rate` fits for `lasts`; not around the end of the cycle.

        `length` where there is none. `latest`: a start after it is of no use; what is answered then is after it too.
        """
        room = self.usable - self.steady - rate
        times, loads = self._times, self._loads
        count = len(times)
        begin = self._after_full(start, rate, room)
        index = bisect_right(times, begin) - 1
        while begin + lasts <= self.length and (latest is None or begin <= latest):
            last = bisect_left(times, begin + lasts, index + 1)
            if max(loads[index:last]) <= room:
                return begin
            # What is between two full stretches that a slot would meet is too short for it: on, after the last of them.
            index = last - 1
            while loads[index] <= room:
                index -= 1
            while index < count and loads[index] > room:
                index += 1
            if index == count:
                return self.length
            begin = times[index]
        return begin if begin + lasts <= self.length else self.length

    def _after_full(self, start: int, rate: int, room: int) -> int:
        """The first instant from `start` on at which `rate` fits at all. What was found full stays so: nothing is ever
        taken back. One stretch of it is remembered for each rate."""
        origin, until = self._full.get(rate, (start, start))
        begin = until if origin <= start < until else start
        times, loads = self._times, self._loads
        count, index = len(times), bisect_right(times, begin) - 1
        if loads[index] <= room:
            return begin
        while index < count and loads[index] > room:
            index += 1
        begin = times[index] if index < count else self.length
        if start <= until and origin <= begin:  # the two are one
            self._full[rate] = (min(start, origin), max(begin, until))
        elif begin - start > until - origin:
            self._full[rate] = (start, begin)
        return begin

    def reserve(self, start: int, lasts: int, rate: int) -> None:
        """Adds `rate` from `start` for `lasts`, which is at most the whole cycle."""
        first = start % self.length
        end = first + lasts
        self._add(first, min(end, self.length), rate)
        if end > self.length:
            self._add(0, end - self.length, rate)

    def _add(self, start: int, end: int, rate: int) -> None:
        if start >= end:
            return
        low, high = self._split(start), self._split(end) if end < self.length else len(self._times)
        for index in range(low, high):
            self._loads[index] += rate

    def _split(self, at: int) -> int:
        """The index of the segment that begins at `at`, which is made where there is none."""
        index = bisect_right(self._times, at) - 1
        if self._times[index] == at:
            return index
        self._times.insert(index + 1, at)
        self._loads.insert(index + 1, self._loads[index])
        return index + 1
