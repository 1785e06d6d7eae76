"""A plan made by hand: three databases, two sites, four stores, seven jobs, three streams, three recoveries."""

from __future__ import annotations

from typing import Literal

import msgspec

from bkpc_grammar import plan
from bkpc_grammar.canonical import sealed

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
MIB, GIB = 2**20, 2**30
SIZES = {"accounts": 120 * GIB, "config": 2 * GIB, "orders": 300 * GIB}
LOGS = {"accounts": 24 * GIB, "config": 1200 * MIB, "orders": 48 * GIB}
NEEDS = {"accounts": ("config",), "config": (), "orders": ("accounts", "config")}
LINK = "link:hangzhou -- beijing"
AGE = "age1wvgm6numxv02pau67juegul9dnpksvh2t5wjq8rzw8jjf8775ssqvh3e58"
Scope = Literal["corruption", "host", "site", "region", "intruder"]


def made_plan() -> plan.Plan:
    """Sealed; the same each time."""
    return sealed(
        plan.Plan(
            header=plan.Header(
                schema_version=plan.SCHEMA_VERSION,
                compiler_version="0.1.0",
                edition=1,
                sources=(
                    plan.Source(path="estate.bkp", sha256="a" * 64),
                    plan.Source(path="payments.bkp", sha256="b" * 64),
                ),
                digest="",
            ),
            estate=plan.Estate(databases=tuple(_database(name) for name in sorted(SIZES)), stores=_stores()),
            groups=(),
            resources=_resources(),
            jobs=_jobs(),
            streams=tuple(_stream(name) for name in sorted(SIZES)),
            retention=(),
            flow=(),
            settings=(),
            preflight=(),
            recoveries=_recoveries(),
            objectives=_objectives(),
        )
    )


def supposing(made: plan.Plan, what: str) -> plan.Plan:
    """The plan with `what` as the text of its first assumption."""
    first, *others = made.objectives
    supposed = plan.Assumption(what=what, where="estate.bkp:1", origin="declared", measured=what)
    changed = msgspec.structs.replace(first, assumptions=(supposed, *first.assumptions))
    return sealed(msgspec.structs.replace(made, objectives=(changed, *others)))


def _database(name: str) -> plan.Database:
    return plan.Database(
        name=name,
        site="hangzhou",
        address=f"{name}-db.shop.svc:3306",
        credentials=plan.CredentialReference(
            kind="env", names=(f"{name.upper()}_DB_USER", f"{name.upper()}_DB_PASSWORD")
        ),
        tls=plan.TransportSecurity(mode="verify-identity", ca=None),
        size_bytes=SIZES[name],
        log_rate=100_000,
    )


def _stores() -> tuple[plan.Store, ...]:
    def oss(name: str, site: str, storage_class: str, thaw_ms: int = 0) -> plan.Store:
        return plan.Store(
            name=name,
            site=site,
            kind="oss",
            location=f"acme-backup-{name}",
            endpoint=f"https://oss-cn-{site}-internal.aliyuncs.com",
            region=f"cn-{site}",
            storage_class=storage_class,
            redundancy="lrs",
            thaw_ms=thaw_ms,
            credentials=plan.CredentialReference(kind="env", names=("OSS_KEY_ID", "OSS_KEY_SECRET")),
        )

    nas = plan.Store(
        name="nas",
        site="hangzhou",
        kind="directory",
        location="/srv/backups",
        endpoint=None,
        region="cn-hangzhou",
        storage_class=None,
        redundancy=None,
        thaw_ms=0,
        credentials=None,
    )
    return (
        oss("far", "beijing", "infrequent_access"),
        nas,
        oss("near", "hangzhou", "standard"),
        oss("vault", "beijing", "cold_archive", 5 * HOUR),
    )


def _resources() -> tuple[plan.Resource, ...]:
    capacities = {
        **{f"database:{name}:log": 40 * MIB for name in SIZES},
        **{f"database:{name}:restores": 200 * MIB for name in SIZES},
        LINK: 125_000_000,
        "store:far:reads": 250_000_000,
        "store:far:writes": 125_000_000,
        "store:nas:writes": 80_000_000,
        "store:near:reads": 250_000_000,
        "store:near:writes": 125_000_000,
    }
    return tuple(
        plan.Resource(name=name, capacity=capacity, usable=capacity * 9 // 10)
        for name, capacity in sorted(capacities.items())
    )


def _reserve(rate: int, *names: str) -> tuple[plan.Reservation, ...]:
    return tuple(plan.Reservation(resource=name, rate=rate) for name in sorted(names))


def _schedule(
    at: int, offset_ms: int, slot_ms: int, window_ms: int, weekday: int | None = None, day: int | None = None
) -> plan.Schedule:
    cadence: Literal["daily", "weekly", "monthly"] = "monthly" if day else "daily" if weekday is None else "weekly"
    return plan.Schedule(
        cadence=cadence,
        period_ms={"daily": DAY, "weekly": 7 * DAY, "monthly": 31 * DAY}[cadence],
        at_minute=at,
        weekday=weekday,
        day=day,
        timezone="Asia/Shanghai",
        offset_ms=offset_ms,
        slot_ms=slot_ms,
        window_ms=window_ms,
    )


def _job(
    id_: str, schedule: plan.Schedule, reserve: tuple[plan.Reservation, ...], source: str | None = None
) -> plan.Job:
    database, _, store = id_.split("/")
    return plan.Job(
        id=id_,
        kind="copy" if source else "backup.full",
        database=database,
        schedule=schedule,
        source_store=source,
        stores=(store,),
        recipients=(AGE,),
        engine="logical",
        limit=75_000_000,
        reserve=reserve,
        expect_bytes=SIZES[database],
        timeout_ms=schedule.window_ms * 3,
        retry=plan.Retry(attempts=3, pause_ms=MINUTE, budget_ms=10 * MINUTE),
        requires=(f"{database}/full/{source}",) if source else (),
    )


def _jobs() -> tuple[plan.Job, ...]:
    one, five, late = 60, 300, 115 * MINUTE
    full, copied = 4 * HOUR, 8 * HOUR
    into, across = ("store:near:writes",), (LINK, "store:far:writes", "store:near:reads")
    jobs = (
        _job("config/full/near", _schedule(one, 0, 5 * MINUTE, full), _reserve(15_000_000, *into)),
        _job("accounts/full/near", _schedule(one, 0, 75 * MINUTE, full), _reserve(35_000_000, *into)),
        _job("orders/full/near", _schedule(one, 10 * MINUTE, late, full), _reserve(55_000_000, *into)),
        _job("config/cold/far", _schedule(five, 0, 5 * MINUTE, copied), _reserve(15_000_000, *across), "near"),
        _job("accounts/cold/far", _schedule(five, 0, 90 * MINUTE, copied), _reserve(30_000_000, *across), "near"),
        _job("orders/cold/far", _schedule(five, 5 * MINUTE, late, copied), _reserve(55_000_000, *across), "near"),
        _job("orders/full/nas", _schedule(600, 0, 2 * HOUR, full, 6), _reserve(48_000_000, "store:nas:writes")),
    )  # fmt: skip
    return tuple(sorted(jobs, key=lambda job: job.id))


def _stream(name: str) -> plan.Stream:
    rate = {"accounts": 6_000_000, "config": 2_000_000, "orders": 12_000_000}[name]
    return plan.Stream(
        id=f"{name}/hot",
        database=name,
        stores=("far", "near"),
        flush_ms=5 * SECOND,
        sync=False,
        quorum=2,
        on_outage=None,
        degrade_after_ms=None,
        recipients=(AGE,),
        rates=(rate, rate),
        reserve=_reserve(rate, LINK, "store:far:writes", "store:near:writes"),
        lag_warn_ms=30 * SECOND,
        lag_fail_ms=5 * MINUTE,
    )


class _Steps:
    """Steps as they are added, each beginning when all it needs is done."""

    def __init__(self) -> None:
        self.found: dict[str, plan.Step] = {}

    def add(self, id_: str, takes: int, needs: tuple[str, ...], store: str | None = None, moved: int = 0) -> str:
        database, _, kind = id_.partition("/")
        reserve: tuple[plan.Reservation, ...] = ()
        if store and moved:
            reserve = _reserve(moved * 1000 // takes, f"store:{store}:reads")
        self.found[id_] = msgspec.convert(
            {
                "id": id_, "kind": kind, "database": database, "store": store, "needs": needs, "bytes": moved,
                "reserve": reserve, "expect_ms": takes,
                "start_ms": max((self.found[one].start_ms + self.found[one].expect_ms for one in needs), default=0),
            },
            plan.Step, from_attributes=True,
        )  # fmt: skip
        return id_


def _recovery(scope: Scope, lost: str, databases: tuple[str, ...], store: str) -> plan.Recovery:
    steps = _Steps()
    away = scope in {"site", "region"}
    rates = {"accounts": 60_000_000, "config": 40_000_000, "orders": 120_000_000}
    for name in databases:
        ready = steps.add(f"{name}/activate", 10 * MINUTE, (steps.add(f"{name}/detect", 5 * MINUTE, ()),))
        if away:
            ready = steps.add(f"{name}/provision", 20 * MINUTE, (ready,))
        size, log = SIZES[name], LOGS[name]
        last = steps.add(f"{name}/restore.image", size * 1000 // rates[name], (ready,), store, size)
        if scope != "intruder":
            last = steps.add(f"{name}/restore.log", log * 1000 // (36 * MIB), (last,), store, log)
        waits = tuple(f"{need}/check.service" for need in NEEDS[name] if need in databases)
        steps.add(f"{name}/check.service", 5 * MINUTE, (last, *waits))
    ends = [step.start_ms + step.expect_ms for step in steps.found.values()]
    return plan.Recovery(
        scope=scope,
        lost=lost,
        down=tuple(sorted(databases)),
        databases=tuple(sorted(databases)),
        steps=tuple(steps.found.values()),
        expect_ms=max(ends),
    )


def _recoveries() -> tuple[plan.Recovery, ...]:
    everyone = ("config", "accounts", "orders")
    return (
        _recovery("corruption", "orders", ("orders",), "near"),
        _recovery("intruder", "credentials", everyone, "far"),
        _recovery("site", "hangzhou", everyone, "far"),
    )


def _objective(name: str, scope: Scope, promised: tuple[int, int], proved: tuple[int, int]) -> plan.Objective:
    rpo, rto = promised
    rpo_proved, rto_proved = proved

    def terms(total: int, *named: tuple[str, int, str]) -> tuple[plan.Term, ...]:
        rest = total - sum(takes for _, takes, _ in named)
        found = [*named, *([(f"load {SIZES[name] // GIB}GiB", rest, "estate.bkp:38")] if rest else [])]
        return tuple(
            plan.Term(what=what, takes_ms=takes, where=(where,), origin="declared") for what, takes, where in found
        )

    image = rpo_proved >= DAY
    return plan.Objective(
        database=name,
        scope=scope,
        rpo_ms=rpo,
        rpo_proved_ms=rpo_proved,
        rto_ms=rto,
        rto_proved_ms=rto_proved,
        rpo_least_ms=rpo_proved // 2,
        rto_least_ms=rto_proved * 2 // 3,
        rpo_millionths=1_000_000,
        rto_millionths=999_000 if scope == "intruder" else 1_000_000,
        rpo_terms=terms(
            rpo_proved,
            ("since the full backup to `near` before was due", DAY, "payments.bkp:11"),
            ("until the copy to `far` is done", rpo_proved - DAY, "payments.bkp:13"),
        )
        if image
        else terms(
            rpo_proved,
            ("until the log is flushed", 5 * SECOND, "payments.bkp:12"),
            ("a burst at the reserved rate", rpo_proved - 5 * SECOND, "estate.bkp:39"),
        ),
        rto_terms=terms(
            rto_proved,
            ("detect", 5 * MINUTE, "payments.bkp:9"),
            ("activate", 10 * MINUTE, "payments.bkp:9"),
            ("verification", 5 * MINUTE, "payments.bkp:9"),
        ),
        assumptions=(
            plan.Assumption(what="bandwidth 1Gbit/s", where="estate.bkp:9", origin="declared", measured=None),
            plan.Assumption(
                what=f"size {SIZES[name] // GIB}GiB", where="estate.bkp:38", origin="declared", measured=None
            ),
            plan.Assumption(what="detect 5min", where="payments.bkp:9", origin="given", measured=None),
        ),
    )


def _objectives() -> tuple[plan.Objective, ...]:
    recoveries = {one.scope: one for one in _recoveries()}
    told: tuple[tuple[Scope, tuple[int, int], int, tuple[str, ...]], ...] = (
        ("corruption", (10 * SECOND, 2 * HOUR), 8 * SECOND, ("orders",)),
        ("intruder", (3 * DAY, 12 * HOUR), 34 * HOUR, tuple(SIZES)),
        ("site", (5 * MINUTE, 4 * HOUR), 30 * SECOND, tuple(SIZES)),
    )
    found = []
    for scope, promised, loss, names in told:
        steps = {step.id: step for step in recoveries[scope].steps}
        for name in names:
            check = steps[f"{name}/check.service"]
            found.append(_objective(name, scope, promised, (loss, check.start_ms + check.expect_ms)))
    return tuple(sorted(found, key=lambda one: (one.database, one.scope)))
