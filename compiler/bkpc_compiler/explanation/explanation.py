"""What `bkpc explain` says about a database, as a value: every figure exact, with the clause it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bkpc_compiler.feasibility.verdict import Verdict
from bkpc_compiler.program.model import Origin, Scope
from bkpc_grammar.quantities import Duration


@dataclass(frozen=True, slots=True)
class Source:
    """A clause. `where`: `file:line`; `text`: of the clause, on one line; `origin`: whose figure it is.

    `measured`: what was measured instead of it, when and by what; empty where nothing was.
    """

    where: str
    text: str
    origin: Origin
    measured: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of a calculation.

    `unit`: s, B, B/s, s/B, or nothing for a plain number. `expression`: how it follows from cells before it, with
    + - * / and ceil, floor, max, min; empty where it is given. `note`: what it is.
    """

    name: str
    value: Fraction
    unit: str
    expression: str = ""
    note: str = ""
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Summand:
    """One term of a bound, in seconds. `begins`: where the term before ended; the last of `cells` is `lasts`."""

    label: str
    begins: Fraction
    lasts: Fraction
    sources: tuple[Source, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A bound as its terms, one after the other."""

    summands: tuple[Summand, ...]

    @property
    def total(self) -> Fraction:
        """Seconds."""
        return sum((one.lasts for one in self.summands), start=Fraction(0))


@dataclass(frozen=True, slots=True)
class Objective:
    """One promised figure. `kind`: rpo or rto; `share`: of all instants it is promised for; 1: the worst one.

    `upper`, `lower`: None where there is no such bound; `remarks` say why, and what else decides the verdict.
    """

    kind: str
    promised: Duration
    share: Fraction
    source: Source
    verdict: Verdict
    upper: Waterfall | None
    lower: Waterfall | None
    remarks: tuple[str, ...]

    @property
    def margin(self) -> Fraction | None:
        """Seconds between the upper bound and the promise; negative where the bound is above it."""
        return None if self.upper is None else self.promised.amount - self.upper.total


@dataclass(frozen=True, slots=True)
class Line:
    """One way to recover that the failure leaves.

    `image`: the stores an image passes, the last one is read; `log`: the store of the log; `place`: where the
    database is rebuilt, None where nothing says. Seconds: what it loses at most and at least, and when the
    database is back on it at most, were it the only one to come back. `why_not`: empty for the chosen one. `beside`:
    more stores that have images; the newest of all is read.
    """

    image: tuple[str, ...]
    logs: tuple[str, ...]
    place: str | None
    loses_most: Fraction | None
    loses_least: Fraction | None
    back_alone: Fraction | None
    why_not: str
    beside: tuple[str, ...] = ()

    @property
    def chosen(self) -> bool:
        return not self.why_not


@dataclass(frozen=True, slots=True)
class ReservedJob:
    """The slot of a job; seconds after its release, bytes per second. None: it has no slot.

    `effort`: bytes that the slot has room for: the image, and what failed attempts may cost. `sought`: bytes that are
    read beside these to find what changed, at `sought_rate`. `beside`: seconds of it in which nothing need move.
    """

    id: str
    reads: str
    writes: str
    offset: Fraction | None
    lasts: Fraction | None
    rate: int | None
    effort: int
    beside: Fraction
    source: Source
    sought: int = 0
    sought_rate: int = 0


@dataclass(frozen=True, slots=True)
class ReservedStream:
    """What the log of a database reserves on its way to one store, bytes per second. `fits`: whether it has room."""

    id: str
    writes: str
    rate: int
    fits: bool
    source: Source


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure that is promised to be survived, and all that was judged about it.

    `lost`: in words; `down`: every protected database it takes down; `along`: those that go back with their
    group; `gone`: copies that are lost with it.
    """

    scope: Scope
    lost: str
    down: tuple[str, ...]
    along: tuple[str, ...]
    objectives: tuple[Objective, ...]
    lines: tuple[Line, ...]
    gone: tuple[str, ...]
    jobs: tuple[ReservedJob, ...]
    streams: tuple[ReservedStream, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one database. `assumed`: the clauses of `std` and measured figures that any of it rests on."""

    database: str
    policy: str
    failures: tuple[Failure, ...]
    assumed: tuple[Source, ...]
