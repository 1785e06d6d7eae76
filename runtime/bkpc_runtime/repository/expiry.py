"""What is kept and why, and what may go: decided from what is there, the rules and the time, and from nothing else.

An image goes only if no kept point, lock, hold, running restore or incremental image needs it; a binlog only if no
kept image that log continues needs it. See docs/retention.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from bkpc_grammar import plan as contract
from bkpc_grammar.quantities import Duration
from bkpc_runtime.repository import segments
from bkpc_runtime.repository.holdings import Holding, KnownImage

TOLERANCE = timedelta(minutes=5)
"""Clocks that differ by more are not trusted with deletions."""
_MONDAY = date(2001, 1, 1)

Key = tuple[str, str]
"""A server's folder, and the id of an image in it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one store keeps of a database. `span`: every point of so long, by `keep` or `lock`; None: none for itself.

    `counts`: of days, weeks, months and years. `verified`, `judged`: the newest image must be, before anything goes.
    `for_ever`: nothing expires. `lock`: for so long nothing can go.
    """

    span: timedelta | None
    counts: tuple[int, int, int, int]
    timezone: str
    grace: timedelta
    fresh: timedelta
    verified: bool = False
    judged: bool = False
    for_ever: bool = False
    lock: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Decision:
    """Of one store: why each image is kept; which go, what builds on others first; and the binlogs that go, by folder
    and epoch: all below a number. `needs_log`: the kept images whose log is kept with them."""

    store: str
    kept: Mapping[Key, tuple[str, ...]]
    gone: tuple[KnownImage, ...]
    needs_log: frozenset[Key]
    logs_below: Mapping[tuple[str, int], int]


def rules_of(kept: contract.Retention, flow: contract.Flow | None) -> Rules:
    """The rules of a plan for one database in one store."""
    spans = [timedelta(milliseconds=one) for one in (kept.keep_ms, kept.lock_ms) if one is not None]
    counts = (kept.daily, kept.weekly, kept.monthly, kept.yearly)
    return Rules(
        span=max(spans, default=None),
        counts=counts,
        timezone=kept.timezone,
        grace=timedelta(milliseconds=kept.grace_ms),
        fresh=timedelta(milliseconds=kept.fresh_ms),
        verified=kept.verified,
        judged=flow is not None and flow.size_hold_permille is not None,
        for_ever=kept.keep_ms is None and not any(counts),
        lock=timedelta(milliseconds=kept.lock_ms or 0),
    )


def decide(
    holdings: Sequence[Holding], rules: Mapping[str, Rules], now: datetime, resting: Iterable[str] = ()
) -> tuple[Decision, ...]:
    """What goes from each store of a database. `resting`: stores from which nothing may go, whose images all count.

    `holdings` must be of all stores of the database: the log in one may continue an image in another. While one is
    unknown, no log goes from any.
    """
    unknown = any(one.unknown for one in holdings)
    rest = dict.fromkeys(resting, "nothing expires here now")
    rest |= {name: "no `keep` says otherwise" for name, one in rules.items() if one.for_ever}
    ends = {
        (prefix, one.store, epoch.number): epoch.ended
        for one in holdings
        for prefix, epochs in one.logs
        for epoch in epochs
    }
    chosen = [_Choosing(one, rules[one.store], now, ends).run(rest.get(one.store, "")) for one in holdings]
    pairs = list(zip(holdings, chosen, strict=True))
    wanted = [image for one, (_, log) in pairs for image in one.images if image.key in log]
    decisions = []
    for one, (kept, log) in pairs:
        below = {} if unknown or one.store in rest else _logs(one, wanted, rules[one.store], now)
        gone = [image for image in one.images if image.key not in kept]
        # A child has a later id than what it builds on.
        gone.sort(key=lambda image: image.id, reverse=True)
        told = {key: tuple(dict.fromkeys(reasons)) for key, reasons in kept.items()}
        decisions.append(Decision(one.store, told, tuple(gone), frozenset(log), below))
    return tuple(decisions)


def why_resting(holding: Holding, rules: Rules, now: datetime, *, identity: str, source_now: datetime) -> str:
    """Why nothing of a store may expire now; empty where it may. `identity` and `source_now` are the server's own."""
    if abs(now - source_now) > TOLERANCE:
        apart = round(abs((now - source_now).total_seconds()))
        return f"the clocks of this machine and of the server are {apart} s apart"
    if holding.unknown:
        return f"it can't be looked at: {holding.unknown}"
    if holding.unreadable:
        return f"a manifest can't be read: {holding.unreadable[0]}"
    if not holding.images:
        return ""
    newest = holding.images[-1]
    if newest.finished > now + TOLERANCE:
        return f"the newest image, {newest.id}, is of the future: a clock was set back"
    if newest.held:
        return f"the newest image, {newest.id}, is held: {newest.held}"
    if newest.damaged:
        return f"the newest image, {newest.id}, is damaged"
    if rules.verified and not newest.verified:
        return f"the newest image, {newest.id}, is not verified yet"
    if not newest.prefix.endswith(f"/{identity}"):
        return f"the newest image, {newest.id}, is not of the server that answers now"
    if rules.judged and not newest.judged:
        return f"the newest image, {newest.id}, was not compared with its predecessors yet"
    if not _whole(newest, {one.key: one for one in holding.images}):
        return f"the newest image, {newest.id}, builds on one that is missing, damaged or held"
    if now - newest.began > rules.fresh:
        return f"the newest image, {newest.id}, is older than it may be: images do not arrive"
    return ""


def resting_as_shown(holding: Holding, rules: Rules, now: datetime) -> str:
    """The same as far as the store shows: the server is not asked."""
    if not holding.images or rules.for_ever:
        return ""
    identity = holding.images[-1].prefix.rpartition("/")[2]
    return why_resting(holding, rules, now, identity=identity, source_now=now)


class _Choosing:
    """Why images of one store are kept, and which of them with their log."""

    def __init__(
        self, holding: Holding, rules: Rules, now: datetime, ends: Mapping[tuple[str, str, int], datetime | None]
    ) -> None:
        self.images, self.rules, self.now, self.ends = holding.images, rules, now, ends
        self.there = {one.key: one for one in holding.images}
        self.trusted = [one for one in holding.images if _whole(one, self.there)]

    def run(self, resting: str) -> tuple[dict[Key, list[str]], set[Key]]:
        kept: dict[Key, list[str]] = {}
        log: set[Key] = set()
        if self.there and not (resting or self.trusted):
            resting = "there is no image that is trusted"
        if resting:
            kept, log = {key: [resting] for key in self.there}, set(self.there)
        for image, why in self._with_log():
            kept.setdefault(image.key, []).append(why)
            log.add(image.key)
        for image, why in (*self._counted(), *self._held()):
            kept.setdefault(image.key, []).append(why)
        # A child comes after what it builds on: one pass from the newest finds all.
        for image in reversed(self.images):
            parent = (image.prefix, image.parent)
            if image.key in kept and parent in self.there:
                kept.setdefault(parent, []).append(f"{image.id} builds on it")
        return kept, log

    def _with_log(self) -> Iterator[tuple[KnownImage, str]]:
        if self.trusted:
            yield self.trusted[-1], "the newest"
        for image in self.images:
            if image.reading:
                yield image, "a restore reads it"
        if self.rules.span is None:
            return
        since = self.now - self.rules.span
        words = f"the points of the last {Duration(Fraction(round(self.rules.span.total_seconds()))).human()}"
        for image in self.images:
            if image.finished > since:
                yield image, words
        before = [one for one in self.trusted if one.finished <= since]
        bases = before[-1:]
        # Another epoch or server may be the only way to points after `since`, if its log went on until then.
        newest = {(store, *image.tip(store)): image for image in before for store, _, _ in image.windows}
        for (store, prefix, epoch), image in sorted(newest.items(), key=lambda one: one[0]):
            end = self.ends.get((prefix, store, epoch)) or superseded(prefix, self.images, image.id)
            if end is None or end > since:
                bases.append(image)
        yield from ((image, f"{words} go back to it") for image in bases)

    def _counted(self) -> Iterator[tuple[KnownImage, str]]:
        """The newest image of each day, week, month and year that counts, by the policy's calendar."""
        zone = ZoneInfo(self.rules.timezone)
        today = self.now.astimezone(zone).date()
        for (unit, words, number), count in zip(_UNITS, self.rules.counts, strict=True):
            newest = {number(image.began.astimezone(zone).date()): image for image in self.trusted}
            for period, image in sorted(newest.items()):
                if 0 <= number(today) - period < count:
                    yield image, f"{unit} {image.began.astimezone(zone).date():{words}}"

    def _held(self) -> Iterator[tuple[KnownImage, str]]:
        """Until somebody has decided, what builds on a held image is held with it."""
        for image in self.images:
            for one in chain(image, self.there):
                if one.held:
                    yield image, f"held: {one.held}" if one is image else f"{one.id}, on which it builds, is held"


def _day(date_: date) -> int:
    return (date_ - _MONDAY).days


def _week(date_: date) -> int:
    return _day(date_) // 7


def _month(date_: date) -> int:
    return date_.year * 12 + date_.month


def _year(date_: date) -> int:
    return date_.year


_UNITS: tuple[tuple[str, str, Callable[[date], int]], ...] = (
    ("the day", "%Y-%m-%d", _day),
    ("the week", "%G-W%V", _week),
    ("the month", "%Y-%m", _month),
    ("the year", "%Y", _year),
)
"""How each is called, and its number: the same for all its days, one more for the next."""


def superseded(prefix: str, images: Iterable[KnownImage], after: str = "") -> datetime | None:
    """When another server had taken the place of one: its first image after the last of this, and after that of the id
    `after`; None: it has not."""
    known = list(images)
    last = max((after, *(one.id for one in known if one.prefix == prefix)))
    return min((one.began for one in known if one.prefix != prefix and one.id > last), default=None)


def chain(image: KnownImage, there: Mapping[Key, KnownImage]) -> Iterator[KnownImage]:
    """An image and, as far as they are there, those that it builds on."""
    link: KnownImage | None = image
    while link is not None:
        yield link
        link = there.get((link.prefix, link.parent)) if link.parent else None


def _whole(image: KnownImage, there: Mapping[Key, KnownImage]) -> bool:
    """Whether all that it builds on is there, and trusted like itself."""
    links = list(chain(image, there))
    return not links[-1].parent and all(one.trusted for one in links)


def _logs(holding: Holding, wanted: Sequence[KnownImage], rules: Rules, now: datetime) -> dict[tuple[str, int], int]:
    """For each epoch the number below which its binlogs go; epochs of which nothing goes are left out."""
    since = now - rules.span if rules.span is not None else now
    below: dict[tuple[str, int], int] = {}
    for prefix, epochs in holding.logs if wanted else ():
        own = [one for one in wanted if one.prefix == prefix and one.position.file]
        replaced = superseded(prefix, wanted)
        for epoch in (one for one in epochs if one.binlogs):
            newest, last = epoch is epochs[-1], epoch.binlogs[-1].number
            inside, first = _first_needed(holding.store, epoch.number, last, own)
            through = _led_through((holding.store, prefix, epoch.number), wanted)
            if through is not None:
                inside, first = True, through if first is None else min(first, through)
            if first is None:
                ended = epoch.ended or (replaced if newest else None)
                if ended is None or ended > since:
                    continue
                first = last + 1
            elif newest and not inside:
                continue  # an image that is being taken may be the first that it continues
            if newest:
                # The newest binlog stays: a stream goes on from it, and epochs are counted from its own.
                first = min(first, last)
            if epoch.binlogs[0].number < first:
                below[prefix, epoch.number] = first
    return below


def _led_through(log: tuple[str, str, int], images: Iterable[KnownImage]) -> int | None:
    """The number of the first binlog that images of earlier servers need, whose log goes on in this one."""
    return min((number for one in images for *there, number in one.later if tuple(there) == log), default=None)


def _first_needed(store: str, epoch: int, last: int, images: Iterable[KnownImage]) -> tuple[bool, int | None]:
    """Whether the log of an epoch continues any image, and the number of the first binlog that one needs, if any.

    Where no log reaches an image, it may be that of any epoch that has its binlog.
    """
    inside, needed = False, []
    for image in images:
        number = segments.sequence(image.position.file)
        reached = {name: found for name, found, _ in image.windows}.get(store)
        inside = inside or reached == epoch
        if reached == epoch or (reached is None and number <= last):
            needed.append(number)
    return inside, min(needed, default=None)
