"""A life of a database, drawn at random: whatever is promised stays restorable at every step, and what should go goes.

Beside the stores, twins from which nothing is ever deleted: what they can restore, and a policy promises, the stores
must be able to restore. EXAMPLES and STEPS make it longer (`make retention`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bkpc_runtime.errors import StepFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, marks
from bkpc_runtime.repository.expiry import Rules, decide
from bkpc_runtime.repository.holdings import READING_LASTS, holdings_of
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.steps.copy import copy_image
from bkpc_runtime.steps.expire import Source, expire
from bkpc_runtime.steps.reading import hold_for_reading, spare_leftovers
from tests.runtime.retention import made, oracle
from tests.runtime.retention.made import DAY, HOUR, PREFIX, SERVER
from tests.runtime.retention.memory import Crash, MemoryStore

START = datetime(2026, 3, 20, 7, 30, tzinfo=UTC)
ZONE = "Europe/Berlin"  # its clocks are put forward on the 29th
GRACE = 8 * HOUR  # shorter than from one image to the next: a mistake is not made good before it has done harm


class Life(RuleBasedStateMachine):
    """`near` takes images and log, `far` copies and, late, log."""

    @initialize(
        span=st.sampled_from([None, 2 * DAY, 5 * DAY]),
        counts=st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)),
        verified=st.booleans(),
        judged=st.booleans(),
        apart=st.booleans(),
    )
    def begin(
        self, span: timedelta | None, counts: tuple[int, int, int, int], verified: bool, judged: bool, apart: bool
    ) -> None:
        """`apart`: the log lies in `far` alone, away from most images."""
        self.apart = apart
        for_ever = span is None and not any(counts)
        self.kept_by = Rules(span, counts, ZONE, GRACE, 2 * DAY, verified, judged, for_ever)
        self.near, self.far = MemoryStore("near"), MemoryStore("far")
        self.twins = {"near": MemoryStore("near"), "far": MemoryStore("far")}
        self.now = START
        self.epoch, self.number, self.offset = 1, 1, 0
        self.late: list[tuple[Any, ...]] = []  # what far's log lacks
        self.points: list[tuple[datetime, oracle.Place]] = []
        self.epochs: dict[str, int] = {}
        self.held: set[str] = set()
        self.eased = START
        self.reading: dict[str, tuple[datetime, str]] = {}
        self.writing: tuple[Manifest, datetime] | None = None
        self.skew = 0

    # ------------------------------------------------------------ the world goes on

    @rule(hours=st.sampled_from([1, 5, 11, 23, 40]), rotates=st.booleans())
    def time_passes(self, hours: int, rotates: bool) -> None:
        self.now += timedelta(hours=hours)
        start = self.offset
        self.offset += 10
        self._log("segment", self.epoch, self.number, start, self.offset)
        self.points.append((self.now, (self.epoch, self.number, self.offset)))
        if rotates:
            self._log("end", self.epoch, self.number, self.offset)
            self.number, self.offset = self.number + 1, 0

    @rule(restarts=st.booleans())
    def the_log_breaks_off(self, restarts: bool) -> None:
        self.epoch += 1
        self.number, self.offset = (1 if restarts else self.number + 1), 0
        self._log("gap", self.epoch, self.now)

    @rule()
    def far_catches_up(self) -> None:
        for one in self.late:
            self._put_log(self.far, one)
            self._put_log(self.twins["far"], one)
        self.late.clear()

    def _log(self, *what: Any) -> None:
        for store in () if self.apart else (self.near, self.twins["near"]):
            self._put_log(store, what)
        self.late.append(what)

    def _put_log(self, store: MemoryStore, what: tuple[Any, ...]) -> None:
        put: dict[str, Callable[..., None]] = {"segment": made.put_log, "end": made.put_end, "gap": made.put_gap}
        put[what[0]](store, *what[1:])

    # ------------------------------------------------------------ images

    @rule(incremental=st.booleans(), verdict=st.sampled_from(["ok", "ok", "ok", "warn", "hold"]))
    def an_image_is_taken(self, incremental: bool, verdict: str) -> None:
        parent = max(oracle.images(self.near), default="") if incremental else ""
        image = self._new(parent)
        for store in (self.near, self.twins["near"]):
            made.put_image(store, image)
        self._judge(image, verdict)

    def _new(self, parent: str = "") -> Manifest:
        self.now += HOUR + timedelta(seconds=1)
        position = Position(made.binlog(self.number), self.offset)
        origin = made.origin_of(self.epoch, self.number)
        image = made.manifest(self.now - HOUR, position, parent=parent, origin=origin)
        self.epochs[image.id] = self.epoch
        return image

    def _judge(self, image: Manifest, verdict: str) -> None:
        for store in (self.near, self.twins["near"]):
            marks.put(store, PREFIX, marks.JUDGED, image.id, verdict, self.now)
        if verdict == "hold":
            self.held.add(image.id)

    @rule(data=st.data())
    @precondition(lambda self: self.held)
    def somebody_releases(self, data: st.DataObject) -> None:
        image = data.draw(st.sampled_from(sorted(self.held)))
        marks.put(self.near, PREFIX, marks.RELEASED, image, "released", self.now, because="it was us")
        self.held.discard(image)
        self.eased = self.now

    @rule()
    def all_is_verified(self) -> None:
        for store in (self.near, self.far):
            for image in oracle.images(store):
                marks.put(store, PREFIX, marks.VERIFIED, image, "ok", self.now)

    @rule(after=st.none() | st.integers(0, 12))
    def the_newest_is_copied(self, after: int | None) -> None:
        """With all that it builds on; it may break off."""
        there = catalogue.all_images(self.near, "shop")
        self.far.changes_left = after
        try:
            for image in catalogue.chain(there[0], there) if there else ():
                copy_image(image, self.near, self.far)
        except Crash:
            pass
        finally:
            self.far.changes_left = None
        self._twin_copies()

    def _twin_copies(self) -> None:
        twin = self.twins["far"]
        for key, body in self.far.objects.items():
            if "/images/" in key:
                twin.objects.setdefault(key, body)
        twin._sorted = None

    @rule(parts=st.integers(1, 3))
    def an_image_breaks_off(self, parts: int) -> None:
        made.put_parts(self.near, made.manifest(self.now, Position("", 0), parts=parts))

    @rule()
    @precondition(lambda self: self.writing is None)
    def a_slow_copy_begins(self) -> None:
        there = oracle.images(self.near)
        if there:
            newest = next(one for one in catalogue.all_images(self.near, "shop") if one.manifest.id == max(there))
            if newest.manifest.parent or newest.manifest.id in oracle.images(self.far):
                return
            spare_leftovers(self.far, PREFIX, newest.manifest.id)
            made.put_parts(self.far, newest.manifest)
            self.writing = newest.manifest, self.now

    @rule()
    @precondition(lambda self: self.writing is not None)
    def a_slow_copy_ends(self) -> None:
        """No job takes longer than half of the grace; what has taken longer has failed."""
        assert self.writing is not None
        image, began = self.writing
        self.writing = None
        if self.now - began <= GRACE / 2:
            made.put_manifest(self.far, image)
            assert image.id in oracle.images(self.far), "parts were swept under a running copy"
            self._twin_copies()

    # ------------------------------------------------------------ restores

    @rule(data=st.data(), near=st.booleans())
    def a_restore_begins(self, data: st.DataObject, near: bool) -> None:
        store = self.near if near else self.far
        there = catalogue.all_images(store, "shop")
        if there:
            image = data.draw(st.sampled_from(there))
            try:
                hold_for_reading(store, image, self.now, log_too=True, why="a test")
            except StepFailed:
                return
            self.reading[image.manifest.id] = self.now, store.name

    # ------------------------------------------------------------ expiry

    @rule(seconds=st.sampled_from([0, 0, 0, 240, -240, 86400, -86400, 400_000, 40_000_000]))
    def the_clock_steps(self, seconds: int) -> None:
        """Of the machine that bkpc runs on."""
        self.skew = seconds

    @rule(
        both=st.sampled_from([0, 0, 0, 40_000_000]),
        crash=st.none() | st.integers(0, 25),
        where=st.booleans(),
    )
    def expiry_runs(self, both: int, crash: int | None, where: bool) -> None:
        """`both`: seconds that this machine's clock and the server's are off together."""
        source = self.now + timedelta(seconds=both)
        (self.near if where else self.far).changes_left = crash
        try:
            self._expire(source + timedelta(seconds=self.skew), source)
        except Crash:
            pass
        finally:
            self.near.changes_left = self.far.changes_left = None

    def _expire(self, now: datetime, source: datetime) -> None:
        rules = {"near": self.kept_by, "far": self.kept_by}
        expire([self.near, self.far], "shop", rules, Source(SERVER, source), now)

    @rule()
    @precondition(lambda self: not self.kept_by.for_ever)
    def what_should_go_goes(self) -> None:
        """Backups arrive and expiry runs, for as long as the grace and a day."""
        self.writing, self.skew = None, 0
        for _ in range(5):
            self.now += 12 * HOUR
            self.an_image_is_taken(False, "ok")
            self.the_newest_is_copied(None)
            self.all_is_verified()
            for hours in (1, 11):
                self.time_passes(hours, True)
                self.far_catches_up()
                self._expire(self.now, self.now)
                self.what_is_promised_can_be_restored()
        for store in (self.near, self.far):
            self._nothing_too_old(store)
        self._no_old_log()

    def _nothing_too_old(self, store: MemoryStore) -> None:
        """What nothing needed when the grace began is gone; held images, and what a restore reads, stop the rest."""
        there = oracle.images(store, whole=False)
        then = self.now - GRACE - DAY - 3 * HOUR
        if self._stopped(then) or any(oracle.chain(one, there) is None for one in there.values()):
            return
        old = {name: one for name, one in there.items() if datetime.fromisoformat(one.finished) <= then}
        reasons = set(there) - set(old) | self._counted(old, then) | ({max(old)} if old else set())
        since = (then - self.kept_by.span).isoformat() if self.kept_by.span else then.isoformat()
        before = [one for one in old if old[one].finished <= since]
        if self.kept_by.span:
            reasons |= set(old) - set(before)
            newest = {self.epochs[one]: one for one in sorted(before)}
            reasons |= set(newest.values())
        reasons |= {link.id for one in reasons for link in oracle.chain(there[one], there) or ()}
        assert set(there) <= reasons, f"{store.name} still has {self._why(store, set(there) - reasons)}"
        leftovers = set(store.folders(f"{PREFIX}/images/")) - set(there)
        assert all(self.now - marks.time_of(one) < 2 * GRACE + 2 * DAY for one in leftovers), leftovers

    def _stopped(self, then: datetime) -> bool:
        """Whether an image that is held, or read, was or is needed for that alone."""
        read = any(at > then - READING_LASTS for at, _ in self.reading.values())
        return bool(self.held) or self.eased > then or read

    def _why(self, store: MemoryStore, images: set[str]) -> str:
        """Why it keeps them, in its own words."""
        holdings = holdings_of([self.near, self.far], "shop", self.now)
        decisions = decide(holdings, {"near": self.kept_by, "far": self.kept_by}, self.now)
        (own,) = (one for one in decisions if one.store == store.name)
        return str({image: own.kept.get((PREFIX, image), "it goes") for image in sorted(images)})

    def _no_old_log(self) -> None:
        """Nor is log that no image needed then, in whichever store; both go by the images of both."""
        there = oracle.images(self.near, whole=False) | oracle.images(self.far, whole=False)
        then = self.now - GRACE - DAY - 3 * HOUR
        old = [one for one in there.values() if datetime.fromisoformat(one.finished) <= then]
        own = [one for one in old if self.epochs[one.id] == self.epoch]
        if self._stopped(then) or not own:
            return
        since = (then - self.kept_by.span).isoformat() if self.kept_by.span else then.isoformat()
        newest = [max((one.id for one in own if one.finished <= since and one.id in oracle.images(store)), default="")
                  for store in (self.near, self.far)]  # fmt: skip
        needed = [there[one].number for one in newest if one]
        needed += [one.number for one in own if one.finished > since]
        for store in (self.near, self.far):
            numbers = [number for epoch, number in oracle.spans(store) if epoch == self.epoch]
            assert min(numbers, default=min(needed)) >= min(needed), (
                f"{store.name} still has log before binlog {min(needed)}"
            )

    # ------------------------------------------------------------ what must hold

    def _read_now(self) -> set[str]:
        return {one for one, (at, _) in self.reading.items() if self.now - at < READING_LASTS}

    def _counted(self, there: dict[str, oracle.Seen], now: datetime | None = None) -> set[str]:
        """The newest trusted image of each day, week, month and year that counts."""
        zone = ZoneInfo(ZONE)
        today = (now or self.now).astimezone(zone).date()
        trusted = [one for one in there.values() if self._trusted(one, there)]
        wanted = set()
        for unit, count in enumerate(self.kept_by.counts):
            for back in range(count):
                days = [one for one in trusted if self._back(one, today, unit, zone) == back]
                wanted |= {max(one.id for one in days)} if days else set()
        return wanted

    def _trusted(self, image: oracle.Seen, there: dict[str, oracle.Seen]) -> bool:
        links = oracle.chain(image, there)
        return links is not None and not any(one.id in self.held for one in links)

    @staticmethod
    def _back(image: oracle.Seen, today: date, unit: int, zone: ZoneInfo) -> int:
        """How many days, weeks, months or years ago it was taken."""
        day = datetime.fromisoformat(image.began).astimezone(zone).date()
        if unit == 0:
            return (today - day).days
        if unit == 1:
            monday = [one - timedelta(days=one.weekday()) for one in (today, day)]
            return (monday[0] - monday[1]).days // 7
        if unit == 2:
            return (today.year - day.year) * 12 + today.month - day.month
        return today.year - day.year

    @invariant()
    def nothing_is_there_that_a_restore_would_wrongly_trust(self) -> None:
        for store in (self.near, self.far) if hasattr(self, "near") else ():
            whole, all_ = oracle.images(store), oracle.images(store, whole=False)
            assert set(whole) == set(all_), f"{store.name}: {sorted(set(all_) - set(whole))} lack parts or a parent"

    @invariant()
    def what_is_promised_can_be_restored(self) -> None:
        if not hasattr(self, "near"):
            return
        if self.kept_by.span is not None:
            since = self.now - self.kept_by.span + timedelta(minutes=5)
            self._points_are_there({place for at, place in self.points if at >= since})
        for store in (self.near, self.far):
            self._images_are_there(store)

    def _points_are_there(self, promised: set[oracle.Place]) -> None:
        could = oracle.restorable(self.twins.values(), self.epochs, self.held, promised)
        can = oracle.restorable((self.near, self.far), self.epochs, self.held, promised)
        assert could <= can, f"no way back to {sorted(could - can)}"

    def _images_are_there(self, store: MemoryStore) -> None:
        ever, now = oracle.images(self.twins[store.name]), oracle.images(store)
        wanted = self._counted(ever)
        wanted |= {
            one.id for one in ever.values() if any(link.id in self.held for link in oracle.chain(one, ever) or ())
        }
        trusted = [one.id for one in ever.values() if self._trusted(one, ever)]
        wanted |= {max(trusted)} if trusted else set()
        wanted |= {one for one in self._read_now() if self.reading[one][1] == store.name}
        if self.kept_by.for_ever:
            wanted |= set(ever)
        if self.kept_by.span is not None:
            since = (self.now - self.kept_by.span).isoformat()
            wanted |= {one for one in trusted if ever[one].finished > since}
            wanted |= {
                max((one for one in trusted if ever[one].finished <= since), default=max(trusted, default=""))
            } - {""}
        assert wanted <= set(now), f"{store.name} lacks {sorted(wanted - set(now))}"
        if trusted:
            newest = ever[max(trusted)]
            latest = [
                place for _, place in self.points if place >= (self.epochs[newest.id], newest.number, newest.offset)
            ]
            self._points_are_there(set(latest))


QUICK = [Phase.explicit, Phase.generate] if "QUICK" in os.environ else list(Phase)
Life.TestCase.settings = settings(
    phases=QUICK,
    max_examples=int(os.environ.get("EXAMPLES", "30")),
    stateful_step_count=int(os.environ.get("STEPS", "40")),
    deadline=None,
    derandomize="EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
TestLife = Life.TestCase
