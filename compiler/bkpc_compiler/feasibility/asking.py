"""What a thaw costs beside its own time: each object is asked for by itself, and nobody tells when it has thawed.

A recovery of several databases asks for all of theirs one after the other, a hundred objects a second, and looks now
and then at one object of each, then at the names of all. What the first of all waits for is counted for each of them.
See docs/feasibility.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from msgspec import Struct

from bkpc_compiler.estate.routes import HOME
from bkpc_compiler.feasibility.bounds import Term
from bkpc_compiler.feasibility.image_reading import Objects, pieces_of
from bkpc_compiler.feasibility.job_objects import Asked
from bkpc_compiler.feasibility.log_reading import SINGLE, Reading, farthest, reading_any
from bkpc_compiler.feasibility.recovery_point import Line
from bkpc_compiler.feasibility.recovery_time import Place, Setting
from bkpc_compiler.feasibility.thaw import thaw_of, thawed_log
from bkpc_compiler.feasibility.working import Asking
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Database, Link, Store
from bkpc_compiler.source import Span
from bkpc_grammar.log_objects import LISTED
from bkpc_grammar.quantities import ZERO_DURATION, Duration
from bkpc_grammar.thaws import A_SECOND

LOOKS = 2
"""Looks that the last one may have to wait for, itself included: all names are told in each."""


class Frozen(Struct, frozen=True, dict=True):
    """What one recovery asks for: its `image`, its `log`, out of `store` or one like it. `links`: the way there."""

    database: Database
    line: Line
    store: Store
    image: Objects | None
    log: Reading | None
    latency: Duration
    links: tuple[Link, ...]

    @once
    def objects(self) -> int:
        """Of a log one more, in which it begins."""
        return (self.image.count if self.image else 0) + (self.log.objects + 1 if self.log else 0)

    @once
    def answers(self) -> int:
        """That name all of them, in turn."""
        image = self.image.count // LISTED + 1 if self.image else 0
        return image + (self.log.listings if self.log else 0)

    @once
    def rounds(self) -> int:
        """Latencies until they are asked for, and seen to have thawed, at most."""
        return LOOKS * (1 + self.answers) + SINGLE

    @once
    def wait(self) -> int:
        """Milliseconds of both."""
        each = self.latency.amount
        return self.objects * 1000 // A_SECOND + -(-self.rounds * 1000 * each.numerator // each.denominator)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The clauses that cost it."""
        held = self.store.storage_class
        tables = (self.image.tables.span,) if self.image and self.image.tables else ()
        return (*((held.span,) if held else ()), *tables, *((self.log.flush,) if self.log else ()))


def frozen_of(setting: Setting, database: Database, line: Line, place: Place, lost: tuple[str, ...]) -> Frozen | None:
    """What a recovery on `line` asks for at the worst instant; None where nothing must thaw."""
    if not line.frozen:
        return None
    images = [one for one in line.image.stores if thaw_of(one) is not None]
    logs = [one for one in line.log_stores if thaw_of(one) is not None]
    image = pieces_of(database, line.image, line.image.loaded(database.size.value)) if images else None
    log = None
    if logs and line.log:
        age = line.image.oldest if line.image.comes else 0
        log = reading_any(setting.ways, database, line.log, logs, place.site, lost, age, thawed_log(database, line))
    if image is not None and not image.count:  # nothing says how many it has
        image = None
    if image is None and log is None:
        return None
    far = farthest(setting.ways, (*images, *logs), place.site, lost)
    latency = ZERO_DURATION if far is HOME else far.latency
    return Frozen(database, line, (images or logs)[0], image, log, latency, far.links)


def asked_by(frozen: Iterable[Frozen], copies: Asked | None = None) -> Term | None:
    """How long all that recoveries of one failure ask for holds up each of them; None where nothing must thaw.

    `copies`: what these ask for beside them.
    """
    asked = tuple(frozen)
    if not asked:
        return None
    objects = sum(one.objects for one in asked)
    words = f"to ask for the thaw of {objects:,} objects, {A_SECOND} a second, and to see it"
    takes = Duration(Fraction(sum(one.wait for one in asked) + (copies.beside(objects) if copies else 0), 1000))
    spans = tuple(dict.fromkeys(span for one in asked for span in one.spans))
    return Term(words, takes, spans, working=Asking(asked, copies))
