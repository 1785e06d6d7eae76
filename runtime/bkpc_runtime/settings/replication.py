"""Replication by OSS to a bucket in another region, where the plan names one: one rule of ours for each prefix.

Ours copies what is written, and what was there before; never a deletion, so what is lost here is not lost there. OSS
changes no rule in place: one that says otherwise is taken out, and made again once OSS has closed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bkpc_runtime.errors import PolicyBroken, StoreFailed
from bkpc_runtime.settings.difference import Difference
from bkpc_runtime.settings.lifecycle import rule_id
from bkpc_runtime.settings.view import BucketView
from bkpc_runtime.settings.wanted import Place, Wanted
from bkpc_runtime.stores.oss_settings import BucketSettings, Replication

NAME = "replication"
_CLOSING = "closing"


def look(bucket: BucketView, wanted: Wanted) -> Iterator[Difference]:
    rules = _rules(bucket, wanted)
    for place in wanted.places:
        ours = _ours(rules, place)
        asked = _asked(place)
        if asked is None:
            if ours and ours.status != _CLOSING:
                why = f"rule {ours.id} is no longer asked for; what was copied stays there"
                yield Difference(NAME, f"{_where(place)} copied to bucket `{ours.bucket}`", "-", why)
        elif ours is None:
            yield from _missing(place, asked, rules)
        elif ours.status == _CLOSING:
            why = "OSS makes a rule again only once it has closed it: look again in some minutes"
            yield Difference(NAME, f"rule {ours.id} is being taken out", "!", why)
        elif not _same(ours, asked):
            yield Difference(NAME, _words(place, asked), "~", f"rule {ours.id} says otherwise")


def mend(bucket: BucketSettings, wanted: Wanted) -> None:
    rules = bucket.replication()
    for place in wanted.places:
        ours, asked = _ours(rules, place), _asked(place)
        right = ours is not None and asked is not None and _same(ours, asked)
        if ours and not right and ours.status != _CLOSING:
            bucket.replicate_no_more(ours.id)
            if asked and _ours(bucket.replication(), place):
                raise PolicyBroken(
                    f"bucket `{wanted.bucket}`: OSS is taking out replication rule {ours.id}, which said otherwise",
                    help="run it again in some minutes: then the right one is made",
                )
        if asked and not right and not _done_by_others(rules, asked):
            bucket.replicate(asked)


def _ours(rules: Sequence[Replication], place: Place) -> Replication | None:
    return next((one for one in rules if one.id == rule_id(place.prefix)), None)


def _rules(bucket: BucketView, wanted: Wanted) -> tuple[Replication, ...]:
    """None where nothing is asked for and the key may not look, or the region has no such thing: either is right."""
    try:
        return bucket.replication()
    except StoreFailed as problem:
        if problem.retryable or any(place.replica for place in wanted.places):
            raise
        return ()


def _missing(place: Place, asked: Replication, rules: Sequence[Replication]) -> Iterator[Difference]:
    other = _done_by_others(rules, asked)
    if other is None:
        yield Difference(NAME, _words(place, asked), "+", f"rule {asked.id}")
    elif "ALL" in other.actions:
        why = f"deletions, too: rule `{other.id}`, which is not ours"
        yield Difference(NAME, _words(place, asked), "i", why)


def _asked(place: Place) -> Replication | None:
    if place.replica is None:
        return None
    return Replication(
        id=rule_id(place.prefix),
        prefixes=(place.prefix,) if place.prefix else (),
        bucket=place.replica.bucket,
        location=f"oss-{place.replica.region}",
        actions=("PUT",),
        older=True,
        status="",
        role=place.replica.role,
    )


def _same(ours: Replication, asked: Replication) -> bool:
    """A role that people gave it stays where the plan names none."""
    fits = not asked.role or ours.role == asked.role
    return fits and _subject(ours) == _subject(asked) and (ours.actions, ours.older) == (asked.actions, asked.older)


def _subject(rule: Replication) -> tuple[tuple[str, ...], str, str]:
    return rule.prefixes, rule.bucket, rule.location


def _done_by_others(rules: Sequence[Replication], asked: Replication) -> Replication | None:
    """A rule of others that copies all of it to the same bucket already: OSS takes no second one."""
    prefix = asked.prefixes[0] if asked.prefixes else ""
    for rule in rules:
        covers = not rule.prefixes or any(prefix.startswith(one) for one in rule.prefixes)
        same = (rule.bucket, rule.location) == (asked.bucket, asked.location)
        if rule.id != asked.id and covers and same and rule.older and rule.status != _CLOSING:
            return rule
    return None


def _where(place: Place) -> str:
    return f"what is below `{place.prefix}`" if place.prefix else "the whole bucket"


def _words(place: Place, asked: Replication) -> str:
    return f"{_where(place)} copied to bucket `{asked.bucket}` in {asked.location.removeprefix('oss-')}"
