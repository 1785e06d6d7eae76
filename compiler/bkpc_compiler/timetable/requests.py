"""A job as the planner sees it, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from msgspec import Struct

from bkpc_compiler.timetable.calendar import Rhythm


class Request(Struct, frozen=True):
    """A job as the planner sees it. `resources`: names; `ceiling`: bytes per second it may use at most, or None.

    `effort`: bytes its reservation must be able to move in its slot, failed attempts included. `lead`: milliseconds
    after its release before its first byte can move. `wish`: when after its release it should start, if there is room.
    `swift`: how long its slot may be for what is promised of its image, if there is room; None: as long as it fits.
    `sought`: bytes beside these that are read at its database and not moved, failed attempts included. `share`: of the
    rate at which it reads there, what it reserves of everything else at most.
    `server`: of which no other image may be taken meanwhile; None: a copy, or the only images of its server.
    `beside`: milliseconds of its slot in which nothing need move.
    `left_out`: it is not taken where it meets a full image of its server.
    """

    id: str
    rhythm: Rhythm
    window: int
    effort: int
    resources: tuple[str, ...]
    ceiling: int | None
    lead: int = 0
    wish: int | None = None
    swift: int | None = None
    server: str | None = None
    incremental: bool = False
    left_out: bool = False
    beside: int = 0
    sought: int = 0
    share: Fraction = Fraction(1)

    def takes(self, rate: int) -> int:
        """Milliseconds at most where it reads at `rate`: while it reads what it does not move, it moves nothing."""
        if not self.sought:
            return -(-self.effort * 1000 // self.moving(rate)) + self.beside
        moving = self.moving(rate)
        return -(-(self.sought * moving + self.effort * rate) * 1000 // (rate * moving)) + self.beside

    def moving(self, rate: int) -> int:
        """What it reserves of links and stores where it reads at `rate`."""
        share, whole = self.share.as_integer_ratio()
        return -(-rate * share // whole)

    def on(self, name: str, rate: int) -> int:
        """What it reserves of a resource where it reads at `rate`."""
        return rate if at_database(name) else self.moving(rate)

    def most(self, name: str, room: int) -> int:
        """The rate at which it may read where `room` is left of a resource."""
        return room if at_database(name) else room * self.share.denominator // self.share.numerator

    @property
    def least_effort(self) -> int:
        """Bytes of reading that its slot must have room for: those that are moved pass at a `share` of its rate."""
        return self.sought - (-self.effort * self.share.denominator // self.share.numerator)


@dataclass(frozen=True, slots=True)
class Slot:
    """Start after each release, length, and reserved rate; milliseconds and bytes per second.

    `reads`: what is reserved of its database instead, where it reads more there than it moves; 0: as much as `rate`.
    """

    offset: int
    length: int
    rate: int
    reads: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.length

    def on(self, name: str) -> int:
        """What is reserved of a resource."""
        return self.reads if self.reads and at_database(name) else self.rate


def at_database(name: str) -> bool:
    """Whether a resource is the machine of a database, rather than on the way to a store."""
    return name.startswith("database:")
