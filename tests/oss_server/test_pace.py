"""Rates: of a connection, of the account, of requests."""

from __future__ import annotations

import threading
import time
from typing import Any

import oss2
import pytest

from tests.oss_server import OssServer

MIB = 1024 * 1024


def seconds(work: Any) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def test_a_connection_keeps_to_its_limit_and_others_do_not(bucket: Any) -> None:
    limit = {"x-oss-traffic-limit": str(8 * MIB)}  # a MiB per second
    assert 0.8 <= seconds(lambda: bucket.put_object("a", bytes(MIB), headers=limit)) <= 2.5
    assert 0.8 <= seconds(lambda: bucket.get_object("a", headers=limit).read()) <= 2.5
    assert seconds(lambda: bucket.get_object("a").read()) < 0.8


@pytest.mark.parametrize("limit", ["819199", "838860801", "fast"])
def test_limits_out_of_bounds_are_refused(bucket: Any, limit: str) -> None:
    with pytest.raises(oss2.exceptions.InvalidArgument):
        bucket.put_object("a", b"x", headers={"x-oss-traffic-limit": limit})


def test_the_account_shares_its_bandwidth(server: OssServer, bucket: Any) -> None:
    server.service.incoming.rate = 2 * MIB
    workers = [threading.Thread(target=bucket.put_object, args=(f"k{one}", bytes(MIB))) for one in range(3)]

    def all_of_them() -> None:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    assert 1.2 <= seconds(all_of_them) <= 4


def test_more_requests_than_allowed_are_sent_away_with_a_hint(server: OssServer, bucket: Any) -> None:
    server.service.options.requests_per_second = 5
    seen = []
    for _ in range(8):
        try:
            bucket.put_object("a", b"x")
        except oss2.exceptions.ServerError as refusal:
            seen.append((refusal.status, 0 < int(refusal.headers["x-oss-qos-delay-time"]) <= 1001))
    assert seen == [(503, True)] * 3


def test_names_that_follow_one_another_are_sent_away_sooner(server: OssServer, bucket: Any) -> None:
    spread = [f"{number * 7919 % 1009:04}/{number}" for number in range(220)]
    for name in spread[:200]:
        bucket.put_object(name, b"x")
    server.service.options.sequential_per_second = 5

    def refused(names: list[str]) -> int:
        count = 0
        for name in names:
            try:
                bucket.put_object(name, b"x")
            except oss2.exceptions.ServerError as refusal:
                count += refusal.code == "QpsLimitExceeded"
        return count

    assert refused([f"2026-06-01/{number:04}" for number in range(10)]) == 4, "the first follows none, five may"
    time.sleep(1.1)
    assert refused(spread[200:]) == 0
    assert refused(["2026-06-01/0000"] * 20) == 0, "a name that is there is no new one"
