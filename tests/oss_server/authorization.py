"""Whether whoever asks may: ACLs, public access block, bucket policy, RAM policies, requester pays."""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass
from typing import Any

from tests.oss_server.disk import BucketOnDisk
from tests.oss_server.refusal import Refusal, access_denied
from tests.oss_server.service import Call
from tests.oss_server.xml import parsed, text_of


@dataclass(frozen=True, slots=True)
class Thing:
    """What is to be touched: a bucket, or an object when there is a key."""

    bucket: str
    key: str


_READS = {"oss:GetObject"}
_BUCKET_READS = {"oss:ListObjects"}
_WRITES = {"oss:PutObject", "oss:AbortMultipartUpload", "oss:DeleteObject"}


def authorize(call: Call, action: str, name: str = "", key: str = "") -> None:
    """Refuses what neither ownership, a policy nor an ACL allows; an explicit Deny wins over everything.

    About the request's own bucket and key, unless others are named (a copy's source, one of many keys to delete).
    """
    thing = Thing(name, key) if name else Thing(call.asked.bucket, call.asked.key)
    bucket = call.service.buckets.get(thing.bucket)
    account = call.account
    if account and account.policies:
        policies = [json.loads(text) for text in account.policies]
        verdict = _verdict(policies, call, action, thing, principals=False)
        if verdict != "Allow":
            raise access_denied("You have no right to access this object because of user policy.")
    if bucket is None:
        if account is None:
            raise access_denied("Anonymous access is forbidden for this operation.")
        return
    policy = bucket.settings.documents.get("policy", "")
    verdict = _verdict([json.loads(policy)] if policy else [], call, action, thing, principals=True)
    if verdict == "Deny":
        raise access_denied("Denied by bucket policy.")
    if account and account.uid == bucket.settings.owner:
        return
    if verdict != "Allow" and not _open(call, action, bucket, thing.key):
        raise access_denied()
    _pays(call, bucket)


def authorize_attributes(call: Call) -> None:
    """Tags and an ACL given with a write need their own permissions."""
    for name, action in (("x-oss-tagging", "oss:PutObjectTagging"), ("x-oss-object-acl", "oss:PutObjectAcl")):
        if call.asked.key and name in call.asked.headers and not call.asked.query.keys() & {"acl", "tagging"}:
            authorize(call, action)


def _pays(call: Call, bucket: BucketOnDisk) -> None:
    document = bucket.settings.documents.get("requestPayment", "")
    if not document or text_of(parsed(document.encode()), "Payer") != "Requester":
        return
    if call.asked.meant("x-oss-request-payer") != "requester":
        text = "Requester pays bucket: the request must carry x-oss-request-payer."
        raise Refusal(403, "AccessDenied", text, ec="0003-00000703")


def _open(call: Call, action: str, bucket: BucketOnDisk, key: str) -> bool:
    """Whether an ACL lets everyone in."""
    if blocked(call):
        return False
    settings = bucket.settings
    version = bucket.current(key) if key else None
    acl = version.acl if version and version.acl != "default" and action in _READS else settings.acl
    if action in _READS | _BUCKET_READS:
        return acl in {"public-read", "public-read-write"}
    return action in _WRITES and acl == "public-read-write"


def blocked(call: Call) -> bool:
    """Whether public access is blocked, for the bucket or for the account."""
    bucket = call.service.buckets.get(call.asked.bucket)
    documents = [call.service.documents.get("publicAccessBlock", "")]
    documents += [bucket.settings.documents.get("publicAccessBlock", "")] if bucket else []
    return any(text and text_of(parsed(text.encode()), "BlockPublicAccess") == "true" for text in documents)


def _verdict(policies: list[Any], call: Call, action: str, thing: Thing, *, principals: bool) -> str:
    resource = f"acs:oss:*:*:{thing.bucket}" + (f"/{thing.key}" if thing.key else "")
    verdict = ""
    for policy in policies:
        for statement in _many(policy.get("Statement", [])):
            if principals and not _named(call, _many(statement.get("Principal", "*"))):
                continue
            if not any(fnmatch.fnmatchcase(action.lower(), one.lower()) for one in _many(statement.get("Action", []))):
                continue
            if not any(_covers(one, resource) for one in _many(statement.get("Resource", []))):
                continue
            if not _holds(call, statement.get("Condition", {})):
                continue
            if statement.get("Effect") == "Deny":
                return "Deny"
            verdict = "Allow"
    return verdict


def _named(call: Call, principals: list[Any]) -> bool:
    uid = call.account.uid if call.account else ""
    return any(one == "*" or (uid and uid in re.split(r"[:/]", str(one))) for one in principals)


def _covers(pattern: str, resource: str) -> bool:
    """`acs:oss:region:uid:bucket/key` with `*`; region and account are not told apart."""
    parts = pattern.split(":", 4)
    return len(parts) == 5 and fnmatch.fnmatchcase(resource.split(":", 4)[4], parts[4].replace("[", "[[]"))


def _holds(call: Call, conditions: dict[str, dict[str, Any]]) -> bool:
    facts = {
        "acs:SecureTransport": str(call.asked.secure).lower(),
        "acs:SourceIp": "127.0.0.1",
        "oss:Prefix": call.asked.query.get("prefix", ""),
        "oss:Delimiter": call.asked.query.get("delimiter", ""),
    }
    for operator, wanted in conditions.items():
        for name, values in wanted.items():
            fact = facts.get(name, "")
            texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in _many(values)]
            found = any(fnmatch.fnmatchcase(fact, text) for text in texts)
            if found == ("Not" in operator):
                return False
    return True


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
