"""The compiled plan: the one document the runtime and every back end read.

Every value is a string, an integer with its unit in its name, or a list of such: the canonical bytes
are the same on every machine. `python -m bkpc_grammar.schema` writes the JSON Schema from this model.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from bkpc_grammar.log_left import LogLeft
from bkpc_grammar.plan_part import Bytes, BytesPerSecond, Digest, Milliseconds, Name, Part, StepId

SCHEMA_VERSION = 1


class Source(Part, frozen=True):
    """One file the plan was compiled from: policies, and measured figures where there were any."""

    path: Annotated[str, Meta(description="relative to the root of the compilation, with `/`; `std/…` ships with bkpc")]
    sha256: Digest


class Resource(Part, frozen=True):
    """Something with a capacity that flows share."""

    name: Annotated[
        str,
        Meta(description="`database:NAME:…`, `link:A -- B`, `store:NAME:reads`, `store:NAME:writes`, `region:NAME:…`"),
    ]
    capacity: Annotated[BytesPerSecond, Meta(description="as declared or assumed")]
    usable: Annotated[
        BytesPerSecond,
        Meta(description="what reservations may add up to: the capacity; of links and stores, less headroom"),
    ]


class Term(Part, frozen=True):
    """One summand of a proved bound."""

    what: Annotated[str, Meta(description="what the time is spent on")]
    takes_ms: Annotated[Milliseconds, Meta(description="at most")]
    where: Annotated[tuple[str, ...], Meta(description="file:line of each clause it comes from")]
    origin: Annotated[str, Meta(description="declared, std, measured, given")]


class Header(Part, frozen=True):
    """Identity of the plan. No time stamps and no host names: same sources, same bytes."""

    schema_version: Annotated[int, Meta(description="version of this schema")]
    compiler_version: Annotated[str, Meta(description="version of bkpc that compiled the plan")]
    edition: Annotated[int, Meta(description="language edition of the sources")]
    sources: Annotated[tuple[Source, ...], Meta(description="every file read, sorted by path")]
    digest: Annotated[str, Meta(description="SHA-256 of the canonical plan with this field empty")]


class CredentialReference(Part, frozen=True):
    """Where credentials are found at run time; never their values."""

    kind: Annotated[
        Literal["env", "file", "role"],
        Meta(description="environment variables, one file, or the RAM role of the pod or machine that runs bkpc"),
    ]
    names: Annotated[
        tuple[str, ...],
        Meta(description="env: user (or key id) and password (or secret); file: its path; role: its name, or nothing"),
    ]


class TransportSecurity(Part, frozen=True):
    """TLS towards a database server."""

    mode: Annotated[
        Literal["verify-identity", "verify-ca", "required", "off"],
        Meta(description="`off` is chosen by default only for loopback addresses and sockets"),
    ]
    ca: Annotated[str | None, Meta(description="path of the certificate authority's file, or null")]


class Database(Part, frozen=True):
    """A protected database server."""

    name: Name
    site: Name
    address: Annotated[str, Meta(description="host:port, or an absolute socket path")]
    credentials: Annotated[CredentialReference | None, Meta(description="reference to user and password")]
    tls: Annotated[TransportSecurity, Meta(description="TLS towards the server")]
    size_bytes: Annotated[Bytes, Meta(description="declared or measured size: an upper bound")]
    log_rate: Annotated[BytesPerSecond, Meta(description="what it writes into its log on average: an upper bound")]
    tables: Annotated[int | None, Meta(description="tables and schemas that bounds count on; null: on none")] = None


class Store(Part, frozen=True):
    """A place that keeps backups."""

    name: Name
    site: Name
    kind: Annotated[Literal["oss", "directory"], Meta(description="the driver")]
    location: Annotated[str, Meta(description="bucket, or path (relative: to the plan's folder)")]
    endpoint: Annotated[str | None, Meta(description="URL of the service, or null for a directory")]
    region: Annotated[str, Meta(description="region of the store's site")]
    storage_class: Annotated[str | None, Meta(description="OSS storage class, or null")]
    redundancy: Annotated[str | None, Meta(description="`lrs`, `zrs`, or null")]
    thaw_ms: Annotated[Milliseconds, Meta(description="time before a first byte can be read")]
    credentials: Annotated[CredentialReference | None, Meta(description="reference to key id and secret")]


class Estate(Part, frozen=True):
    """What jobs name."""

    databases: Annotated[tuple[Database, ...], Meta(description="sorted by name")]
    stores: Annotated[tuple[Store, ...], Meta(description="sorted by name")]


class Schedule(Part, frozen=True):
    """When a job is released."""

    cadence: Annotated[
        Literal["every", "hourly", "daily", "weekly", "monthly"], Meta(description="the kind of repetition")
    ]
    period_ms: Annotated[Milliseconds, Meta(description="longest time between two releases")]
    at_minute: Annotated[int | None, Meta(description="minutes after local midnight, or null")]
    weekday: Annotated[int | None, Meta(description="0 is Monday, or null")]
    day: Annotated[int | None, Meta(description="day of the month, or null")]
    timezone: Annotated[str, Meta(description="IANA name")]
    offset_ms: Annotated[Milliseconds, Meta(description="the planner's start after the release")]
    slot_ms: Annotated[
        Milliseconds, Meta(description="how long after its start the job holds its reservation; it is done by then")
    ]
    window_ms: Annotated[Milliseconds, Meta(description="time after the release in which the job must be done")]


class Reservation(Part, frozen=True):
    """Bandwidth a job or step may count on, on one resource."""

    resource: Annotated[
        str, Meta(description="`database:NAME`, `link:A -- B`, `store:NAME:reads`, `store:NAME:writes`")
    ]
    rate: Annotated[BytesPerSecond, Meta(description="reserved rate")]


class Retry(Part, frozen=True):
    """What a runner does when a job fails."""

    attempts: Annotated[int, Meta(ge=1, description="attempts in all, the first included")]
    pause_ms: Annotated[Milliseconds, Meta(description="pause before the second attempt; doubles after each")]
    budget_ms: Annotated[
        Milliseconds, Meta(description="the part of the slot that failed attempts and pauses may cost in all")
    ]


class Job(Part, frozen=True):
    """One scheduled job of one (database, level)."""

    id: StepId
    kind: Annotated[
        Literal["backup.full", "backup.incremental", "copy", "verify", "expire", "drill"],
        Meta(description="what it does"),
    ]
    database: Name
    schedule: Schedule
    source_store: Annotated[str | None, Meta(description="the store a copy reads, or null")]
    stores: Annotated[
        tuple[str, ...], Meta(description="the stores written; those of `verify` and `expire` keep marks of them")
    ]
    recipients: Annotated[tuple[str, ...], Meta(description="age public keys; empty: stored unencrypted")]
    engine: Annotated[
        Literal["logical", "physical"],
        Meta(description="how an image is taken: as SQL, or as the server's files by what preflight finds for that"),
    ]
    limit: Annotated[BytesPerSecond | None, Meta(description="the most this job may use, or null")]
    reserve: Annotated[tuple[Reservation, ...], Meta(description="sorted by resource")]
    expect_bytes: Annotated[Bytes, Meta(description="bytes to move at most")]
    timeout_ms: Annotated[Milliseconds, Meta(description="after this the job has failed")]
    retry: Retry
    requires: Annotated[tuple[str, ...], Meta(description="ids of jobs whose newest output this one reads")]
    thaw_ms: Annotated[
        Milliseconds,
        Meta(description="how long before its offset a copy asks for what it reads, so that it has thawed"),
    ] = 0


UPKEEP = frozenset({"verify", "expire", "drill"})
"""The kinds of jobs that reserve nothing: they move no backups, and no bound counts them."""


class Stream(Part, frozen=True, omit_defaults=True):
    """A continuous binlog archive."""

    id: StepId
    database: Name
    stores: Annotated[tuple[str, ...], Meta(description="every store written")]
    flush_ms: Annotated[Milliseconds, Meta(description="longest time a received event waits before it is written")]
    sync: Annotated[bool, Meta(description="whether a commit waits until the log is stored")]
    quorum: Annotated[int, Meta(ge=1, description="stores that must hold a transaction")]
    on_outage: Annotated[str | None, Meta(description="`hold`, `degrade`, or null")]
    degrade_after_ms: Annotated[Milliseconds | None, Meta(description="patience before `degrade`, or null")]
    recipients: Annotated[tuple[str, ...], Meta(description="age public keys; empty: stored unencrypted")]
    rates: Annotated[
        tuple[BytesPerSecond, ...], Meta(description="the rate reserved towards each store, in the order of `stores`")
    ]
    reserve: Annotated[tuple[Reservation, ...], Meta(description="of all stores together, sorted by resource")]
    lag_warn_ms: Annotated[Milliseconds | None, Meta(description="lag that is worth a warning")]
    lag_fail_ms: Annotated[Milliseconds | None, Meta(description="lag that is a failure")]
    known_ms: Annotated[
        Milliseconds | None,
        Meta(description="of a member of a group: how often it is noted until when its log is complete; null: never"),
    ] = None


class Retention(Part, frozen=True):
    """What is kept, per database and store. Where neither `keep_ms` nor a count is given, nothing is ever deleted."""

    database: Name
    store: Name
    keep_ms: Annotated[Milliseconds | None, Meta(description="every recovery point of this long, or null")]
    daily: Annotated[int, Meta(ge=0, description="the newest image of each of so many days, today included")]
    weekly: Annotated[int, Meta(ge=0, description="the newest image of each of so many weeks from Monday on")]
    monthly: Annotated[int, Meta(ge=0, description="the newest image of each of so many months")]
    yearly: Annotated[int, Meta(ge=0, description="the newest image of each of so many years")]
    lock_ms: Annotated[Milliseconds | None, Meta(description="WORM period, or null")]
    timezone: Annotated[str, Meta(description="IANA name: where days, weeks, months and years begin")]
    grace_ms: Annotated[
        Milliseconds,
        Meta(description="from the tombstone to the deletion, and the age of parts without a manifest that go"),
    ]
    fresh_ms: Annotated[
        Milliseconds, Meta(description="while the newest image is older, nothing expires: images do not arrive")
    ]
    verified: Annotated[bool, Meta(description="whether the newest image must be verified before anything expires")]


class Flow(Part, frozen=True):
    """Process control of a database: what an image is compared with, and when it is held."""

    database: Name
    size_warn_permille: Annotated[
        int | None, Meta(description="a difference from its predecessors that is told, or null")
    ]
    size_hold_permille: Annotated[
        int | None, Meta(description="a difference that holds the image: nothing older expires; or null")
    ]
    verify: Annotated[bool, Meta(description="whether every image is read back after it was taken")]


class StoreSettings(Part, frozen=True):
    """What a bucket must look like. Settings of others in the same bucket stay as they are."""

    store: Name
    worm_ms: Annotated[Milliseconds | None, Meta(description="retention lock (WORM) of the bucket at least, or null")]
    versioning: Annotated[
        Literal["any", "not-suspended"],
        Meta(description="`not-suspended` under a retention lock: enabled, or never enabled; else as it is found"),
    ]
    server_side_encryption: Annotated[
        bool, Meta(description="whether the service encrypts what it keeps: any method; AES256 where there is none")
    ]
    block_public_access: Annotated[bool, Meta(description="whether public access must be blocked")]
    https_only: Annotated[
        bool, Meta(description="whether plain HTTP is refused; false where the store's own endpoint is plain HTTP")
    ]
    unfinished_uploads_days: Annotated[
        int,
        Meta(ge=1, description="days after which parts of an unfinished upload are dropped: no job takes that long"),
    ]
    noncurrent_days: Annotated[
        int, Meta(ge=1, description="days that a deleted object can be brought back where the bucket keeps versions")
    ]
    needed_days: Annotated[
        int | None,
        Meta(description="an object older than so many days is needed by nothing that is promised; null: no end"),
    ]
    replicates_to: Annotated[
        Name | None,
        Meta(
            description="the store that OSS copies all of this one to, asynchronously, or null; no bound counts on it"
        ),
    ] = None
    replication_role: Annotated[
        str | None, Meta(description="the RAM role that OSS copies as, or null: the one it takes by itself")
    ] = None


class Preflight(Part, frozen=True):
    """What must be true of a server before its first backup."""

    database: Name
    binlog: Annotated[bool, Meta(description="whether the binary log must be on")]
    binlog_expiry_ms: Annotated[Milliseconds, Meta(description="how long the server must keep its binlogs at least")]
    require_tls: Annotated[bool, Meta(description="whether plaintext is refused")]


class Step(Part, frozen=True):
    """One step of a recovery."""

    id: StepId
    kind: Annotated[
        Literal[
            "detect",
            "activate",
            "provision",
            "thaw",
            "restore.image",
            "restore.increment",
            "restore.log",
            "check.service",
        ],
        Meta(description="what is done"),
    ]
    database: Name
    store: Annotated[str | None, Meta(description="the store read, or null")]
    needs: Annotated[tuple[str, ...], Meta(description="ids of steps that come first")]
    reserve: Annotated[tuple[Reservation, ...], Meta(description="sorted by resource")]
    start_ms: Annotated[Milliseconds, Meta(description="when it begins at the latest, after the failure")]
    bytes: Annotated[Bytes, Meta(description="bytes to move at most; 0 where none move")]
    expect_ms: Annotated[Milliseconds, Meta(description="how long it takes at most")]
    beside: Annotated[tuple[Name, ...], Meta(description="stores read beside it: whichever has the newest image")] = ()


class Recovery(Part, frozen=True, omit_defaults=True):
    """What is done when a scope is lost."""

    scope: Annotated[Literal["corruption", "host", "site", "region", "intruder"], Meta(description="what is lost")]
    lost: Annotated[str, Meta(description="which one: a database, a site, a region")]
    down: Annotated[tuple[Name, ...], Meta(description="all protected databases it takes down, sorted")]
    databases: Annotated[
        tuple[str, ...], Meta(description="those the plan brings back, sorted: of `down`, and with their groups")
    ]
    steps: Annotated[tuple[Step, ...], Meta(description="in an order that respects `needs`")]
    expect_ms: Annotated[Milliseconds, Meta(description="all of it, at most")]
    logs_left: Annotated[
        tuple[LogLeft, ...], Meta(description="of the databases brought back from an image alone; sorted by database")
    ] = ()
    beside: Annotated[tuple[Reservation, ...], Meta(description="what goes on for others holds at most; sorted")] = ()


class Assumption(Part, frozen=True):
    """A figure a proof rests on."""

    what: Annotated[str, Meta(description="the clause, as written")]
    where: Annotated[str, Meta(description="file:line")]
    origin: Annotated[str, Meta(description="declared, std, measured, given")]
    measured: Annotated[
        str | None, Meta(description="the figure that was measured instead, its day and its source; or null")
    ]


class Objective(Part, frozen=True):
    """What is promised for one (database, scope), and the bounds that were proved."""

    database: Name
    scope: Annotated[Literal["corruption", "host", "site", "region", "intruder"], Meta(description="what is lost")]
    rpo_ms: Annotated[Milliseconds | None, Meta(description="promised data loss, or null")]
    rpo_proved_ms: Annotated[
        Milliseconds | None, Meta(description="upper bound on the loss, or null where no rpo is promised")
    ]
    rto_ms: Annotated[Milliseconds | None, Meta(description="promised time to recover, or null")]
    rto_proved_ms: Annotated[
        Milliseconds | None, Meta(description="upper bound on the time, or null where no rto is promised")
    ]
    rpo_least_ms: Annotated[
        Milliseconds | None, Meta(description="no schedule betters this loss; null where no rpo is promised")
    ]
    rto_least_ms: Annotated[
        Milliseconds | None, Meta(description="no schedule betters this time; null where no rto is promised")
    ]
    rpo_millionths: Annotated[int, Meta(description="of a million instants of failure, those the rpo holds for")]
    rto_millionths: Annotated[int, Meta(description="of a million instants of failure, those the rto holds for")]
    rpo_terms: Annotated[tuple[Term, ...], Meta(description="they add up to the proved rpo")]
    rto_terms: Annotated[tuple[Term, ...], Meta(description="they add up to the proved rto")]
    assumptions: Annotated[tuple[Assumption, ...], Meta(description="sorted by place")]


class Group(Part, frozen=True):
    """Databases that go back to one point in common."""

    name: Name
    databases: Annotated[tuple[Name, ...], Meta(description="its members that are protected, sorted")]


class Plan(Part, frozen=True):
    """A checked policy, compiled."""

    header: Header
    estate: Estate
    groups: Annotated[tuple[Group, ...], Meta(description="sorted by name")]
    resources: Annotated[
        tuple[Resource, ...], Meta(description="all that flows share and that has a capacity, by name")
    ]
    jobs: Annotated[tuple[Job, ...], Meta(description="sorted by id")]
    streams: Annotated[tuple[Stream, ...], Meta(description="sorted by id")]
    retention: Annotated[tuple[Retention, ...], Meta(description="sorted by database and store")]
    flow: Annotated[tuple[Flow, ...], Meta(description="sorted by database")]
    settings: Annotated[tuple[StoreSettings, ...], Meta(description="sorted by store")]
    preflight: Annotated[tuple[Preflight, ...], Meta(description="sorted by database")]
    recoveries: Annotated[tuple[Recovery, ...], Meta(description="sorted by scope and what is lost")]
    objectives: Annotated[tuple[Objective, ...], Meta(description="sorted by database and scope")]
