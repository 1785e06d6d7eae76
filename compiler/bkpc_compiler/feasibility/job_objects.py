"""What the number of objects of an image costs the job that stores or copies it: each is some requests over the way.

Small ones are moved many at once; of larger ones each is begun, sent and put together, one after the other, while the
next one comes. See docs/feasibility.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.feasibility.log_reading import SINGLE
from bkpc_compiler.once import once
from bkpc_compiler.program.model import ColdLevel, Database, Given, ImageLevel, Link, Policy
from bkpc_grammar.image_objects import (
    COPIED_ROUND,
    JOB_AT_ONCE,
    LARGE_READ,
    LARGE_STORED,
    OTHERS,
    PARTS,
    PARTS_AHEAD,
    PIECE,
    RANGES,
    RANGES_AHEAD,
    SMALL,
    STORED_ROUND,
)
from bkpc_grammar.log_objects import LISTED
from bkpc_grammar.quantities import Count
from bkpc_grammar.thaws import A_SECOND, TURN_MS


class JobObjects(Struct, frozen=True, dict=True):
    """Of an image of `bytes`, stored or `copied` over `links`.

    `tables`: of a logical image; None: it is none. `pieces`: of a physical one and those behind it; 0: it is none.
    `wide`: the way carries more in a latency than the parts that are sent, or the ranges that are read, ahead.
    """

    bytes: int
    tables: Given[Count] | None
    pieces: int
    copied: bool
    links: tuple[Link, ...]
    wide: bool

    @once
    def latency(self) -> Fraction:
        return sum((one.latency.value.amount for one in self.links), start=Fraction(0))

    @once
    def parts(self) -> int:
        """Objects of a logical image."""
        return self.tables.value.number + OTHERS if self.tables else 0

    @once
    def count(self) -> int:
        return max(self.parts, self.pieces)

    @once
    def asked(self) -> int:
        """Milliseconds until all of them are asked to thaw, from when a copy's turn begins: to find what they are, and
        then a hundred a second."""
        found = (SINGLE + self.count // LISTED) * self.latency
        return TURN_MS + -(-self.count * 1000 // A_SECOND) + -(-found.numerator * 1000 // found.denominator)

    @once
    def rounds(self) -> int:
        """Latencies in which nothing else need be on the way, at most."""
        each = LARGE_STORED + (LARGE_READ if self.copied else 0)
        small = -(-self.parts // JOB_AT_ONCE)
        small += min(self.bytes, self.parts * SMALL) // (COPIED_ROUND if self.copied else STORED_ROUND)
        of_tables = small + each * min(self.parts, self.bytes // SMALL)
        parts = self.bytes // (RANGES if self.copied else PARTS) if self.wide else 0
        listed = 2 * (self.count // LISTED)
        return max(of_tables, each * self.pieces) + parts + listed + SINGLE

    @once
    def wait(self) -> int:
        """Milliseconds beside what the bytes take."""
        return -(-self.rounds * 1000 * self.latency.numerator // self.latency.denominator)


class Asked(Struct, frozen=True):
    """Objects that all copies ask to thaw, once each, and milliseconds between two times of one at least.

    The service serves so many a second of all who ask. While it is never without, one of a copy's own takes no longer
    than what all ask in that time: once each, where that is served before anybody asks again.
    """

    once: int
    apart: int

    @property
    def served(self) -> bool:
        """Whether all is served before anybody asks again."""
        return self.once * 1000 < A_SECOND * self.apart

    def others(self, count: int) -> int:
        """Milliseconds by which a copy has asked for its `count` later than alone."""
        return -(-(self.once - count) * 1000 // A_SECOND)

    def times(self, count: int) -> int:
        """How often each copy asks at most until `count` objects of recoveries are asked for."""
        return max(1, ceil(Fraction(count * 1000, A_SECOND * self.apart - self.once * 1000)))

    def beside(self, count: int) -> int:
        """Milliseconds by which recoveries have asked for so many later than without copies."""
        return -(-self.times(count) * self.once * 1000 // A_SECOND)


def objects_moved(
    database: Database, policy: Policy, level: ImageLevel | ColdLevel, links: tuple[Link, ...], way: Iterable[Resource]
) -> JobObjects | None:
    """What a job of `level` moves; None where nothing says how many objects that is. A copy moves whatever images its
    source has."""
    if database.tables is None:
        return None
    copied = isinstance(level, ColdLevel)
    levels = policy.images if isinstance(level, ColdLevel) else (level,)
    logical = any(one.kind == "full" and one.engine == "logical" for one in levels)
    physical = any(one.engine == "physical" for one in levels)
    size = database.size.value.bytes_up()
    latency = sum((one.latency.value.amount for one in links), start=Fraction(0))
    carries = min((one.most for one in way if one.capacity is not None), default=None)
    wide = carries is None or carries * latency > (RANGES_AHEAD if copied else PARTS_AHEAD)
    pieces = size // PIECE + 1 if physical else 0
    return JobObjects(size, database.tables if logical else None, pieces, copied, links, wide)


def with_more(objects: JobObjects, bytes_: int, images: int) -> JobObjects:
    """The same with so many incremental images behind the full one."""
    whole = objects.bytes + bytes_
    return replace(objects, bytes=whole, pieces=whole // PIECE + 1 + images)
