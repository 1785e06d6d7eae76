"""Mistakes to plant in the checker: a simulator that notices none of them proves nothing.

Each is a name and what plants it for the time of a `with` statement. `test_soundness.py` demands that a short run finds
a violation under each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any
from unittest.mock import patch

from msgspec import structs

from bkpc_compiler.estate import failures, resources
from bkpc_compiler.feasibility import (
    bounds,
    by_turns,
    demand,
    holding,
    image_reading,
    images,
    increments,
    judging,
    left_out,
    levels,
    lines,
    log_delay,
    log_reading,
    looking,
    recovery_least,
    recovery_time,
    staleness,
    starting,
    stream,
    thaw,
    thaw_waits,
    together,
)
from bkpc_compiler.feasibility.background import Beside
from bkpc_compiler.program.model import Cadence, Database
from bkpc_compiler.timetable import calendar
from bkpc_compiler.timetable.calendar import DAY
from bkpc_compiler.timetable.occupancy import Occupancy

Plant = Callable[[], AbstractContextManager[Any]]


def _log(**change: Any) -> Plant:
    """A figure of the log's arrivals left out of its bound."""
    true = stream.arrivals_of
    return lambda: patch.object(stream, "arrivals_of", lambda demand: replace(true(demand), **change))


def _images_at_once() -> AbstractContextManager[Any]:
    """An image counts from its snapshot, not from when it is whole: levels as if they were aligned."""
    true = staleness.Leg

    def leg(period: int, phase: int, start: int, end: int, shift: int) -> staleness.Leg:
        return true(period, phase, start, start, shift)

    return patch.object(images, "Leg", leg)


def _clocks_never_change() -> AbstractContextManager[Any]:
    true = staleness.Leg
    return patch.object(images, "Leg", lambda period, phase, start, end, shift: true(period, phase, start, end, 0))


def _no_retries() -> AbstractContextManager[Any]:
    """A slot has room for one attempt only."""
    return patch.object(demand, "effort_of", lambda job, retries: int(job.bytes.amount))


def _alone_in_the_world() -> AbstractContextManager[Any]:
    """The streams and jobs of databases that are left are not seen beside a recovery."""
    return patch.object(Beside, "__call__", lambda self, name: 0)


def _no_headroom() -> AbstractContextManager[Any]:
    true = resources.derated
    return patch.object(resources, "derated", lambda one, headroom: true(one, Fraction(0)))


def _needs_are_not_waited_for() -> AbstractContextManager[Any]:
    return patch.object(together, "waited_for", lambda outage, name: ())


def _only_a_burst_is_replayed() -> AbstractContextManager[Any]:
    def log(database: Database, line: object, age: object) -> int:
        return database.burst.value.bytes_up() if getattr(line, "log", None) is not None else 0

    return patch.object(recovery_time, "log_to_replay", log)


def _thawed_at_once() -> AbstractContextManager[Any]:
    return patch.object(recovery_time, "thaw_of", lambda store: None)


def _one_sharer_missed() -> AbstractContextManager[Any]:
    """What a recovery reserves is forgotten when the next one looks for room."""
    return patch.object(Occupancy, "reserve", lambda self, start, lasts, rate: None)


@contextmanager
def _nothing_to_provision() -> Iterator[None]:
    """Neither in the terms nor in the milliseconds of a way back."""

    def without(true: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        return lambda line, place: true(line, structs.replace(place, standby=None))

    with (
        patch.object(recovery_time, "_ready", without(recovery_time._ready)),
        patch.object(recovery_time, "ready_after", without(recovery_time.ready_after)),
    ):
        yield


def _no_detection() -> AbstractContextManager[Any]:
    """A recovery begins with the failure itself."""
    true = bounds.given_term

    def term(label: str, given: Any) -> Any:
        return () if label == "detect" else true(label, given)

    return patch.object(recovery_time, "given_term", term)


@contextmanager
def _half_the_share() -> Iterator[None]:
    """A quantile of half of the instants asked for."""
    true = staleness.Staleness.quantile

    def half(self: staleness.Staleness, share: Fraction) -> Fraction:
        return true(self, share if share >= 1 else share / 2)

    with patch.object(staleness.Staleness, "quantile", half):
        yield


def _always_the_log() -> AbstractContextManager[Any]:
    """A refutation from replaying a log where the image alone would do."""
    return patch.object(recovery_least.Follows, "written_in", property(lambda self: self.age.total.amount * 1000))


def _one_after_the_other() -> AbstractContextManager[Any]:
    """A refutation from fetching the log when the image is loaded, and from waiting for both thaws before."""
    part = recovery_least._at_best

    def least(recovery: Any, follows: Any) -> bounds.Bound:
        moved = recovery_least._moved(recovery, follows)
        return bounds.Bound((*recovery.lead, *(part(one) for one in moved), *recovery.tail))

    return patch.object(recovery_least, "_least", least)


def _oldest_of_all_stores() -> AbstractContextManager[Any]:
    """A refutation from the oldest of the images that are left."""

    def oldest(choice: Any, share: Fraction, stores: object) -> bounds.Bound:
        found: list[bounds.Bound] = [line.image.age_at_least(share, arrives=False) for line in choice.lines]
        return max(found, key=lambda one: one.total)

    return patch.object(recovery_least, "_least_age", oldest)


def _never_left_out() -> AbstractContextManager[Any]:
    """An incremental image is taken though a full one of its server is."""
    return patch.object(left_out, "_left_out", lambda job, fulls: 0)


def _several_at_once() -> AbstractContextManager[Any]:
    """A server gives several images at once."""
    return patch.object(demand, "shared_servers", lambda jobs: frozenset())


def _nothing_behind() -> AbstractContextManager[Any]:
    """Of a chain the full image is loaded only."""
    true = increments.increments_in

    def empty(jobs: Any) -> Any:
        return {store: structs.replace(one, bytes=0) for store, one in true(jobs).items()}

    return patch.object(images, "increments_in", empty)


def _reads_only_what_changed() -> AbstractContextManager[Any]:
    """To find what changed an incremental image reads that only."""
    return patch.object(demand, "sought_of", lambda job, retries: 0)


def _prepared_at_once() -> AbstractContextManager[Any]:
    return patch.object(recovery_time, "preparing", lambda database, images: 0)


def _tables_in_no_time() -> AbstractContextManager[Any]:
    """Tables cost their bytes only."""
    return patch.object(starting, "creating", lambda database: 0)


def _begun_in_no_time() -> AbstractContextManager[Any]:
    """Jobs take what their bytes take."""
    return patch.object(levels, "job_starting", lambda database, policy, level: 0)


def _no_limit() -> AbstractContextManager[Any]:
    true = demand._request

    def request(*given: Any) -> Any:
        return replace(true(*given), ceiling=None)

    return patch.object(demand, "_request", request)


def _everyone_for_himself() -> AbstractContextManager[Any]:
    """A group goes back to the point that suits the one that is asked about."""
    return patch.object(judging.Commons, "members", lambda self, outage, name: ())


def _known_at_once() -> AbstractContextManager[Any]:
    """What is stored is known to be all."""
    return patch.object(stream.StreamDemand, "noted", property(lambda self: Fraction(0)))


def _logs_reach_every_image() -> AbstractContextManager[Any]:
    return patch.object(judging, "image_before_logs", lambda lines: 0)


def _no_quota() -> AbstractContextManager[Any]:
    return patch.object(thaw_waits, "thaw_days", lambda asked, everyone=None: (0, None))


def _copies_first() -> AbstractContextManager[Any]:
    """Copies out of a class that must thaw wait for nobody."""
    return patch.object(thaw, "_queue", lambda storage, copied: 0)


def _any_store_has_all() -> AbstractContextManager[Any]:
    """One store that is left has what commits waited for, whatever the quorum."""
    return patch.object(lines, "_every_quorum", lambda level, readable: readable > 0)


def _locked_long_enough() -> AbstractContextManager[Any]:
    """Whoever breaks in does not delete what is read."""
    return patch.object(holding, "_lock", lambda outage, choice: (True, None, None))


def _everything_is_locked() -> AbstractContextManager[Any]:
    return patch.object(failures, "locked", lambda store, policy: True)


def _short_months() -> AbstractContextManager[Any]:
    """No month is longer than 30 days."""
    true = calendar.rhythm_of

    def rhythm(schedule: Any) -> Any:
        found = true(schedule)
        shorter = replace(found, period=30 * DAY, gap=30 * DAY + found.shift)
        return shorter if schedule.cadence is Cadence.MONTHLY else found

    return patch.object(resources, "rhythm_of", rhythm)


def _asked_for_all_at_once() -> AbstractContextManager[Any]:
    """The pieces of a log cost their bytes only."""
    return patch.object(log_reading.Reading, "wait", property(lambda self: 0))


def _thawed_for_itself() -> AbstractContextManager[Any]:
    """A member of a group waits for no thaw of another."""
    return patch.object(thaw_waits, "_last_to_thaw", lambda group: None)


def _found_at_once() -> AbstractContextManager[Any]:
    """A group knows its point in common, and every log's names, without a look."""
    return patch.object(together, "look_of", lambda setting, choices: looking.Look((), ()))


def _all_tables_at_once() -> AbstractContextManager[Any]:
    """The objects of an image cost their bytes only."""
    return patch.object(image_reading.Objects, "wait", property(lambda self: 0))


def _stored_at_once() -> AbstractContextManager[Any]:
    """What requests for the objects of an image cost a job is in no slot."""
    return patch.object(levels, "objects_moved", lambda *_: None)


def _waits_for_no_other() -> AbstractContextManager[Any]:
    """An object of a log waits for none that was cut before it."""

    def delay(log: Any, rate: Any) -> log_delay.Delay:
        held = min(log.burst + log.writes * log.flush, Fraction(16 << 20))
        return log_delay.Delay(log.flush, 2 * log.latency, held / rate)

    return patch.object(stream, "delay", delay)


def _handed_on_by_the_byte() -> AbstractContextManager[Any]:
    """A log is replayed as it is read."""
    return patch.object(recovery_time, "handing", lambda *_: 0)


def _asked_in_no_time() -> AbstractContextManager[Any]:
    """All objects are asked to thaw at once."""
    return patch.object(together, "asked_by", lambda frozen: None)


def _seen_at_once() -> AbstractContextManager[Any]:
    """Somebody tells when all has thawed."""
    return patch.object(recovery_time, "look_ms", lambda thaw: 0)


def _each_store_alone() -> AbstractContextManager[Any]:
    """A refutation from the best store alone, where several have images by turns."""

    def best(images_: Any, share: Fraction, *, arrives: bool) -> bounds.Bound:
        found: list[bounds.Bound] = [one.age_at_least(share, arrives=arrives) for one in images_]
        return min(found, key=lambda one: one.total)

    return patch.object(by_turns, "least_age", best)


def _each_copy_asks_alone() -> AbstractContextManager[Any]:
    """What other copies ask to thaw holds none of them up."""
    return patch.object(demand.JobDemand, "behind_others", property(lambda self: 0))


def _late_is_never() -> AbstractContextManager[Any]:
    """What has no slot is taken for what no plan does in its window."""
    return patch.object(demand.JobDemand, "hopeless", property(lambda self: self.slot is None))


def _requests_of_two() -> AbstractContextManager[Any]:
    """A refutation from two requests for an object of a burst, as in the upper bound."""
    true = log_delay.least_delay

    def least(log: Any, capacity: Any) -> log_delay.Delay | None:
        found = true(log, capacity)
        return found and structs.replace(found, latency=2 * found.latency)

    return patch.object(stream, "least_delay", least)


MUTATIONS: tuple[tuple[str, Plant, str | None], ...] = (
    ("the log's latency is dropped", _log(latency=Fraction(0)), None),
    ("the log's burst is dropped", _log(burst=Fraction(0)), None),
    ("the flush period is dropped", _log(flush=Fraction(0)), None),
    ("images count before they are whole", _images_at_once, None),
    ("clocks never change", _clocks_never_change, None),
    ("failed attempts cost nothing", _no_retries, None),
    ("nothing else runs beside a recovery", _alone_in_the_world, None),
    ("links carry all they are said to", _no_headroom, None),
    ("what is needed is not waited for", _needs_are_not_waited_for, None),
    ("only a burst is replayed", _only_a_burst_is_replayed, None),
    ("a thaw takes no time", _thawed_at_once, None),
    ("one sharer is missed", _one_sharer_missed, None),
    ("a standby is always ready", _nothing_to_provision, None),
    ("a failure is noticed at once", _no_detection, None),
    ("a quantile of half the instants", _half_the_share, None),
    ("incremental images are never left out", _never_left_out, "incremental"),
    ("several images of a server are taken at once", _several_at_once, None),
    ("incremental images are not loaded", _nothing_behind, "incremental"),
    ("an incremental image reads only what changed", _reads_only_what_changed, "incremental"),
    ("an image is prepared in no time", _prepared_at_once, "incremental"),
    ("tables are loaded in no time", _tables_in_no_time, None),
    ("jobs start in no time", _begun_in_no_time, None),
    ("a limit is not kept", _no_limit, "limit"),
    ("a group goes back alone", _everyone_for_himself, "grouped"),
    ("what is stored is known to be all", _known_at_once, "grouped"),
    ("logs have reached every image", _logs_reach_every_image, "grouped"),
    ("a thaw waits for no quota", _no_quota, "quota"),
    ("copies thaw before all others", _copies_first, "quota"),
    ("any store has what commits wait for", _any_store_has_all, "sync"),
    ("a lock lasts until all is read", _locked_long_enough, "intruder"),
    ("everything is locked", _everything_is_locked, "intruder"),
    ("a month has 30 days", _short_months, "monthly"),
    ("the pieces of a log come at once", _asked_for_all_at_once, None),
    ("the objects of an image come at once", _all_tables_at_once, None),
    ("the objects of an image are stored at once", _stored_at_once, None),
    ("an object of a log waits for no other", _waits_for_no_other, None),
    ("binlogs are replayed while they come", _handed_on_by_the_byte, None),
    ("a thaw is asked for in no time", _asked_in_no_time, "quota"),
    ("each copy asks alone", _each_copy_asks_alone, "quota"),
    ("a thaw is seen at once", _seen_at_once, "quota"),
    ("a group knows its point in common at once", _found_at_once, "grouped"),
    ("a member of a group thaws for itself", _thawed_for_itself, "grouped"),
    ("refuted: all of the log is replayed", _always_the_log, None),
    ("refuted: the log comes after the image", _one_after_the_other, "quota"),
    ("refuted: the oldest image counts", _oldest_of_all_stores, None),
    ("refuted: each store is judged alone", _each_store_alone, None),
    ("refuted: what has no slot has no room", _late_is_never, None),
    ("refuted: an object costs two requests", _requests_of_two, None),
)
"""Each (what is wrong, what plants it, what cases are dense with that show it soon)."""
