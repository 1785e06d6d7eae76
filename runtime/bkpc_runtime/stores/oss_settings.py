"""The settings of one bucket of OSS, read and written; each refusal names the RAM action that is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from xml.etree import ElementTree

from bkpc_runtime.errors import ObjectMissing, StoreDenied, StoreFailed
from bkpc_runtime.stores.patience import Patience

if TYPE_CHECKING:
    from bkpc_runtime.stores.oss_calls import OssCalls

T = TypeVar("T")
_NOT_OURS = frozenset({"AccessDenied", "BucketNotBelongTo"})


@dataclass(frozen=True, slots=True)
class BucketInfo:
    """What a bucket is. `region` as `cn-hangzhou`; `elsewhere`: only the endpoint of another region knows more.

    `storage_class` and `redundancy` in the words of OSS; `versioning` is Enabled, Suspended, or empty: never enabled.
    `owner`: the number of the account that it belongs to.
    """

    region: str = ""
    storage_class: str = ""
    redundancy: str = ""
    versioning: str = ""
    elsewhere: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Retention:
    """A bucket's retention policy (WORM): it can be taken back until it is `locked`."""

    id: str
    days: int
    locked: bool


@dataclass(frozen=True, slots=True)
class Replication:
    """A replication rule. `prefixes` none: the whole bucket; `location` as OSS has it (`oss-cn-beijing`).

    `actions`: `PUT`, or `ALL`: deletions, too. `older`: what was there before the rule is copied as well. `status`:
    starting, doing, or closing: it is taken out, which takes OSS a while.
    """

    id: str
    prefixes: tuple[str, ...]
    bucket: str
    location: str
    actions: tuple[str, ...]
    older: bool
    status: str
    role: str = ""


class BucketSettings:
    """Every method raises a `StoreFailed`; one that OSS denies is a `StoreDenied` that names bucket and action."""

    def __init__(self, name: str, bucket: str, calls: OssCalls, patience: Patience | None = None) -> None:
        self.name, self.bucket = name, bucket
        self._calls, self._patience = calls, patience or Patience()

    @property
    def described(self) -> str:
        """Store, bucket and endpoint, for messages."""
        return self._calls.described

    def info(self) -> BucketInfo | None:
        """What the bucket is; None where there is none of this name."""
        try:
            found = self._calls.do("", lambda bucket: bucket.get_bucket_info(), self._patience)
        except StoreFailed as problem:
            cause: Any = problem.__cause__
            code, details = getattr(cause, "code", ""), getattr(cause, "details", {})
            if code == "NoSuchBucket":
                return None
            if details.get("Endpoint"):
                return BucketInfo(elsewhere=details["Endpoint"])
            if code in _NOT_OURS:
                self._somebody_elses(problem)
            raise
        region = (found.location or "").removeprefix("oss-")
        return BucketInfo(
            region,
            found.storage_class or "",
            found.data_redundancy_type or "",
            found.versioning_status or "",
            owner=(found.owner.id or "") if found.owner else "",
        )

    def create(self, storage_class: str, redundancy: str) -> None:
        root = ElementTree.Element("CreateBucketConfiguration")
        ElementTree.SubElement(root, "StorageClass").text = storage_class
        ElementTree.SubElement(root, "DataRedundancyType").text = redundancy
        try:
            self._ask("oss:PutBucket", lambda bucket: bucket.create_bucket("private", _text(root)))
        except StoreFailed as problem:
            if getattr(problem.__cause__, "code", "") == "BucketAlreadyExists":
                self._somebody_elses(problem)
            raise

    def enable_versioning(self) -> None:
        root = ElementTree.Element("VersioningConfiguration")
        ElementTree.SubElement(root, "Status").text = "Enabled"
        self._ask("oss:PutBucketVersioning", lambda bucket: bucket.put_bucket_versioning(_text(root)))

    def encryption(self) -> str:
        """The service's method (AES256, KMS, SM4); empty where it doesn't encrypt."""
        found = self._ask_for("oss:GetBucketEncryption", lambda bucket: bucket.get_bucket_encryption())
        return str(found.sse_algorithm) if found else ""

    def encrypt(self, method: str) -> None:
        root = ElementTree.Element("ServerSideEncryptionRule")
        rule = ElementTree.SubElement(root, "ApplyServerSideEncryptionByDefault")
        ElementTree.SubElement(rule, "SSEAlgorithm").text = method
        self._ask("oss:PutBucketEncryption", lambda bucket: bucket.put_bucket_encryption(_text(root)))

    def blocks_public_access(self) -> bool:
        action = "oss:GetBucketPublicAccessBlock"
        return bool(self._ask(action, lambda bucket: bucket.get_bucket_public_access_block()).block_public_access)

    def block_public_access(self) -> None:
        action = "oss:PutBucketPublicAccessBlock"
        self._ask(action, lambda bucket: bucket.put_bucket_public_access_block(True))

    def policy(self) -> str:
        """The bucket policy as it was written; empty where there is none."""

        def read(bucket: Any) -> str:
            found = str(bucket.get_bucket_policy().policy)
            json.loads(found)  # one that is none is asked for again
            return found

        return self._ask_for("oss:GetBucketPolicy", read) or ""

    def put_policy(self, text: str) -> None:
        self._ask("oss:PutBucketPolicy", lambda bucket: bucket.put_bucket_policy(text))

    def lifecycle(self) -> bytes:
        """The lifecycle rules, byte for byte; empty where there are none."""

        def read(bucket: Any) -> bytes:
            # oss2's own reading keeps of a rule only what it knows.
            found = bytes(bucket._do("GET", bucket.bucket_name, "", params={"lifecycle": ""}).read())
            ElementTree.fromstring(found)  # noqa: S314 - one that is none is asked for again
            return found

        return self._ask_for("oss:GetBucketLifecycle", read) or b""

    def put_lifecycle(self, document: bytes, *, overlaps: bool) -> None:
        """`overlaps`: a rule shares its prefix with another. An empty document: no rules any more."""
        if not document:
            self._ask("oss:DeleteBucketLifecycle", lambda bucket: bucket.delete_bucket_lifecycle())
            return
        from bkpc_runtime.stores.oss_calls import digest_header

        headers = digest_header(document) | ({"x-oss-allow-same-action-overlap": "true"} if overlaps else {})
        self._ask("oss:PutBucketLifecycle", lambda bucket: bucket.put_bucket_lifecycle(document, headers))

    def replication(self) -> tuple[Replication, ...]:
        """Every rule that copies this bucket elsewhere."""

        def read(bucket: Any) -> tuple[Replication, ...]:
            # oss2's own reading fails on a rule that leaves out what may be left out.
            return replications_in(bytes(bucket._do("GET", bucket.bucket_name, "", params={"replication": ""}).read()))

        return self._ask_for("oss:GetBucketReplication", read) or ()

    def replicate(self, rule: Replication) -> None:
        """Adds a rule: OSS changes none in place."""
        from oss2.models import ReplicationRule

        wanted = ReplicationRule(
            rule_id=rule.id,
            prefix_list=list(rule.prefixes),
            action_list=list(rule.actions),
            target_bucket_name=rule.bucket,
            target_bucket_location=rule.location,
            is_enable_historical_object_replication=rule.older,
            sync_role_name=rule.role or None,
        )
        self._ask("oss:PutBucketReplication", lambda bucket: bucket.put_bucket_replication(wanted))

    def replicate_no_more(self, rule_id: str) -> None:
        """Takes a rule out; what was copied stays."""
        self._ask_for("oss:DeleteBucketReplication", lambda bucket: bucket.delete_bucket_replication(rule_id))

    def retention(self) -> Retention | None:
        """The retention policy; one that has lapsed is none."""
        found = self._ask_for("oss:GetBucketWorm", lambda bucket: bucket.get_bucket_worm())
        if not found or found.state not in ("InProgress", "Locked"):
            return None
        return Retention(found.worm_id, found.retention_period_days, found.state == "Locked")

    def begin_retention(self, days: int) -> None:
        self._ask("oss:InitiateBucketWorm", lambda bucket: bucket.init_bucket_worm(days))

    def abandon_retention(self) -> None:
        """Takes back one that is not locked."""
        self._ask_for("oss:AbortBucketWorm", lambda bucket: bucket.abort_bucket_worm())

    def lock_retention(self, identity: str) -> None:
        """Irrevocable."""
        self._ask("oss:CompleteBucketWorm", lambda bucket: bucket.complete_bucket_worm(identity))

    def extend_retention(self, identity: str, days: int) -> None:
        """Irrevocable."""
        self._ask("oss:ExtendBucketWorm", lambda bucket: bucket.extend_bucket_worm(identity, days))

    def _ask(self, action: str, work: Callable[[Any], T]) -> T:
        try:
            return self._calls.do("", work, self._patience)
        except StoreDenied as problem:
            if getattr(problem.__cause__, "code", "") not in _NOT_OURS:
                raise
            raise StoreDenied(
                f"store {self.described}: the key may not do {action} on bucket `{self.bucket}`",
                help=f"grant its RAM user or role `{action}` on `acs:oss:*:*:{self.bucket}`",
            ) from problem

    def _ask_for(self, action: str, work: Callable[[Any], T]) -> T | None:
        """None where the bucket has no such setting."""
        try:
            return self._ask(action, work)
        except ObjectMissing:
            return None

    def _somebody_elses(self, problem: StoreFailed) -> NoReturn:
        raise StoreDenied(
            f"store {self.described}: bucket `{self.bucket}` belongs to another account, "
            "or the key may not do oss:GetBucketInfo on it",
            help=f"grant `oss:GetBucketInfo` on `acs:oss:*:*:{self.bucket}`, "
            "or choose another name: all customers share them",
        ) from problem


def _text(root: ElementTree.Element) -> bytes:
    return bytes(ElementTree.tostring(root, encoding="utf-8"))


def replications_in(document: bytes) -> tuple[Replication, ...]:
    """The rules of a replication configuration; what a rule leaves out is as OSS takes it."""
    if not document.strip():
        return ()
    return tuple(_replication(one) for one in ElementTree.fromstring(document).findall("Rule"))  # noqa: S314


def _replication(rule: ElementTree.Element) -> Replication:
    def said(path: str) -> str:
        return (rule.findtext(path) or "").strip()

    return Replication(
        id=said("ID"),
        prefixes=tuple(one.text or "" for one in rule.findall("PrefixSet/Prefix")),
        bucket=said("Destination/Bucket"),
        location=said("Destination/Location"),
        actions=tuple(sorted((said("Action") or "ALL").split(","))),
        older=said("HistoricalObjectReplication") != "disabled",
        status=said("Status"),
        role=said("SyncRole"),
    )
