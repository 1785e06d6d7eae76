"""The resolved program: names are things, values have units, and everything knows where it was written.

What `program/resolve.py` returns and every later pass reads. `Given[T]` carries a value together with
the span that gave it and the way it came about, so that a proof can name its sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Generic, Literal, TypeVar

from bkpc_compiler.program.measurement import Measurement
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import Count, Duration, Rate, Size

T = TypeVar("T", covariant=True)  # noqa: PLC0105 - the usual short name of a value's type


class Origin(StrEnum):
    """Where a figure comes from: what an assumption's provenance says."""

    DECLARED = "declared"  # written in a policy or estate file
    STANDARD = "std"  # a figure of `std/…`, with source and date beside it
    MEASURED = "measured"  # from `--facts`
    TEST = "given"  # set by a test block


@dataclass(frozen=True, slots=True)
class Given(Generic[T]):
    """A value, the whole clause that gave it (`size 120GiB`), and its provenance."""

    value: T
    span: Span
    origin: Origin = Origin.DECLARED


class Scope(StrEnum):
    CORRUPTION = "corruption"
    HOST = "host"
    SITE = "site"
    REGION = "region"
    INTRUDER = "intruder"


# ---------------------------------------------------------------- facts


@dataclass(frozen=True, slots=True)
class Site:
    name: str
    region: str
    span: Span  # of the name


@dataclass(frozen=True, slots=True)
class Link:
    """Capacity shared by all that crosses it; `both_ways` links share it between the directions."""

    source: str
    target: str
    both_ways: bool
    bandwidth: Given[Rate]
    latency: Given[Duration]
    span: Span  # from the first site's name to the second's

    @property
    def name(self) -> str:
        return f"{self.source} {'--' if self.both_ways else '->'} {self.target}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A reference, never a value: `env` names two environment variables, `file` one path, `role` a RAM role or none."""

    kind: Literal["env", "file", "role"]
    names: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class StorageClass:
    """A storage class of `std/oss`. `thaw` is None where the first byte comes at once."""

    name: str
    thaw: Given[Duration] | None
    minimum_stay: Given[Duration] | None
    zone_redundancy: bool  # whether the class exists with zone redundancy
    span: Span
    quota: Given[Rate] | None = None  # what an account may thaw in a region in a day
    minimum_size: Given[Size] | None = None  # smaller objects are billed as this


@dataclass(frozen=True, slots=True)
class Account:
    """What one account may move to and from all its buckets in a region."""

    region: str
    reads: Given[Rate] | None
    writes: Given[Rate] | None


@dataclass(frozen=True, slots=True)
class Store:
    name: str
    site: str
    kind: str  # "oss" | "directory"
    location: str  # bucket name, or path as written
    endpoint: str | None
    storage_class: Given[StorageClass] | None  # span: the clause `class …` of this store
    redundancy: Given[str] | None  # "lrs" | "zrs"; None: lrs, as buckets are made
    credentials: Credentials | None
    reads: Given[Rate] | None
    writes: Given[Rate] | None
    span: Span  # of the name
    replica: Given[str] | None = None  # the store that OSS copies this one to by itself; no proof counts on it
    replica_role: str | None = None  # the RAM role that OSS does it as; None: its own


@dataclass(frozen=True, slots=True)
class Standby:
    site: str
    provision: Given[Duration]


@dataclass(frozen=True, slots=True)
class Tls:
    """`mode`: verify-identity | verify-ca | required | off; `ca`: path as written, or None."""

    mode: str
    ca: str | None


@dataclass(frozen=True, slots=True)
class Database:
    name: str
    site: str
    address: str  # host:port
    credentials: Credentials | None
    tls: Tls | None
    size: Given[Size]
    grows: Given[Fraction] | None  # per month
    writes: Given[Rate]  # binlog, sustained
    burst: Given[Size]  # binlog, the most that comes at once
    restores: Given[Rate]  # what its host takes in while an image loads
    replays: Given[Rate]
    needs: tuple[Given[str], ...]
    standbys: tuple[Standby, ...]
    labels: tuple[tuple[str, str], ...]  # sorted by name
    span: Span  # of the name
    dumps: Given[Rate] | None = None  # what its host gives while it is dumped; None: never the narrow place
    changes: Given[Rate] | None = None  # what an incremental image holds of each time; None: all that there is
    prepares: Given[Duration] | None = None  # what preparing one physical image takes; None: no time
    verifies: Given[Duration] | None = None  # from loaded to believed; None: as the program's `verification`
    tables: Given[Count] | None = None  # tables and schemas: objects of a logical image; None: none counts
    table: Given[Duration] | None = None  # what one of them takes beside its bytes; None: no time
    starts: Given[Duration] | None = None  # what a job or a recovery takes to start; None: no time

    @property
    def sure_burst(self) -> Size:
        """What is surely written at once: of a burst that is only assumed nothing."""
        return Size(Fraction(0)) if self.burst.origin is Origin.STANDARD else self.burst.value


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    members: tuple[str, ...]
    span: Span


# ---------------------------------------------------------------- wishes


@dataclass(frozen=True, slots=True)
class Promise:
    """One scope of one `promise` clause. `quantile` is 1 for the worst instant, 99/100 for `for 99%`."""

    scope: Scope
    rpo: Given[Duration] | None  # span: the value `10s`
    rto: Given[Duration] | None
    rpo_quantile: Fraction
    rto_quantile: Fraction
    span: Span

    def share(self, kind: str) -> Fraction:
        """Of all instants of failure, those that its "rpo" or "rto" speaks of."""
        return self.rpo_quantile if kind == "rpo" else self.rto_quantile


class Cadence(StrEnum):
    EVERY = "every"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is released. `period`: the longest time between two releases (a month: 31 d).

    `at` in minutes after local midnight; `weekday` 0 = Monday; `day` of the month; `every` for `every 6h`.
    `window` is the time after release in which the job must be done; None: the whole period.
    """

    cadence: Cadence
    period: Duration
    at: int | None
    weekday: int | None
    day: int | None
    window: Given[Duration] | None
    timezone: str
    span: Span


Engine = Literal["logical", "physical"]


@dataclass(frozen=True, slots=True)
class ImageLevel:
    """`full … [by ENGINE]` or `incremental … to STORES`."""

    kind: str  # "full" | "incremental"
    schedule: Schedule
    stores: tuple[Given[str], ...]
    span: Span  # the whole clause
    engine: Engine = "logical"  # or "physical", which every incremental image is


@dataclass(frozen=True, slots=True)
class HotLevel:
    """`hot [sync] to … every …`: the continuous binlog."""

    stores: tuple[Given[str], ...]
    flush: Given[Duration]
    sync: bool
    quorum: int  # how many stores must hold a transaction; all of them unless `N of`
    on_outage: str | None  # "hold" | "degrade"
    degrade_after: Given[Duration] | None
    span: Span


@dataclass(frozen=True, slots=True)
class ColdLevel:
    """`cold … from near to far`: a scheduled copy of images (and the log they need)."""

    schedule: Schedule
    source: Given[str]
    stores: tuple[Given[str], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Keep:
    days: Given[Duration] | None
    daily: int
    weekly: int
    monthly: int
    yearly: int
    span: Span
    timezone: str = "UTC"  # of the file that says it: where days, weeks, months and years begin


@dataclass(frozen=True, slots=True)
class Flow:
    limit: Given[Rate] | None
    lag_warn: Given[Duration] | None
    lag_fail: Given[Duration] | None
    size_warn: Fraction | None
    size_hold: Fraction | None
    verify_every_backup: bool
    drill: Schedule | None
    span: Span


@dataclass(frozen=True, slots=True)
class Encryption:
    transfer: bool
    recipients: tuple[str, ...]  # age public keys; empty: not encrypted at rest by us
    span: Span


@dataclass(frozen=True, slots=True)
class Policy:
    """What protects one database: a policy with what it extends and the local overrides folded in."""

    name: str
    promises: tuple[Promise, ...]
    detect: Given[Duration] | None
    activate: Given[Duration] | None
    images: tuple[ImageLevel, ...]
    hot: tuple[HotLevel, ...]
    cold: tuple[ColdLevel, ...]
    keep: Keep | None
    lock: Given[Duration] | None
    recover_by: tuple[str, ...]
    flow: Flow | None
    encryption: Encryption | None
    span: Span  # of the policy's name where it is declared
    extends: str = ""  # the name of the policy it builds on


@dataclass(frozen=True, slots=True)
class Protection:
    """One database and the one policy that holds for it."""

    database: str
    policy: Policy
    span: Span  # of the database in the `protect` statement


# ---------------------------------------------------------------- rules and tests


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of a `require` block, for the databases its condition selected.

    `kind`: "survives" (scopes), "rpo"/"rto" (comparison, limit, scope), "keep" (limit), "encrypt" (words).
    """

    kind: str
    databases: tuple[str, ...]
    scopes: tuple[Scope, ...]
    comparison: str | None  # "<=", "<", ">=", ">", "=="
    limit: Duration | None
    words: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Override:
    """`given orders { size 2TiB }` or `given link a -- b { bandwidth 50Mbit/s }`: one clause of it."""

    target_kind: str  # "database" | "link" | "store"
    target: str  # the name; for links `Link.name`
    clause: str  # "size", "bandwidth", …: the field of the model
    value: Given[Duration] | Given[Size] | Given[Rate] | Given[Count]


@dataclass(frozen=True, slots=True)
class Expectation:
    database: str
    objective: str  # "rpo" | "rto"
    scope: Scope
    comparison: str
    limit: Duration
    span: Span


@dataclass(frozen=True, slots=True)
class PolicyTest:
    name: str
    overrides: tuple[Override, ...]
    expectations: tuple[Expectation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Program:
    """All files of one run, resolved. Every tuple is sorted by name: the same sources, the same order."""

    edition: int
    files: tuple[tuple[str, str], ...]  # (path relative to the root with `/`, SHA-256 of the text)
    sites: tuple[Site, ...]
    links: tuple[Link, ...]
    stores: tuple[Store, ...]
    databases: tuple[Database, ...]
    groups: tuple[Group, ...]
    policies: tuple[Policy, ...]
    protections: tuple[Protection, ...]
    requirements: tuple[Requirement, ...]
    tests: tuple[PolicyTest, ...]
    headroom: Given[Fraction]  # what a capacity is derated by, e.g. 1/10
    retries: Given[Fraction]  # what failed attempts may cost, of a job's time
    verification: Given[Duration]  # time to check that a restored database is right before it is in service
    accounts: tuple[Account, ...] = ()
    measured: tuple[Measurement, ...] = ()  # what `--facts` put in place of a declared figure
