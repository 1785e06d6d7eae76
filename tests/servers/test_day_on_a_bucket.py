"""Hours of a database's life on two buckets, by the clock of the service, while 2 % of all requests fail.

Images, log, copies, verification and expiry. `make oss-day` lives 24 hours; BKPC_OSS_HOURS says how many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bkpc_grammar.plan import Job
from bkpc_runtime import upkeep
from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.executor import due_jobs, run_job
from bkpc_runtime.repository import catalogue
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps import image as image_step
from bkpc_runtime.steps.expire import Source
from bkpc_runtime.steps.verify import verify_image
from bkpc_runtime.stores import oss
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.world import World
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import digests
from tests.oss_server import OssServer
from tests.oss_server.faults import Fault
from tests.servers import test_through_trouble
from tests.servers.command_line import Office
from tests.servers.conftest import FLAVOURS
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import restore
from tests.servers.test_through_trouble import TROUBLES, again, world_of

HOURS = int(os.environ.get("BKPC_OSS_HOURS", "2"))
HOUR = timedelta(hours=1)
KEEP, GRACE = 6, 2
"""In hours. A day is too short for a grace of three days."""
OLDEST = KEEP + GRACE + 4
"""Nothing is older: an image holds the oldest point for an hour; expiry runs by the hour, to mark and to delete it."""
HASTY = Patience(total=8.0, first=0.01, longest=0.1, busy=2.0, answer=1.0)
STORES = ("far", "vault")
CERTAIN = (
    Fault("lost", method="POST", match="uploadId=", nth=2),
    Fault("status", nth=97, status=429, code="TooManyRequests"),
    Fault("late", nth=101, seconds=1.3),
    Fault("foreign", method="PUT", nth=23, status=302, headers={"Location": "/-/requests"}),
    Fault("foreign", nth=53, status=200),
    Fault("babble", match="list-type", nth=29),
)
"""What no day may be without: an upload that was put together and whose answer was lost, above all; and somebody else
who answers in place of OSS."""
buckets, office = test_through_trouble.buckets, test_through_trouble.office
CHANGES = (
    ("full daily at 02:00 within 1h", "full hourly"),
    ("cold daily at 05:00 within 1h", "cold hourly"),
    ("keep 14d", f"keep {KEEP}h  flow {{{{ verify every backup }}}}"),
)


@pytest.fixture(params=FLAVOURS[:1])
def fresh_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayServer]:
    """One kind of server: what differs here is the store."""
    with start_server(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


class Day:
    """A world whose clock is the service's, and what was in the database at each hour."""

    def __init__(self, world: World, office: Office, buckets: OssServer) -> None:
        grace = GRACE * 3_600_000
        kept = tuple(msgspec.structs.replace(one, grace_ms=grace) for one in world.plan.retention)
        plan = msgspec.structs.replace(world.plan, retention=kept)
        self.world = replace(world, plan=plan, clock=lambda: datetime.now(UTC) + buckets.service.clock.aged)
        self.office, self.buckets = office, buckets
        self.known: list[tuple[str, dict[str, str]]] = []
        self.told: list[str] = []

    def jobs(self, kind: str) -> list[Job]:
        return [one for one in self.world.plan.jobs if one.kind == kind]

    def hour(self, number: int) -> None:
        """What came due is done, tried again as the agent does."""
        server = self.office.server
        if number == 1:
            self.outage()
        self.work()
        server.run(f"INSERT INTO shop.audit (what) VALUES ('hour {number}')", "FLUSH BINARY LOGS")
        self.known.append((position(server).text, digests(server)))
        server.run("DELETE FROM shop.audit LIMIT 1")
        self.buckets.advance(HOUR)

    def work(self) -> None:
        due = due_jobs(self.world, self.world.plan.jobs, self.world.clock())
        for job in (*due, *self.jobs("verify"), *self.jobs("expire")):
            again(lambda job=job: self.told.append(run_job(self.world, job)))  # type: ignore[misc]

    def outage(self) -> None:
        """The service goes away in the midst of an upload, for longer than anybody waits."""
        (job,) = self.jobs("backup.full")
        before = [*self.buckets.faults.rules]
        self.buckets.fault("status", match="partNumber=|uploadId=", status=503)
        with pytest.raises(StoreFailed) as raised:
            run_job(self.world, job)
        assert raised.value.retryable
        self.buckets.faults.rules = before

    def counted(self, what: str) -> int:
        """How many such things expiry tells of."""
        words = [part.split() for line in self.told for part in line.replace(";", ",").replace(": ", ", ").split(", ")]
        return sum(int(one[0]) for one in words if " ".join(one[1:]) == what)


@pytest.fixture
def day(office: Office, buckets: OssServer, monkeypatch: pytest.MonkeyPatch) -> Day:
    monkeypatch.setattr(oss, "Patience", lambda: HASTY)
    policy = test_through_trouble.POLICY
    for before, after in CHANGES:
        assert before in policy
        policy = policy.replace(before, after)
    monkeypatch.setattr(test_through_trouble, "POLICY", policy)
    office.environ["BKPC_AGE_IDENTITY"] = str(office.folder / "key.txt")
    world = world_of(office, buckets)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    day = Day(world, office, buckets)
    source = upkeep._source

    def moved(world: World, database: object) -> Source:
        """The server's clock can't be moved: it goes with the service's."""
        return replace(source(world, database), now=day.world.clock())  # type: ignore[arg-type]

    monkeypatch.setattr(upkeep, "_source", moved)
    monkeypatch.setattr(image_step, "time_of", lambda _: day.world.clock())
    return day


def test_a_day_with_faults_at_every_fiftieth_request(day: Day, tmp_path: Path) -> None:
    buckets, server = day.buckets, day.office.server
    asked = len(buckets.requests)
    with Streaming(server, [day.world.store(name) for name in STORES], day.office.recipient) as running:
        wait_for(running, position(server))
        share = 2  # in a thousand, of each kind: some strike one kind of request alone
        buckets.faults.rules = [*map(replace, CERTAIN), *(replace(one, per_mille=share, times=0) for one in TROUBLES)]
        for number in range(HOURS):
            day.hour(number)
        wait_for(running, position(server))
        struck = sum(rule.done for rule in buckets.faults.rules)
        requests = len(buckets.requests) - asked
        assert [rule for rule in buckets.faults.rules[: len(CERTAIN)] if not rule.done] == []
        nothing_missing(day, tmp_path)
        nothing_left(day)
    deleted = {what: day.counted(what) for what in ("images deleted", "binlogs deleted", "broken-off images swept")}
    verified = sum(line.count("image ") for line in day.told if line.startswith("verified"))
    failed = f"{struck} of them failed ({struck / requests:.1%})"
    print(f"{HOURS} hours: {requests:,} requests, {failed}; {verified} images verified; {deleted}")
    assert deleted["images deleted"] >= 2 * (HOURS - 1)


def nothing_missing(day: Day, tmp_path: Path) -> None:
    """Reads every byte back, and restores the oldest of the hours that are promised, and the last."""
    identity = [Secret((day.office.folder / "key.txt").read_text().strip())]
    now, begins = day.world.clock(), max(0, HOURS - KEEP)
    for name in STORES:
        store = day.world.store(name)
        images = catalogue.all_images(store, "shop")
        began = [datetime.fromisoformat(one.manifest.began) for one in images]
        assert now - min(began) < OLDEST * HOUR, "what is older is gone"
        assert len({int((now - one) / HOUR) for one in began}) >= min(HOURS, KEEP), "one of each hour"
        for image in images:
            assert verify_image(image, store, identity).problems == ()
    day.buckets.faults.rules = []
    for number, name in ((begins, "far"), (HOURS - 1, "vault")):
        point, wanted = day.known[number]
        with start_server(day.office.server.flavour, tmp_path / f"rescue{number}{name}") as rescue:
            restore(day.world.store(name), rescue, point, identity)
            assert digests(rescue) == wanted


def nothing_left(day: Day) -> None:
    """Days later all that was broken off or is kept no more has gone."""
    assert any(bucket.uploads for bucket in day.buckets.buckets.values())  # of the outage
    day.buckets.advance(timedelta(days=4))
    assert not any(bucket.uploads for bucket in day.buckets.buckets.values()), "the lifecycle rule of `apply`"
    began = day.world.clock()
    for hours in (KEEP + 1, GRACE, 0):  # a new image, old enough to be the oldest point's; marked; deleted
        day.work()
        day.buckets.advance(hours * HOUR)
    for name in STORES:
        store = day.world.store(name)
        images = catalogue.all_images(store, "shop")
        assert min(datetime.fromisoformat(one.manifest.began) for one in images) >= began
        ids = {one.manifest.id for one in images}
        of_images = {one.key.split("/")[3] for one in store.list("shop/") if one.key.split("/")[2] == "images"}
        assert of_images == ids, "no parts without a manifest"
        binlogs = {one.key.split("/")[4] for one in store.list("shop/") if one.key.endswith((".zst", ".zst.age"))}
        oldest = min(images, key=lambda one: one.manifest.id).manifest.binlog_file
        assert min(one for one in binlogs if not one.startswith("part-")) >= oldest, "no log before the oldest image"
