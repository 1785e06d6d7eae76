"""Lifecycle: a rule of ours for each prefix, among the rules of others, which stay byte for byte.

Ours drops what unfinished uploads left and, where the bucket keeps versions, what was deleted long ago. Nothing of
ours expires by a rule: images expire by what the chain needs. A rule of others that would delete or move what the
plan counts on is a problem that people must solve.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bkpc_runtime.errors import PolicyBroken
from bkpc_runtime.settings.difference import Difference, Sign
from bkpc_runtime.settings.existence import slower
from bkpc_runtime.settings.lifecycle_document import Rule, replaced, rules_in, written
from bkpc_runtime.settings.view import BucketView
from bkpc_runtime.settings.wanted import Place, Wanted
from bkpc_runtime.stores.oss_settings import BucketSettings

NAME = "lifecycle"
_SOON_ENOUGH = 30
"""Days after which a rule of others may drop unfinished uploads for us to leave it to that rule."""


@dataclass(frozen=True, slots=True)
class _Ours:
    """The rule that a prefix asks for: days, None where it doesn't ask."""

    prefix: str
    aborts: int | None
    noncurrent: int | None

    @property
    def id(self) -> str:
        return rule_id(self.prefix)

    @property
    def asks(self) -> bool:
        return self.aborts is not None or self.noncurrent is not None

    def is_done_by(self, rule: Rule) -> bool:
        more = rule.expires is not None or rule.moves or rule.noncurrent_moves or rule.narrowed
        done = (rule.prefix, rule.aborts, rule.noncurrent) == (self.prefix, self.aborts, self.noncurrent)
        return rule.enabled and not more and done and rule.removes_markers == (self.noncurrent is not None)

    @property
    def words(self) -> str:
        where = f"below `{self.prefix}`" if self.prefix else "in the whole bucket"
        what = [f"parts of uploads unfinished for {self.aborts} days"] if self.aborts is not None else []
        what += [f"versions deleted for {self.noncurrent} days"] if self.noncurrent is not None else []
        return f"{where}, {' and '.join(what) or 'nothing'} dropped"


def rule_id(prefix: str) -> str:
    """The same for the same prefix, ever: a later run finds its rule again."""
    return f"bkpc-{hashlib.sha256(prefix.encode()).hexdigest()[:16]}"


def look(bucket: BucketView, wanted: Wanted) -> Iterator[Difference]:
    try:
        rules = rules_in(bucket.lifecycle())
    except ValueError as problem:
        yield Difference(NAME, f"the rules are not understood: {problem}", "!", "correct them in the console")
        return
    others, ours = _told_apart(rules, wanted)
    versioned = _versioned(bucket)
    for rule in others:
        yield from _threats(rule, wanted)
        if versioned:
            yield from _undone_no_more(rule, wanted)
    yield from _piling_up(others, wanted)
    for one in _asked(bucket, wanted, others, ours):
        found = [rule for rule in ours if rule.id == one.id]
        if not found and one.asks:
            yield Difference(NAME, one.words, "+", f"rule {one.id}")
        elif found and not one.asks:
            yield Difference(NAME, one.words, "-", f"rule {one.id} is no longer needed")
        elif found and not one.is_done_by(found[0]):
            yield Difference(NAME, one.words, "~", f"rule {one.id} says otherwise")


def mend(bucket: BucketSettings, wanted: Wanted) -> None:
    document = bucket.lifecycle()
    try:
        rules = rules_in(document)
    except ValueError as problem:
        raise PolicyBroken(
            f"the lifecycle rules of bucket `{wanted.bucket}` are not understood: {problem}"
        ) from problem
    others, ours = _told_apart(rules, wanted)
    asked = [one for one in _asked(bucket, wanted, others, ours) if one.asks]
    added = [written(one.id, one.prefix, one.aborts, one.noncurrent) for one in asked]
    prefixes = [one.prefix for one in others] + [one.prefix for one in asked]
    bucket.put_lifecycle(replaced(document, ours, added), overlaps=_overlap(prefixes))


def _overlap(prefixes: Iterable[str]) -> bool:
    """Whether one begins with another: sorted, such a pair has neighbours that do."""
    return any(second.startswith(first) for first, second in pairwise(sorted(prefixes)))


def _told_apart(rules: Sequence[Rule], wanted: Wanted) -> tuple[list[Rule], list[Rule]]:
    """Others' rules (those of another plan's prefixes among them), and ours."""
    ids = {rule_id(one.prefix) for one in wanted.places}
    return [one for one in rules if one.id not in ids], [one for one in rules if one.id in ids]


def _asked(bucket: BucketView, wanted: Wanted, others: Sequence[Rule], ours: Sequence[Rule]) -> list[_Ours]:
    """One for each prefix. Where a rule of others drops unfinished uploads there already, ours leaves them to it.

    Days of ours never become fewer: another plan may keep its backups below the same prefix, and need them.
    """
    versioned = _versioned(bucket)
    asked = []
    for prefix in sorted({one.prefix for one in wanted.places}):
        there = [rule for rule in ours if rule.id == rule_id(prefix)]
        left = any(_drops_uploads(rule, prefix) for rule in others)
        uploads = max([wanted.upload_days, *(rule.aborts or 0 for rule in there)])
        noncurrent = max([wanted.noncurrent_days, *(rule.noncurrent or 0 for rule in there)])
        asked.append(_Ours(prefix, None if left else uploads, noncurrent if versioned else None))
    return asked


def _versioned(bucket: BucketView) -> bool:
    info = bucket.info()
    return bool(info and info.versioning)


def _drops_uploads(rule: Rule, prefix: str) -> bool:
    soon = 0 < (rule.aborts or 0) <= _SOON_ENOUGH
    return rule.enabled and soon and not rule.narrowed and prefix.startswith(rule.prefix)


def _piling_up(others: Sequence[Rule], wanted: Wanted) -> Iterator[Difference]:
    """Copies that OSS makes stay: no deletion is copied, and none of our jobs deletes there."""
    for place in wanted.places:
        expires = any(rule.expires is not None and rule.touches(folder) for rule in others for folder in place.folders)
        if place.copied_from and wanted.needed_days is not None and not expires:
            what = f"nothing deletes what OSS copies here from store `{place.copied_from}`"
            yield Difference(NAME, what, "i", f"a rule of your own may, after {wanted.needed_days} days or more")


def _threats(rule: Rule, wanted: Wanted) -> Iterator[Difference]:
    """What a rule of others does to what the plan counts on."""
    for place in wanted.places:
        folders = [folder for folder in place.folders if rule.touches(folder)]
        if not folders:
            continue
        where = f"rule `{rule.id}`, which is not ours,"
        way_out = _way_out(place)
        needed = "for ever: no `keep` says otherwise" if wanted.needed_days is None else f"{wanted.needed_days} days"
        if rule.expires is not None and _too_early(rule.expires, wanted.needed_days):
            what = f"{where} deletes what is below `{folders[0]}` {_after(rule.expires)}"
            yield Difference(NAME, what, "!", f"it is needed {needed}; {way_out}")
        yield from _moved(rule, place, wanted, f"{where} moves what is below `{folders[0]}`", way_out)
        if rule.aborts is not None and rule.aborts < wanted.upload_days:
            what = f"{where} drops uploads below `{folders[0]}` {_after(rule.aborts)}"
            sign: Sign = "!" if rule.aborts else "i"  # a date is of old uploads only, or soon will be
            yield Difference(NAME, what, sign, f"one may take {wanted.upload_days} days; {way_out}")


def _undone_no_more(rule: Rule, wanted: Wanted) -> Iterator[Difference]:
    """A rule of others that drops deleted versions while what was deleted by mistake or malice is to be had back."""
    if rule.noncurrent is None or rule.noncurrent >= wanted.noncurrent_days:
        return
    for place in wanted.places:
        folders = [folder for folder in place.folders if rule.touches(folder)]
        if folders:
            what = f"rule `{rule.id}`, which is not ours, drops versions deleted below `{folders[0]}`"
            why = f"a deletion is to be undone for {wanted.noncurrent_days} days; {_way_out(place)}"
            yield Difference(NAME, f"{what} {_after(rule.noncurrent)}", "!", why)


def _way_out(place: Place) -> str:
    return f"keep it away from `{place.prefix}`" if place.prefix else "give it a prefix that is not ours"


def _moved(rule: Rule, place: Place, wanted: Wanted, words: str, way_out: str) -> Iterator[Difference]:
    for move in rule.moves:
        if move.days is not None and not _too_early(move.days, wanted.needed_days):
            continue
        what = f"{words} to class {move.storage_class} {_after(move.days or 0)}"
        if slower(move.storage_class, place.storage_class):
            yield Difference(NAME, what, "!", f"its thaw is in no proved time; {way_out}")
        elif slower(move.storage_class, ""):
            # Backups may be there, but what says which there are must be readable at once; a rule moves both.
            yield Difference(NAME, what, "!", f"manifests would have to thaw before anything is known; {way_out}")
        else:
            yield Difference(NAME, what, "i", "reading it back costs a fee")


def _too_early(days: int, needed: int | None) -> bool:
    return not days or needed is None or days < needed


def _after(days: int) -> str:
    return f"after {days} days" if days else "by date or access"
