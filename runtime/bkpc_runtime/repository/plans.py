"""Plans that were applied, in each store they write to, and which of them is in force.

    plans/<digest>.json                          the plan
    plans/current/<stamp>.<digest>.json          that it was applied, and when: the newest is in force

Several plans may share a store: for a database, the newest that names it counts. Nothing is written twice, so that a
bucket under a retention lock takes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bkpc_grammar import plan as contract
from bkpc_grammar.canonical import PlanRejected, canonical_bytes, read_plan
from bkpc_runtime.errors import ObjectMissing
from bkpc_runtime.repository import layout
from bkpc_runtime.stores.store import Store

CURRENT = f"{layout.PLANS}current/"
_NAME = re.compile(r"(\d{8}T\d{6}Z-[0-9a-f]{8})\.([0-9a-f]{64})\.json")
_LOOKED_AT = 50
"""So many applied plans are looked through for one that names a database."""


def short(digest: str) -> str:
    """As people are told of a plan."""
    return digest[:12]


@dataclass(frozen=True, slots=True)
class InForce:
    """The plan that was applied last for a database; `unreadable`: why it can't be read, then `plan` is None."""

    digest: str
    plan: contract.Plan | None
    unreadable: str = ""

    def retention(self, database: str, store: str) -> contract.Retention | None:
        rows = self.plan.retention if self.plan else ()
        return next((one for one in rows if (one.database, one.store) == (database, store)), None)


def put_in_force(store: Store, plan: contract.Plan, now: datetime) -> bool:
    """Stores a plan, and then that it is in force; whether another was before."""
    digest = plan.header.digest
    key = layout.plan_key(digest)
    if store.head(key) is None:
        store.put(key, canonical_bytes(plan))
    before = last_applied(store)
    if before != digest:
        told = {"digest": digest, "applied": now.isoformat()}
        body = json.dumps(told, indent=2).encode() + b"\n"
        store.put(f"{CURRENT}{layout.new_image_id(now)}.{digest}.json", body)
    return before not in {digest, ""}


def last_applied(store: Store) -> str:
    """The digest of the newest that was applied, of whatever databases; empty where none was."""
    return next(_applied(store), "")


def was_applied(store: Store, digest: str) -> bool:
    """Whether a plan is, or was, in force in a store."""
    return digest in _applied(store)


def in_force(store: Store, database: str) -> InForce | None:
    """The plan that was applied last of those that name `database`; None where none was."""
    for number, digest in enumerate(_applied(store)):
        if number == _LOOKED_AT:
            return None
        try:
            plan = read_plan(store.get(layout.plan_key(digest)), digest)
        except (PlanRejected, ObjectMissing) as problem:
            # It may be about this database: whoever relies on it must not take an older one for it.
            return InForce(digest, None, str(problem))
        if any(one.database == database for one in plan.retention):
            return InForce(digest, plan)
    return None


def _applied(store: Store) -> Iterator[str]:
    """Digests, the last that was applied first."""
    names = (one.key.removeprefix(CURRENT) for one in store.list(CURRENT))
    found = sorted((match for name in names if (match := _NAME.fullmatch(name))), key=lambda one: one[1], reverse=True)
    yield from (one[2] for one in found)
