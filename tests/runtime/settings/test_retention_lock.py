"""The lock that nobody can undo: begun, completed, prolonged; never shortened, never more than the plan asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import oss2
import pytest

from bkpc_runtime.errors import PolicyBroken, StoreUnreachable
from bkpc_runtime.settings import retention_lock
from tests.oss_server import OssServer
from tests.oss_server.faults import Kind
from tests.runtime.settings.wishes import NOTHING, looked, mended, settings, told

LOCKED = replace(NOTHING, lock_days=30, unsuspended=True)


def locks(server: OssServer) -> list[str]:
    return told(server, LOCKED, "retention lock")


def state(bucket: Any) -> tuple[str, int]:
    worm = bucket.get_bucket_worm()
    return worm.state, worm.retention_period_days


def test_it_is_begun_and_completed(server: OssServer, bucket: Any) -> None:
    (found,) = looked(server, LOCKED, "retention lock")
    assert found.text.startswith("+ retention lock: 30 days, for ever (")
    assert "can never be undone" in found.forever
    assert "`backup`" in found.forever
    mended(server, LOCKED)
    assert state(bucket) == ("Locked", 30)
    server.advance(timedelta(days=2))
    assert state(bucket) == ("Locked", 30)


def test_without_agreement_it_is_left_out_and_the_rest_is_done(server: OssServer, bucket: Any) -> None:
    reversible = [one for one in looked(server, LOCKED) if not one.forever]
    assert [line.split(":")[0] for line in mended(server, LOCKED, reversible)] == ["+ lifecycle"]
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        bucket.get_bucket_worm()


def test_one_begun_and_not_completed_is_completed(server: OssServer, bucket: Any) -> None:
    bucket.init_bucket_worm(30)
    (line,) = locks(server)
    assert line.startswith("~ retention lock: 30 days, begun → 30 days, for ever (it lapses")
    mended(server, LOCKED)
    assert state(bucket) == ("Locked", 30)


def test_one_that_has_lapsed_is_begun_again(server: OssServer, bucket: Any) -> None:
    bucket.init_bucket_worm(30)
    server.advance(timedelta(hours=25))
    assert locks(server)[0].startswith("+ retention lock")
    mended(server, LOCKED)
    assert state(bucket) == ("Locked", 30)


def test_a_shorter_one_that_is_only_begun_is_replaced(server: OssServer, bucket: Any) -> None:
    bucket.init_bucket_worm(7)
    assert locks(server)[0].startswith("~ retention lock: 7 days, begun → 30 days")
    mended(server, LOCKED)
    assert state(bucket) == ("Locked", 30)


def test_a_longer_one_that_is_only_begun_is_not_completed_for_anybody(server: OssServer, bucket: Any) -> None:
    bucket.init_bucket_worm(400)
    (line,) = locks(server)
    assert line.startswith("! retention lock: one of 400 days is begun and not completed (the plan asks for 30")
    with pytest.raises(PolicyBroken, match="400 days"):
        mended(server, LOCKED, [replace(one, sign="+") for one in looked(server, LOCKED)])
    with pytest.raises(PolicyBroken, match="not locked"):
        retention_lock.mend(settings(server), LOCKED)
    assert state(bucket) == ("InProgress", 400)


def test_a_shorter_lock_is_prolonged(server: OssServer, bucket: Any) -> None:
    bucket.complete_bucket_worm(bucket.init_bucket_worm(7).worm_id)
    (found,) = looked(server, LOCKED, "retention lock")
    assert found.text.startswith("~ retention lock: 7 days → 30 days, for ever")
    assert found.forever
    mended(server, LOCKED)
    assert state(bucket) == ("Locked", 30)
    assert locks(server) == []


@pytest.mark.parametrize(("asked", "says"), [(30, "the plan asks for 30"), (0, "the plan asks for none; it stays")])
def test_a_longer_lock_is_left_and_told(server: OssServer, bucket: Any, asked: int, says: str) -> None:
    bucket.complete_bucket_worm(bucket.init_bucket_worm(90).worm_id)
    wanted = replace(LOCKED, lock_days=asked)
    (line,) = told(server, wanted, "retention lock")
    assert line.startswith("note: retention lock: locked for 90 days")
    assert says in line
    retention_lock.mend(settings(server), wanted)
    assert state(bucket) == ("Locked", 90)


def test_more_days_than_oss_takes(server: OssServer) -> None:
    (line,) = told(server, replace(LOCKED, lock_days=25_551), "retention lock")
    assert line.startswith("! retention lock: 25551 days are more than OSS takes")


def test_a_crash_between_begin_and_completion_is_made_good_by_the_next_run(server: OssServer, bucket: Any) -> None:
    agreed = looked(server, LOCKED)
    server.fault("refuse", method="POST", match="wormId", times=100_000)
    with pytest.raises(StoreUnreachable):
        mended(server, LOCKED, agreed)
    assert state(bucket) == ("InProgress", 30)
    server.faults.rules.clear()
    assert locks(server)[0].startswith("~ retention lock: 30 days, begun")
    mended(server, LOCKED)
    assert state(bucket) == ("Locked", 30)
    assert looked(server, LOCKED) == []


@pytest.mark.parametrize("match", [r"\?worm=$", "wormId"])
def test_an_answer_that_is_lost_is_not_a_failure(server: OssServer, bucket: Any, match: str) -> None:
    fault = server.fault("lost", method="POST", match=match, times=1)
    mended(server, LOCKED)
    assert fault.done == 1
    assert state(bucket) == ("Locked", 30)


@pytest.mark.parametrize("kind", ["lost", "refuse", "status"])
def test_whichever_request_goes_wrong_it_is_locked_in_the_end(server: OssServer, bucket: Any, kind: Kind) -> None:
    nth, done = 0, True
    while done:
        nth += 1
        server.service.unmake("backup")
        server.bucket()
        fault = server.fault(kind, nth=nth, times=1, status=503)
        mended(server, LOCKED)
        done = bool(fault.done)
        server.faults.rules.clear()
        assert state(bucket) == ("Locked", 30)
    assert nth > 10


def test_one_that_somebody_changes_in_between_is_not_completed(server: OssServer, bucket: Any) -> None:
    class Between:
        """Somebody replaces the retention right after ours was begun."""

        def __init__(self) -> None:
            self.bucket = settings(server)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.bucket, name)

        def begin_retention(self, days: int) -> None:
            self.bucket.begin_retention(days)
            bucket.abort_bucket_worm()
            bucket.init_bucket_worm(3650)

    with pytest.raises(PolicyBroken, match="changed by somebody else"):
        retention_lock.mend(Between(), LOCKED)  # type: ignore[arg-type]
    assert state(bucket) == ("InProgress", 3650)
