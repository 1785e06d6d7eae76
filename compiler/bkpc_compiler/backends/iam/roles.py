"""The least a key of OSS must be allowed, by store and role: each action was found by taking it away."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from bkpc_grammar.bucket import Place, place_of
from bkpc_grammar.plan import Plan, Store, StoreSettings

Role = Literal["writer", "expirer", "restorer", "reconciler"]
ROLES: dict[Role, str] = {
    "writer": "takes images, streams the log, copies, verifies: it can't delete a backup",
    "expirer": "marks what is no longer kept, and deletes it after the grace",
    "restorer": "reads: restores, lists, verifies",
    "reconciler": "makes the bucket and sets it: `bkpc plan`, and the first part of `bkpc apply`",
}
"""What each is for."""


@dataclass(frozen=True, slots=True)
class Statement:
    """Actions on one resource: `bucket`, or `bucket/…*`. `prefix`: listings below that alone."""

    actions: tuple[str, ...]
    resource: str
    prefix: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """As RAM reads it."""
        said: dict[str, Any] = {
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": [f"acs:oss:*:*:{self.resource}"],
        }
        if self.prefix:
            said["Condition"] = {"StringLike": {"oss:Prefix": [f"{self.prefix}*"]}}
        return said


@dataclass(frozen=True, slots=True)
class Policy:
    """A RAM policy of one role on one store."""

    role: Role
    store: str
    statements: tuple[Statement, ...]

    @property
    def name(self) -> str:
        """RAM takes letters, digits and hyphens: what else a store's name holds is told apart by a hash."""
        plain = "".join(one if one.isascii() and one.isalnum() else "-" for one in self.store)
        told = plain if plain == self.store else f"{plain}-{hashlib.sha256(self.store.encode()).hexdigest()[:6]}"
        return f"bkpc-{told}-{self.role}"

    @property
    def document(self) -> dict[str, Any]:
        """What `aliyun ram CreatePolicy --PolicyDocument` takes."""
        return {"Version": "1", "Statement": [one.document for one in self.statements]}


def policies_of(plan: Plan) -> tuple[Policy, ...]:
    """By store, then role: those that have something to do there."""
    return tuple(policy for store in plan.estate.stores if store.kind == "oss" for policy in _of_store(plan, store))


def _of_store(plan: Plan, store: Store) -> Iterator[Policy]:
    written = {name for job in plan.jobs if job.kind != "expire" for name in job.stores}
    written |= {name for stream in plan.streams for name in stream.stores}
    place = place_of(store.location)
    locked = any(one.store == store.name and one.worm_ms is not None for one in plan.settings)
    # What a copy reads out of a class that must thaw is asked for by whoever makes the copy.
    copied = store.thaw_ms > 0 and any(job.source_store == store.name for job in plan.jobs)
    if store.name in written:
        yield Policy("writer", store.name, _writer(place, locked=locked, thaws=copied))
    if any(job.kind == "expire" and store.name in job.stores for job in plan.jobs):
        yield Policy("expirer", store.name, _expirer(place))
    yield Policy("restorer", store.name, _restorer(place, locked=locked, thaws=store.thaw_ms > 0))
    for settings in plan.settings:
        if settings.store == store.name:
            yield Policy("reconciler", store.name, _reconciler(place, settings))


_THAWS = ("oss:RestoreObject",)


def _restorer(place: Place, *, locked: bool, thaws: bool) -> tuple[Statement, ...]:
    """`status` tells whether what is promised to be locked is; a drill leaves what it found."""
    statements = [
        Statement(("oss:GetObject", *_THAWS[:thaws]), place.objects),
        Statement(("oss:ListObjects",), place.bucket, place.folder),
    ]
    if locked:
        statements.append(Statement(("oss:GetBucketWorm",), place.bucket))
    statements.append(Statement(("oss:PutObject",), place.below("*/marks/drills/*")))
    return tuple(statements)


def _writer(place: Place, *, locked: bool, thaws: bool) -> tuple[Statement, ...]:
    """What was broken off is looked up, gone on with and dropped; a probe of its own is all that it may delete."""
    objects = ("oss:AbortMultipartUpload", "oss:GetObject", "oss:ListParts", "oss:PutObject", *_THAWS[:thaws])
    looks = ("oss:GetBucketWorm",) if locked else ()
    return (
        Statement(objects, place.objects),
        Statement(("oss:ListObjects",), place.bucket, place.folder),
        Statement((*looks, "oss:ListMultipartUploads"), place.bucket),
        Statement(("oss:DeleteObject",), place.below("probe-*")),
    )


def _expirer(place: Place) -> tuple[Statement, ...]:
    return (
        Statement(("oss:DeleteObject", "oss:GetObject"), place.objects),
        Statement(("oss:ListObjects",), place.bucket, place.folder),
        Statement(("oss:PutObject",), place.below("*/marks/*")),
    )


def _reconciler(place: Place, settings: StoreSettings) -> tuple[Statement, ...]:
    """`plan` tells which images lack, and what the plan in force keeps: it reads what tells of them, not them."""
    return (
        Statement(_reconciling(settings), place.bucket),
        Statement(("oss:ListObjects",), place.bucket, place.folder),
        Statement(("oss:GetObject",), place.below("*.json")),
    )


def _reconciling(settings: StoreSettings) -> tuple[str, ...]:
    subjects = {"BucketLifecycle"}
    if settings.server_side_encryption:
        subjects.add("BucketEncryption")
    if settings.block_public_access:
        subjects.add("BucketPublicAccessBlock")
    if settings.https_only:
        subjects.add("BucketPolicy")
    actions = {f"oss:{verb}{one}" for one in subjects for verb in ("Get", "Put")}
    # A lock that nobody asks for is told: it keeps what expiry would delete.
    actions |= {"oss:GetBucketInfo", "oss:GetBucketWorm", "oss:PutBucket"}
    if settings.worm_ms is not None:
        actions |= {f"oss:{verb}BucketWorm" for verb in ("Initiate", "Complete", "Extend", "Abort")}
        actions.add("oss:PutBucketVersioning")
    if settings.replicates_to is not None:
        actions |= {f"oss:{verb}BucketReplication" for verb in ("Get", "Put", "Delete")}
    return tuple(sorted(actions))
