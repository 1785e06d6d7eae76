"""Thawing on the virtual clock, and the quota that a crowd waits for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import oss2
import pytest
from oss2.models import RestoreConfiguration, RestoreJobParameters

from tests.oss_server import OssServer
from tests.oss_server.thaw import Quota


def freeze(bucket: Any, key: str, storage_class: str) -> None:
    bucket.put_object(key, b"x", headers={"x-oss-storage-class": storage_class})


def thaw(bucket: Any, key: str, tier: str | None = None, days: int = 2) -> int:
    jobs = RestoreJobParameters(tier) if tier else None
    asked = RestoreConfiguration(days=days, job_parameters=jobs)
    return int(bucket.restore_object(key, input=asked).status)


def readable(bucket: Any, key: str) -> bool:
    try:
        return bool(bucket.get_object(key).read() == b"x")
    except oss2.exceptions.ServerError as refusal:
        if refusal.code != "InvalidObjectState":
            raise
        return False


@pytest.mark.parametrize(
    ("storage_class", "tier", "minutes"),
    [
        ("Archive", None, 1),
        ("ColdArchive", "Expedited", 60),
        ("ColdArchive", "Standard", 300),
        ("ColdArchive", "Bulk", 720),
        ("DeepColdArchive", "Expedited", 720),
        ("DeepColdArchive", "Standard", 2880),
    ],
)
def test_a_thaw_takes_its_tiers_time_and_ends(
    server: OssServer, bucket: Any, storage_class: str, tier: str | None, minutes: int
) -> None:
    freeze(bucket, "a", storage_class)
    assert not readable(bucket, "a")
    assert thaw(bucket, "a", tier) == 202
    server.advance(timedelta(minutes=minutes, seconds=-30))
    assert not readable(bucket, "a")
    assert bucket.head_object("a").headers["x-oss-restore"] == 'ongoing-request="true"'
    server.advance(timedelta(seconds=31))
    assert readable(bucket, "a")
    assert "expiry-date" in bucket.head_object("a").headers["x-oss-restore"]
    assert thaw(bucket, "a", tier) == 200
    server.advance(timedelta(days=2, seconds=1))
    assert not readable(bucket, "a")


def test_a_thaw_under_way_can_only_be_raised(server: OssServer, bucket: Any) -> None:
    freeze(bucket, "a", "ColdArchive")
    thaw(bucket, "a", "Bulk")
    with pytest.raises(oss2.exceptions.RestoreAlreadyInProgress):
        thaw(bucket, "a", "Bulk")
    assert thaw(bucket, "a", "Expedited") == 202
    server.advance(timedelta(minutes=61))
    assert readable(bucket, "a")


def test_a_crowd_waits_for_the_quota(server: OssServer, bucket: Any) -> None:
    server.service.thaws.quotas["ColdArchive"] = Quota(objects=500, size=86_400)  # a byte a second
    for key in "abc":
        bucket.put_object(key, bytes(3600), headers={"x-oss-storage-class": "ColdArchive"})
        thaw(bucket, key, "Expedited")
    server.advance(timedelta(hours=2, minutes=1))
    states = [bucket.head_object(key).headers["x-oss-restore"] for key in "abc"]
    assert ["true" in state for state in states] == [False, True, True]
    server.advance(timedelta(hours=2))
    assert all("false" in bucket.head_object(key).headers["x-oss-restore"] for key in "abc")


def test_what_is_not_frozen_is_not_thawed(bucket: Any) -> None:
    freeze(bucket, "a", "IA")
    with pytest.raises(oss2.exceptions.OperationNotSupported):
        thaw(bucket, "a")
