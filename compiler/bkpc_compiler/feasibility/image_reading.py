"""What the number of objects of an image costs a recovery beside their bytes: each is asked for over the way's latency.

Those of small tables are fetched many at once, in order, as those of a log are: see `log_reading`. A larger one is read
by the client that loads it, two of which load side by side at least: each waits for a latency before its first byte,
and loads at its share of the rate else. A physical image comes one object after the other. Of a larger object three
ranges are asked for at once: when these have come, the way may wait for the next. See docs/feasibility.md.
"""

from __future__ import annotations

from msgspec import Struct

from bkpc_compiler.estate.resources import Ways
from bkpc_compiler.estate.routes import HOME, Route
from bkpc_compiler.feasibility.images import ImageCopy
from bkpc_compiler.feasibility.log_reading import SINGLE, farthest
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Database, Given, Link
from bkpc_compiler.source import Span
from bkpc_grammar.image_objects import AT_ONCE, CLIENTS, OTHERS, PIECE, RANGES, ROUND, SMALL
from bkpc_grammar.quantities import ZERO_DURATION, Count, Duration


class Objects(Struct, frozen=True, dict=True):
    """Of an image of `bytes`, on their way over `links` from the store farthest away.

    `tables`: of a logical image; None: where none is. `pieces`: of a physical one and those behind it; 0: where none
    is. Where both may be, what takes longer counts.
    """

    bytes: int
    tables: Given[Count] | None
    pieces: int
    latency: Duration
    links: tuple[Link, ...]

    @once
    def parts(self) -> int:
        """Objects of a logical image."""
        return self.tables.value.number + OTHERS if self.tables else 0

    @property
    def count(self) -> int:
        return max(self.parts, self.pieces)

    @once
    def large(self) -> int:
        """Those of a logical image that are not small, at most."""
        return min(self.parts, self.bytes // SMALL)

    @once
    def rounds(self) -> int:
        """Latencies in which nothing else need be on the way, at most."""
        of_pieces = self.pieces + self.bytes // RANGES if self.pieces else 0
        return max(rounds_of(self.parts, self.bytes) if self.parts else 0, of_pieces) + SINGLE

    @once
    def wait(self) -> int:
        """Milliseconds beside what the bytes take."""
        each = self.latency.amount
        return -(-self.rounds * 1000 * each.numerator // each.denominator)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The clauses that cost it."""
        counted = (self.tables.span,) if self.tables and self.parts >= self.pieces else ()
        return (*(one.latency.span for one in self.links), *counted)


def rounds_of(parts: int, bytes_: int) -> int:
    """Of a logical image: groups of small objects, turns of larger ones, and of their ranges."""
    small = -(-parts // AT_ONCE) + min(bytes_, parts * SMALL) // ROUND
    return small + -(-min(parts, bytes_ // SMALL) // CLIENTS) + bytes_ // RANGES


def objects_of(
    ways: Ways, database: Database, image: ImageCopy, bytes_: int, site: str, lost: tuple[str, ...]
) -> Objects | None:
    """The image in one of its stores on its way to `site` around `lost` sites; None where no latency counts."""
    if database.tables is None:
        return None
    far = farthest(ways, image.stores, site, lost)
    if far is HOME or not far.latency.amount:
        return None
    return pieces_of(database, image, bytes_, far)


def pieces_of(database: Database, image: ImageCopy, bytes_: int, far: Route = HOME) -> Objects:
    """The objects that it is in, wherever they are."""
    pieces = bytes_ // PIECE + image.prepared if image.prepared else 0
    latency = ZERO_DURATION if far is HOME else far.latency
    return Objects(bytes_, database.tables if image.logical else None, pieces, latency, far.links)
