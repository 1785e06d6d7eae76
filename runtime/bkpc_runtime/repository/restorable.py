"""Which instants of a database can be restored, from what its stores hold: any point where an image's log goes on, and
the moments of images.

Images that are damaged, or build on one that is or that is missing, bring nothing back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.expiry import Decision, chain, superseded
from bkpc_runtime.repository.holdings import Holding, KnownImage
from bkpc_runtime.repository.segments import order, sequence
from bkpc_runtime.repository.windows import split_label

Span = tuple[datetime, datetime]
"""From, and until."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Any point from `since` on can be restored, up to `end` of the log in the store `log`, from `images` (their ids).

    `until`: when that log had ended at the latest; None: it goes on, as far as is known.
    """

    prefix: str
    log: str
    epoch: int
    since: datetime
    end: Position
    until: datetime | None
    images: frozenset[str]


@dataclass(frozen=True, slots=True)
class Restorable:
    """What can be restored of a database: any point of `spans`, which are apart from each other, and the moments of
    `images`: one of each id, the oldest first."""

    spans: tuple[Span, ...]
    images: tuple[KnownImage, ...]

    @property
    def alone(self) -> tuple[KnownImage, ...]:
        """The images whose moments lie in no span."""
        return tuple(one for one in self.images if not _inside(one, self.spans))

    def within(self, span: Span) -> tuple[KnownImage, ...]:
        return tuple(one for one in self.images if _inside(one, [span]))

    def without(self, other: Restorable) -> Restorable:
        """What this brings back and `other` doesn't."""
        left = tuple(apart for span in self.spans for apart in _minus(span, other.spans))
        known = {one.key for one in other.images}
        images = (one for one in self.images if one.key not in known and not _inside(one, other.spans))
        return Restorable(left, tuple(images))

    def __bool__(self) -> bool:
        return bool(self.spans or self.images)


def stretches(
    holdings: Sequence[Holding], counts: Callable[[str, KnownImage, str, int], bool] = lambda *_: True
) -> list[Stretch]:
    """Of these stores, by when they begin; `counts(store, image, log, epoch)`: whether that image and the log after it,
    of an epoch in the store `log`, do."""
    found: dict[tuple[str, str, int, Position], list[KnownImage]] = {}
    for holding in holdings:
        for image in whole(holding):
            for log, epoch, end in image.windows:
                if counts(holding.store, image, log, epoch):
                    found.setdefault((image.prefix, log, epoch, end), []).append(image)
    ended = {
        (prefix, one.store, epoch.number): epoch.ended
        for one in holdings
        for prefix, epochs in one.logs
        for epoch in epochs
    }
    known = [image for one in holdings for image in one.images]
    stretched = [
        Stretch(
            prefix=prefix,
            log=log,
            epoch=epoch,
            since=min(one.since for one in images),
            end=end,
            until=_ended(log, end, images, known, ended),
            images=frozenset(one.id for one in images),
        )
        for (prefix, log, epoch, end), images in found.items()
    ]
    return sorted(stretched, key=lambda one: (one.since, one.log, one.epoch))


def _ended(
    log: str,
    end: Position,
    images: Collection[KnownImage],
    known: Sequence[KnownImage],
    seen: Mapping[tuple[str, str, int], datetime | None],
) -> datetime | None:
    """When log had ended: when that was seen, when an image of the server stood beyond its end, or that of another
    server had taken its place; the first of these. It is the log to which it leads in the end that counts."""
    last = max(images, key=lambda one: one.id)
    prefix, epoch = last.tip(log)
    place = Position(split_label(end.file)[1], end.offset)
    beyond = (
        one.finished
        for one in known
        if one.prefix == prefix and one.id > last.id and one.position.file and order(one.position) > order(place)
    )
    moments = (seen.get((prefix, log, epoch)), superseded(prefix, known, last.id), min(beyond, default=None))
    return min((one for one in moments if one is not None), default=None)


def restorable(holdings: Sequence[Holding], decisions: Sequence[Decision], now: datetime) -> Restorable:
    """What can be restored once what `decisions` let go, one for each of `holdings`, has gone."""
    kept = {one.store: one for one in decisions}

    def stays(store: str, image: KnownImage, log: str, epoch: int) -> bool:
        first = kept[log].logs_below.get((image.prefix, epoch), 0)
        return image.key in kept[store].kept and sequence(image.position.file) >= first

    logged = stretches(holdings, stays)
    spans = ((one.since, min(one.until or now, now)) for one in logged)
    images = {one.key: one for it in holdings for one in whole(it) if one.key in kept[it.store].kept}
    return Restorable(
        tuple(_merged(one for one in spans if one[0] <= one[1])),
        tuple(sorted(images.values(), key=lambda one: (one.finished, one.id))),
    )


def whole(holding: Holding) -> list[KnownImage]:
    """The images of a store that bring something back."""
    there = {one.key: one for one in holding.images}
    return list(filter(partial(_brings_back, there), holding.images))


def _brings_back(there: dict[tuple[str, str], KnownImage], image: KnownImage) -> bool:
    links = list(chain(image, there))
    return not links[-1].parent and not any(one.damaged for one in links)


def _inside(image: KnownImage, spans: Iterable[Span]) -> bool:
    return any(since <= image.finished <= until for since, until in spans)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for since, until in sorted(spans):
        if merged and since <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(until, merged[-1][1]))
        else:
            merged.append((since, until))
    return merged


def _minus(span: Span, others: Iterable[Span]) -> list[Span]:
    """What is left of a span without others, which are sorted and apart."""
    left, (since, until) = list[Span](), span
    for first, last in others:
        if last < since or first > until:
            continue
        if first > since:
            left.append((since, first))
        since = max(since, last)
    if since < until:
        left.append((since, until))
    return left
