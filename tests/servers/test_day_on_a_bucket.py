"""Hours of a database's life on two buckets, by the clock of the service, while 2 % of all requests fail.

`make oss-day` lives 24 of them; BKPC_OSS_HOURS says how many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.executor import due_jobs, run_job
from bkpc_runtime.repository import catalogue
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.verify import verify_image
from bkpc_runtime.stores import oss
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.world import World
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import digests
from tests.oss_server import OssServer
from tests.servers import test_through_trouble
from tests.servers.command_line import Office
from tests.servers.conftest import FLAVOURS
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import restore
from tests.servers.test_through_trouble import TROUBLES, again, world_of

HOURS = int(os.environ.get("BKPC_OSS_HOURS", "2"))
HASTY = Patience(total=8.0, first=0.01, longest=0.1, busy=2.0, answer=1.0)
buckets, office = test_through_trouble.buckets, test_through_trouble.office
HOURLY = (("full daily at 02:00 within 1h", "full hourly"), ("cold daily at 05:00 within 1h", "cold hourly"))


@pytest.fixture(params=FLAVOURS[:1])
def fresh_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayServer]:
    """One kind of server: what differs here is the store."""
    with start_server(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


class Day:
    """A world whose clock is the service's, and what was in the database at each hour."""

    def __init__(self, world: World, office: Office, buckets: OssServer) -> None:
        self.world = replace(world, clock=lambda: datetime.now(UTC) + buckets.service.clock.aged)
        self.office, self.buckets = office, buckets
        self.known: list[tuple[str, dict[str, str]]] = []

    def hour(self, number: int) -> None:
        """What came due is done, tried again as the agent does."""
        server = self.office.server
        if number == 1:
            self.outage()
        for job in due_jobs(self.world, self.world.plan.jobs, self.world.clock()):
            again(lambda job=job: run_job(self.world, job))  # type: ignore[misc]
        server.run(f"INSERT INTO shop.audit (what) VALUES ('hour {number}')", "FLUSH BINARY LOGS")
        self.known.append((position(server).text, digests(server)))
        server.run("DELETE FROM shop.audit LIMIT 1")
        self.buckets.advance(timedelta(hours=1))

    def outage(self) -> None:
        """The service goes away in the midst of an upload, for longer than anybody waits."""
        (job,) = [one for one in self.world.plan.jobs if one.kind == "backup.full"]
        before = [*self.buckets.faults.rules]
        self.buckets.fault("status", match="partNumber=|uploadId=", status=503)
        with pytest.raises(StoreFailed) as raised:
            run_job(self.world, job)
        assert raised.value.retryable
        self.buckets.faults.rules = before


def test_a_day_with_faults_at_every_fiftieth_request(
    office: Office, buckets: OssServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oss, "Patience", lambda: HASTY)
    policy = test_through_trouble.POLICY
    for daily, hourly in HOURLY:
        policy = policy.replace(daily, hourly)
    monkeypatch.setattr(test_through_trouble, "POLICY", policy)
    day = Day(world_of(office, buckets), office, buckets)
    stores = [day.world.store(name) for name in ("far", "vault")]
    asked = len(buckets.requests)
    with Streaming(office.server, stores, office.recipient) as running:
        wait_for(running, position(office.server))
        share = 20 // 10
        buckets.faults.rules = [
            replace(one, per_mille=share, times=0) for one in TROUBLES if one.kind not in {"late", "delay"}
        ][:10]
        for number in range(HOURS):
            day.hour(number)
        wait_for(running, position(office.server))
    struck = sum(rule.done for rule in buckets.faults.rules)
    print(f"{HOURS} hours: {len(buckets.requests) - asked:,} requests, {struck} of them failed")
    held = nothing_missing(day, tmp_path)
    assert held == {"far": HOURS, "vault": HOURS}


def nothing_missing(day: Day, tmp_path: Path) -> dict[str, int]:
    """Reads every byte back, restores two of the hours, and lets the grace pass; how many images each store has."""
    identity = [Secret((day.office.folder / "key.txt").read_text().strip())]
    held: dict[str, int] = {}
    for name in ("far", "vault"):
        store = day.world.store(name)
        images = catalogue.all_images(store, "shop")
        held[name] = len(images)
        for image in images:
            assert verify_image(image, store, identity).problems == ()
    day.buckets.faults.rules = []
    for number, name in ((HOURS // 2, "far"), (HOURS - 1, "vault")):
        point, wanted = day.known[number]
        with start_server(day.office.server.flavour, tmp_path / f"rescue{number}") as rescue:
            restore(day.world.store(name), rescue, point, identity)
            assert digests(rescue) == wanted
    assert any(bucket.uploads for bucket in day.buckets.buckets.values())  # of the outage
    day.buckets.advance(timedelta(days=4))
    for name in held:
        day.world.store(name).sweep((day.world.clock() - timedelta(days=3)).timestamp())
    assert not any(bucket.uploads for bucket in day.buckets.buckets.values())
    return held
