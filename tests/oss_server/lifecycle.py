"""Lifecycle rules: read from their document, and validated as PutBucketLifecycle does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from xml.etree.ElementTree import Element

from tests.oss_server.clock import millis
from tests.oss_server.operations.attributes import checked_signs
from tests.oss_server.refusal import Refusal, invalid_argument, malformed
from tests.oss_server.signature import moment_of
from tests.oss_server.versions import Version
from tests.oss_server.xml import number_of, parsed, text_of

_DAY = 86_400_000
_ORDER = ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive")


@dataclass(frozen=True, slots=True)
class When:
    """Days after the last change, or everything changed before a date (milliseconds), or from a date on."""

    days: int | None = None
    before: int | None = None
    date: int | None = None

    def due(self, since: int, now: int) -> bool:
        """Whether something that has been as it is since `since` is due at `now`."""
        if self.days is not None:
            return -(-since // _DAY) * _DAY + self.days * _DAY <= now
        if self.before is not None:
            return since < self.before
        return self.date is not None and now >= self.date


@dataclass(frozen=True, slots=True)
class Transition:
    """To a storage class; by access time when it says so."""

    when: When
    storage_class: str
    by_access: bool = False


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What a rule leaves alone (`Filter/Not`)."""

    prefix: str
    tag: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; None for what it doesn't do."""

    id: str
    prefix: str
    enabled: bool
    expiration: When | None
    removes_markers: bool
    transitions: tuple[Transition, ...]
    abort: When | None
    old_expiration: int | None
    old_transitions: tuple[Transition, ...]
    tags: tuple[tuple[str, str], ...]
    larger: int | None
    smaller: int | None
    exclusions: tuple[Exclusion, ...]

    def covers(self, version: Version) -> bool:
        """Whether the rule is about this version's object."""
        if not version.key.startswith(self.prefix):
            return False
        if any(version.tags.get(name) != value for name, value in self.tags):
            return False
        if self.larger is not None and version.size <= self.larger:
            return False
        if self.smaller is not None and version.size >= self.smaller:
            return False
        return not any(
            version.key.startswith(one.prefix) and (one.tag is None or version.tags.get(one.tag[0]) == one.tag[1])
            for one in self.exclusions
        )


def rules_in(body: bytes) -> tuple[Rule, ...]:
    """The rules of a LifecycleConfiguration."""
    return tuple(_rule(node) for node in parsed(body, "LifecycleConfiguration").findall("Rule"))


def validate(rules: tuple[Rule, ...], *, overlap: bool) -> None:
    """Refuses what OSS refuses; `overlap` allows rules of the same action over nested prefixes."""
    if not rules or len(rules) > 1000:
        raise malformed()
    ids = [rule.id for rule in rules if rule.id]
    if len(ids) != len(set(ids)):
        raise invalid_argument("Rule ID must be unique.", ec="0057-00000016")
    for rule in rules:
        _validate_one(rule)
    if overlap:
        return
    for first, second in combinations(rules, 2):
        if (first.prefix, first.tags) == (second.prefix, second.tags):
            raise Refusal(400, "InvalidRequest", "Several rules with the same prefix", ec="0014-00000085")
        nested = first.prefix.startswith(second.prefix) or second.prefix.startswith(first.prefix)
        shared = sorted(_actions(first) & _actions(second))
        if nested and shared and first.tags == second.tags:
            raise Refusal(400, "InvalidRequest", f"Overlap for same action type {shared[0]}", ec="0057-00000020")


def _actions(rule: Rule) -> set[str]:
    named = {
        "Expiration": rule.expiration,
        "AbortMultipartUpload": rule.abort,
        "NoncurrentVersionExpiration": rule.old_expiration,
    }
    actions = {name for name, value in named.items() if value is not None}
    actions |= {"Transition"} if rule.transitions else set()
    return actions | ({"NoncurrentVersionTransition"} if rule.old_transitions else set())


def _validate_one(rule: Rule) -> None:
    if not _actions(rule) and not rule.removes_markers:
        raise malformed()
    if len(rule.id) > 255 or len(rule.prefix.encode()) > 1023:
        raise invalid_argument("The rule's ID or prefix is too long.", ec="0057-00000017")
    # Longer or more tags than an object may have are accepted, and match nothing.
    for name, value in rule.tags:
        checked_signs(name + value)
    steps = [step for step in rule.transitions if not step.by_access]
    kinds = {"days" if one.days is not None else "date" for one in _whens(rule, steps)}
    if len(kinds) > 1:
        text = "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule"
        raise Refusal(400, "InvalidRequest", text, ec="0057-00000021")
    for moves in (rule.transitions, rule.old_transitions):
        _validate_moves(moves)
    days = rule.expiration.days if rule.expiration else None
    if days is not None and any((step.when.days or 0) >= days for step in steps):
        raise invalid_argument("'Days' in the Expiration action must be greater than 'Days' in the Transition action")
    if rule.old_expiration is not None:
        for step in rule.old_transitions:
            if (step.when.days or 0) >= rule.old_expiration:
                raise invalid_argument("Noncurrent expiration must come after noncurrent transitions.")


def _whens(rule: Rule, steps: list[Transition]) -> Iterator[When]:
    if rule.expiration and (rule.expiration.days is not None or rule.expiration.before is not None):
        yield rule.expiration
    for step in steps:
        yield step.when


def _validate_moves(moves: tuple[Transition, ...]) -> None:
    for move in moves:
        if move.storage_class not in _ORDER or (move.storage_class == "Standard" and not move.by_access):
            raise invalid_argument("Invalid storage class in a transition.", "StorageClass", move.storage_class)
        if move.by_access and move.storage_class not in {"IA", "Standard"}:
            raise invalid_argument("By access time objects only move to IA.", "StorageClass", move.storage_class)
    timed = [(move.when.days, _ORDER.index(move.storage_class)) for move in moves if move.when.days is not None]
    for (early, warm), (late, cold) in pairwise(sorted(timed, key=lambda row: row[1])):
        if early >= late or warm == cold:
            raise invalid_argument("Colder storage classes must come later in a rule.", ec="0057-00000024")


def _rule(node: Element) -> Rule:
    status = text_of(node, "Status").strip()
    if status not in {"Enabled", "Disabled"}:
        raise malformed()
    expiration = node.find("Expiration")
    abort, old = node.find("AbortMultipartUpload"), node.find("NoncurrentVersionExpiration")
    timed = expiration is not None and any(
        expiration.find(n) is not None for n in ("Days", "CreatedBeforeDate", "Date")
    )
    return Rule(
        id=text_of(node, "ID").strip(),
        prefix=text_of(node, "Prefix"),
        enabled=status == "Enabled",
        expiration=_when(expiration) if expiration is not None and timed else None,
        removes_markers=text_of(node, "Expiration/ExpiredObjectDeleteMarker").strip() == "true",
        transitions=tuple(_move(one, "Days") for one in node.findall("Transition")),
        abort=_when(abort) if abort is not None else None,
        old_expiration=number_of(old, "NoncurrentDays") if old is not None else None,
        old_transitions=tuple(_move(one, "NoncurrentDays") for one in node.findall("NoncurrentVersionTransition")),
        tags=tuple((text_of(one, "Key"), text_of(one, "Value")) for one in node.findall("Tag")),
        larger=number_of(node, "Filter/ObjectSizeGreaterThan"),
        smaller=number_of(node, "Filter/ObjectSizeLessThan"),
        exclusions=tuple(_exclusion(one) for one in node.findall("Filter/Not")),
    )


def _exclusion(node: Element) -> Exclusion:
    tag = node.find("Tag")
    pair = None if tag is None else (text_of(tag, "Key"), text_of(tag, "Value"))
    return Exclusion(text_of(node, "Prefix"), pair)


def _move(node: Element, days: str) -> Transition:
    storage_class = text_of(node, "StorageClass").strip()
    return Transition(_when(node, days), storage_class, text_of(node, "IsAccessTime").strip() == "true")


def _when(node: Element, days: str = "Days") -> When:
    number = number_of(node, days)
    if number is not None:
        if number < 1:
            raise invalid_argument("'Days' must be a positive integer.", days, str(number))
        return When(days=number)
    for name in ("CreatedBeforeDate", "Date"):
        text = text_of(node, name).strip()
        if text:
            at = moment_of(text, "%Y-%m-%dT%H:%M:%S.%fZ") or moment_of(text, "%Y-%m-%dT%H:%M:%SZ")
            if at is None or millis(at) % _DAY:
                raise invalid_argument("'Date' must be at midnight GMT", name, text)
            return When(before=millis(at)) if name == "CreatedBeforeDate" else When(date=millis(at))
    raise malformed()
