"""Replication rules: to a bucket in another region (or the same one), added and closed one by one."""

from __future__ import annotations

from uuid import uuid4
from xml.etree import ElementTree

from tests.oss_server.answer import Answer, text_answer, xml_answer
from tests.oss_server.operations.attributes import element
from tests.oss_server.operations.bucket import REGIONS
from tests.oss_server.refusal import Refusal, invalid_argument, malformed
from tests.oss_server.replicating import Rule, kept, rules_of, written
from tests.oss_server.service import Call, done
from tests.oss_server.xml import Node, text_of

_TRANSFERS = ("internal", "oss_acc")
_ACTIONS = {"ALL", "PUT", "DELETE", "ABORT"}
_MOST_PREFIXES = 10


def change(call: Call) -> Answer:
    """PutBucketReplication (`comp=add`) and DeleteBucketReplication (`comp=delete`)."""
    what = call.asked.query.get("comp", "")
    if what == "add":
        return _add(call)
    if what == "delete":
        return _close(call)
    raise invalid_argument("The comp is invalid.", "comp", what)


def _add(call: Call) -> Answer:
    nodes = element(call.body.all(), "ReplicationConfiguration").findall("Rule")
    if len(nodes) != 1:
        raise malformed()
    rule = _read(call, nodes[0])
    rules = rules_of(call.bucket)
    if any(one.id == rule.id for one in rules):
        raise invalid_argument("Rule ID is not unique.", "ID", rule.id)
    if any(_overlap(one, rule) for one in rules):
        text = "Bucket replication already exists."
        raise Refusal(400, "BucketReplicationAlreadyExist", text, ec="0063-00000012")
    kept(call.bucket, rule)
    return done()


def _read(call: Call, node: ElementTree.Element) -> Rule:
    prefixes = tuple(one.text or "" for one in node.findall("PrefixSet/Prefix"))
    actions = (text_of(node, "Action").strip() or "ALL").split(",")
    transfer = text_of(node, "Destination/TransferType").strip()
    older = text_of(node, "HistoricalObjectReplication").strip() or "enabled"
    if len(prefixes) > _MOST_PREFIXES or not {*actions} <= _ACTIONS or older not in ("enabled", "disabled"):
        raise malformed()
    if transfer and transfer not in _TRANSFERS:
        raise invalid_argument("The transfer type is invalid.", "TransferType", transfer)
    bucket, location = text_of(node, "Destination/Bucket").strip(), text_of(node, "Destination/Location").strip()
    _check_target(call, bucket, location)
    role = text_of(node, "SyncRole").strip()
    selection = text_of(node, "SourceSelectionCriteria/SseKmsEncryptedObjects/Status").strip() if role else ""
    key = text_of(node, "EncryptionConfiguration/ReplicaKmsKeyID").strip() if selection == "Enabled" else ""
    return Rule(
        id=text_of(node, "ID").strip() or str(uuid4()),
        prefixes=prefixes,
        actions=tuple(actions),
        bucket=bucket,
        location=location,
        transfer=transfer or _TRANSFERS[0],
        older=older == "enabled",
        begun=call.now,
        role=role,
        selection=selection,
        key=key,
        timed=text_of(node, "RTC/Status").strip() or "disabled",
    )


def _check_target(call: Call, name: str, location: str) -> None:
    """The bucket must be there, be the account's, and keep versions as this one does."""
    if not name or not location:
        raise malformed()
    service = call.service.at(location.removeprefix("oss-"))
    if service is None:
        raise Refusal(400, "InvalidTargetLocation", f"There is no region {location}.", ec="0063-00000008")
    target = service.buckets.get(name)
    if target is None or name == call.bucket.name or target.settings.owner != call.bucket.settings.owner:
        raise Refusal(400, "InvalidTargetBucket", "The target bucket is invalid.", ec="0063-00000009")
    if target.settings.versioning != call.bucket.settings.versioning:
        text = "The versioning status of the source and the target bucket differ."
        raise Refusal(409, "InvalidBucketState", text, ec="0063-00000017")


def _overlap(first: Rule, second: Rule) -> bool:
    """Whether both would copy some object to the same bucket."""
    if (first.bucket, first.location) != (second.bucket, second.location):
        return False
    pairs = [(one, other) for one in first.prefixes or ("",) for other in second.prefixes or ("",)]
    return any(one.startswith(other) or other.startswith(one) for one, other in pairs)


def _close(call: Call) -> Answer:
    """What is closed stays listed for a while: until the virtual time moves on."""
    rule_id = text_of(element(call.body.all(), "ReplicationRules"), "ID").strip()
    kept(call.bucket, _found(call, rule_id), status="closing")
    return done()


def _found(call: Call, rule_id: str) -> Rule:
    for rule in rules_of(call.bucket):
        if rule.id == rule_id:
            return rule
    raise Refusal(404, "NoSuchReplicationRule", "The specified replication rule does not exist.", ec="0063-00000020")


def look(call: Call) -> Answer:
    """GetBucketReplication."""
    rules = rules_of(call.bucket)
    if not rules:
        text = "The bucket you specified does not have replication configuration."
        raise Refusal(404, "NoSuchReplicationConfiguration", text, ec="0063-00000019")
    return xml_answer("ReplicationConfiguration", {"Rule": [written(one) for one in rules]})


def locations(call: Call) -> Answer:
    """GetBucketReplicationLocation."""
    there = [f"oss-{name}" for name in REGIONS if name != call.service.region]
    limits: Node = {"LocationTransferType": [{"Location": one, "TransferTypes": {"Type": "oss_acc"}} for one in there]}
    return xml_answer("ReplicationLocation", {"Location": there, "LocationTransferTypeConstraint": limits})


def progress(call: Call) -> Answer:
    """GetBucketReplicationProgress: of one rule."""
    rule = _found(call, call.asked.query.get("rule-id", ""))
    ran = rule.status == "doing"
    content = dict(written(rule))
    content["Progress"] = {"HistoricalObject": "1" if ran else "0", "NewObject": None}
    return xml_answer("ReplicationProgress", {"Rule": content})


def time_control(call: Call) -> Answer:
    """PutBucketRTC: ten minutes for nearly all; here rules run when the clock moves."""
    root = element(call.body.all(), "ReplicationRule")
    status = text_of(root, "RTC/Status").strip()
    if status not in ("enabled", "disabled"):
        raise malformed()
    kept(call.bucket, _found(call, text_of(root, "ID").strip()), timed=status)
    return text_answer(b"")
