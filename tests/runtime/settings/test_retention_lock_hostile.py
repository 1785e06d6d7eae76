"""The lock that nobody can undo, while somebody else works on the same bucket between any two of our requests.

Whatever they do, ours completes or prolongs to the plan's days and no others; and where it says that it is done, it is.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import oss2
import pytest

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.settings import reconcile, retention_lock
from bkpc_runtime.stores.oss_settings import BucketSettings
from tests.oss_server import OssServer
from tests.oss_server.settings import Lock
from tests.runtime.settings.wishes import NOTHING, looked, settings

DAYS = 30
LOCKED = replace(NOTHING, lock_days=DAYS, unsuspended=True)
Deed = Callable[[OssServer, Any], object]


def begin(days: int) -> Deed:
    return lambda _, bucket: bucket.init_bucket_worm(days)


def replaced(days: int) -> Deed:
    return lambda _, bucket: (bucket.abort_bucket_worm(), bucket.init_bucket_worm(days))


def complete(_: OssServer, bucket: Any) -> None:
    bucket.complete_bucket_worm(bucket.get_bucket_worm().worm_id)


def locked(days: int) -> Deed:
    return lambda _, bucket: bucket.complete_bucket_worm(bucket.init_bucket_worm(days).worm_id)


def prolong(days: int) -> Deed:
    return lambda _, bucket: bucket.extend_bucket_worm(bucket.get_bucket_worm().worm_id, days)


DEEDS: dict[str, Deed] = {
    "nothing": lambda *_: None,
    "abort": lambda _, bucket: bucket.abort_bucket_worm(),
    "lapse": lambda server, _: server.advance(timedelta(hours=25)),
    "begin 7": begin(7),
    "begin 30": begin(DAYS),
    "begin 3650": begin(3650),
    "replace by 7": replaced(7),
    "replace by 3650": replaced(3650),
    "complete": complete,
    "lock 7": locked(7),
    "lock 90": locked(90),
    "prolong to 90": prolong(90),
    "suspend": lambda _, bucket: bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Suspended")),
}


class Between:
    """The bucket's settings; before each request somebody does what is next in `deeds`, after it ours are noted."""

    def __init__(self, server: OssServer, bucket: Any, deeds: Iterator[Deed]) -> None:
        self._real, self._server, self._bucket, self._deeds = settings(server), server, bucket, deeds
        self.ours: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if not callable(real):
            return real

        def called(*given: Any) -> Any:
            with contextlib.suppress(oss2.exceptions.OssError):  # theirs may come at the wrong time
                next(self._deeds, DEEDS["nothing"])(self._server, self._bucket)
            before = _lock(self._server)
            answer = real(*given)
            now = _lock(self._server)
            if (
                now
                and now.state == "Locked"
                and (before is None or (before.state, before.days) != ("Locked", now.days))
            ):
                self.ours.append((name, now.days))
            return answer

        return called


def _lock(server: OssServer) -> Lock | None:
    held = server.buckets["backup"].settings.lock
    return replace(held) if held else None


def hostile(server: OssServer, bucket: Any, before: str, deeds: Iterator[Deed]) -> str:
    """What came of it; raises where ours has locked for longer than the plan asks."""
    server.service.unmake("backup")
    server.bucket()
    with contextlib.suppress(oss2.exceptions.OssError):
        DEEDS[before](server, bucket)
    agreed = [one for one in looked(server, LOCKED, retention_lock.NAME) if one.changes]
    between = Between(server, bucket, deeds)
    try:
        list(reconcile.mend(between, LOCKED, agreed))  # type: ignore[arg-type]
        ended = "done" if agreed else "nothing to do"
    except RuntimeFailure as problem:
        ended = type(problem).__name__
    assert all(days == DAYS for _, days in between.ours), (before, between.ours)
    held = _lock(server)
    if ended == "done":
        assert held, before
        assert (held.state, held.days >= DAYS) == ("Locked", True), before
    return ended


BEFORE = ("nothing", "begin 7", "begin 30", "begin 3650", "lock 7", "lock 90", "suspend")


@pytest.mark.parametrize("before", BEFORE)
def test_nothing_is_locked_for_longer_than_asked_whoever_comes_between(
    server: OssServer, bucket: Any, before: str
) -> None:
    chance = random.Random(before)  # noqa: S311 - the same each time
    deeds = list(DEEDS.values())
    ends = set()
    for moment, deed in itertools.product(range(5), deeds):
        ends.add(hostile(server, bucket, before, iter([DEEDS["nothing"]] * moment + [deed])))
    for _ in range(8):
        ends.add(hostile(server, bucket, before, iter(chance.choices(deeds, k=8))))
    assert ends <= {"done", "nothing to do", "PolicyBroken", "Refused", "StoreFailed", "StepFailed", "StoreDenied"}, (
        ends
    )


@pytest.mark.parametrize(("first", "second"), [(30, 30), (30, 7), (7, 30)])
def test_two_applies_at_once_end_with_the_longer_of_what_they_ask(
    server: OssServer, bucket: Any, first: int, second: int
) -> None:
    """The second runs whole between any two requests of the first."""
    other = replace(LOCKED, lock_days=second)

    def whole(server: OssServer, _: Any) -> None:
        agreed = [one for one in looked(server, other, retention_lock.NAME) if one.changes]
        with contextlib.suppress(RuntimeFailure):
            list(reconcile.mend(settings(server), other, agreed))

    ended = []
    for moment in range(6):
        server.service.unmake("backup")
        server.bucket()
        ours = replace(LOCKED, lock_days=first)
        agreed = looked(server, ours, retention_lock.NAME)
        between: Any = Between(server, bucket, iter([DEEDS["nothing"]] * moment + [whole]))
        try:
            list(reconcile.mend(between, ours, agreed))
            ended.append("done")
        except RuntimeFailure as problem:
            ended.append(type(problem).__name__)
        held = _lock(server)
        assert held
        assert held.state == "Locked"
        assert held.days in {first, second}
        assert held.days == max(first, second) or ended[-1] != "done"
    assert "done" in ended


@pytest.mark.parametrize("before", BEFORE)
def test_without_agreement_nothing_is_begun_nor_completed(server: OssServer, bucket: Any, before: str) -> None:
    with contextlib.suppress(oss2.exceptions.OssError):
        DEEDS[before](server, bucket)
    was = _lock(server)
    server.requests.clear()
    agreed = [one for one in looked(server, LOCKED) if one.changes and not one.forever]
    with contextlib.suppress(RuntimeFailure):
        list(reconcile.mend(settings(server), LOCKED, agreed))
    assert _lock(server) == was
    assert not any("worm" in line for line in server.requests if not line.startswith("GET"))


def test_one_that_is_killed_between_any_two_requests_is_made_good(server: OssServer, bucket: Any) -> None:
    """As `kill -9` ends it: nothing of ours runs afterwards."""

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    for before, moment in itertools.product(("nothing", "begin 7", "begin 30", "lock 7"), range(7)):
        server.service.unmake("backup")
        server.bucket()
        DEEDS[before](server, bucket)
        agreed = [one for one in looked(server, LOCKED, retention_lock.NAME) if one.changes]
        between: Any = Between(server, bucket, iter([DEEDS["nothing"]] * moment + [kill]))
        with contextlib.suppress(Killed):
            list(reconcile.mend(between, LOCKED, agreed))
        again = [one for one in looked(server, LOCKED, retention_lock.NAME) if one.changes]
        real: BucketSettings = settings(server)
        list(reconcile.mend(real, LOCKED, again))
        held = _lock(server)
        assert held
        assert (held.state, held.days) == ("Locked", DAYS)
