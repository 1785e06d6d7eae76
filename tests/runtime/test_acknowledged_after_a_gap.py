"""Commits of a log that begins anew, whose positions come again, and stores that know of the old one only."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from bkpc_runtime.errors import StoreLocked
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository.segments import gap_key
from bkpc_runtime.steps.log_acknowledging import Acknowledging, SyncWish
from bkpc_runtime.steps.log_delivery import Delivery
from bkpc_runtime.steps.log_outgoing import Outgoing
from bkpc_runtime.steps.log_parcels import Gap
from bkpc_runtime.steps.log_spool import Spool
from bkpc_runtime.steps.log_start import Start
from bkpc_runtime.steps.log_stream import delivery_of
from bkpc_runtime.stores.store import Store, StoredObject
from tests.runtime.retention.made import PREFIX, binlog
from tests.runtime.retention.memory import MemoryStore
from tests.runtime.test_log_noting import Away, segment, unpacked, until

OLD, ANEW = Position(binlog(7), 900), Position(binlog(1), 0)
GAP = Gap(OLD, ANEW, "begun anew", int(time.time()))


@pytest.fixture
def stores() -> list[Away]:
    return [Away("near"), Away("far")]


def test_a_store_that_does_not_know_of_the_gap_counts_for_nothing_after_it(stores: list[Away], tmp_path: Path) -> None:
    deliveries = [Delivery(one, PREFIX, Start(1, OLD), lambda: None) for one in stores]
    outgoing = Outgoing(unpacked, Spool(tmp_path / "spool", PREFIX), deliveries, lambda: None, OLD, encrypted=False)
    stores[1].away = True
    outgoing.take(GAP)
    waits_for_both(deliveries, stores)
    outgoing.end()


def test_nor_where_a_stream_begins_with_the_gap(stores: list[Away]) -> None:
    stores[1].away = True
    start = Start(1, OLD, gap=GAP)
    waits_for_both([delivery_of(one, PREFIX, start, lambda: None) for one in stores], stores)


@pytest.mark.parametrize(("seen", "goes_on"), [(GAP, True), (replace(GAP, position=Position(binlog(2), 0)), False)])
def test_where_nothing_can_be_replaced_a_gap_that_another_agent_has_told_of_is_taken(seen: Gap, goes_on: bool) -> None:
    """Each tells when it has seen it: two of them never write the same."""
    store = Locked("far")
    other = replace(seen, detected_at=seen.detected_at - 7, from_=Position(binlog(7), 800), reason="seen by another")
    store.put(gap_key(PREFIX, 2), other.body())
    delivery = delivery_of(cast(Store, store), PREFIX, Start(1, OLD, gap=GAP), lambda: None)
    if goes_on:
        until(lambda: delivery.held is not None)
        assert (delivery.epoch, delivery.failure) == (2, "")
        parcel = segment(0, 100)
        parcel.expect(1)
        delivery.add(parcel)
        until(lambda: delivery.durable == Position(binlog(1), 100))
    else:
        until(lambda: "locked" in delivery.failure)
        assert delivery.held is None
    assert store.get(gap_key(PREFIX, 2)) == other.body()


class Locked(MemoryStore):
    """What is there stays."""

    def put(self, key: str, body: bytes) -> StoredObject:
        if self.objects.get(key, body) != body:
            raise StoreLocked(f"{key} is locked")
        return super().put(key, body)


def waits_for_both(deliveries: list[Delivery], stores: list[Away]) -> None:
    acknowledging = Acknowledging(SyncWish(2, None), PREFIX)
    commit = Position(binlog(1), 100)
    acknowledging.expect(ANEW)
    acknowledging.expect(commit)
    until(lambda: deliveries[0].epoch == 2)
    parcel = segment(0, 100)
    parcel.expect(2)
    for one in deliveries:
        one.add(parcel)
    until(lambda: deliveries[0].durable == commit)
    assert acknowledging.may_return(deliveries) is None
    stores[1].away = False
    until(lambda: acknowledging.may_return(deliveries) == commit or not acknowledging.waiting())
    assert [one.held for one in deliveries] == [commit, commit]
