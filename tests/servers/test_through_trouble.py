"""A database's life on buckets where everything goes wrong once: each request fails, and is mended by the next try."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bkpc_runtime.errors import StepFailed
from bkpc_runtime.executor import run_job
from bkpc_runtime.repository import catalogue
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps import image as image_step
from bkpc_runtime.steps.verify import verify_image
from bkpc_runtime.stores import oss
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.world import World, open_world
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import digests
from tests.demo.shop import load
from tests.oss_server import KEY_ID, KEY_SECRET, OssServer
from tests.oss_server.faults import Fault
from tests.servers.command_line import Office
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import restore

POLICY = """\
edition 1
import "std/oss"
site here {{ region "cn-hangzhou" }}
store far at here {{ oss "backup/shop"  endpoint "{endpoint}"
  credentials env OSS_KEY_ID, OSS_KEY_SECRET  reads 1Gbit/s  writes 1Gbit/s }}
store vault at here {{ oss "vault/shop"  endpoint "{endpoint}"
  credentials env OSS_KEY_ID, OSS_KEY_SECRET  reads 1Gbit/s  writes 1Gbit/s }}
database shop at here {{ mysql "127.0.0.1:{port}"  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h  burst 8MiB }}
policy basic {{
  promise against corruption {{ rpo 10s  rto 30min }}
  full daily at 02:00 within 1h to far
  cold daily at 05:00 within 1h from far to vault
  hot to far, vault every 1s
  keep 14d
  recover by timepoint
  encrypt rest to "{recipient}"
}}
protect shop with basic
"""
HASTY = Patience(total=30.0, first=0.01, longest=0.1, busy=2.0, answer=1.0)
OBJECTS = r"part-|MANIFEST|\.zst|\.end|\.json"
TROUBLES = (
    Fault("status", status=500),
    Fault("reset", after=300),
    Fault("garble", method="PUT", match=OBJECTS),
    Fault("corrupt", method="GET", match=OBJECTS, after=50),
    Fault("lost"),
    Fault("status", status=503, code="QpsLimitExceeded", headers={"x-oss-qos-delay-time": "20"}),
    Fault("truncate", method="GET", after=40),
    Fault("interrupt", method="PUT", after=10),
    Fault("refuse"),
    Fault("reset", method="GET", after=5_000_000),
    Fault("status", status=429, code="TooManyRequests"),
    Fault("lost", method="POST"),
    Fault("late", seconds=1.3, times=2),
    Fault("delay", seconds=1.3, times=2),
    Fault("foreign", status=302, headers={"Location": "/-/requests"}),
    Fault("foreign", status=200),
    Fault("babble", match="list-type|uploads|delete"),
)
"""Wrong bytes strike objects alone: TLS would notice them in a listing. Where the redirection leads, all is answered
with 200; who follows it has stored nothing."""


@pytest.fixture
def buckets(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "oss") as server:
        server.bucket("backup")
        server.bucket("vault")
        yield server
        assert server.problems == []


@pytest.fixture
def office(fresh_server: ThrowawayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(fresh_server.bin))
    monkeypatch.setattr(oss, "Patience", lambda: HASTY)
    load(fresh_server)
    # More than a part of an upload and a range of a download, and nothing that shrinks.
    fresh_server.run(
        "CREATE TABLE shop.blobs (id INT PRIMARY KEY, body LONGBLOB)",
        *(f"INSERT INTO shop.blobs VALUES ({number}, X'{os.urandom(3 << 20).hex()}')" for number in range(4)),
    )
    office = Office.opened(tmp_path / "office", fresh_server)
    office.environ |= {"OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
    monkeypatch.setenv("SHOP_DB_PASSWORD", office.environ["SHOP_DB_PASSWORD"])
    return office


def world_of(office: Office, buckets: OssServer) -> World:
    office.write(POLICY.format(endpoint=buckets.endpoint, port=office.server.port, recipient=office.recipient))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    return open_world(office.folder / "plan.json", office.environ)


def stream(world: World, office: Office, *statements: str) -> None:
    """Runs the statements; the log of them is in both stores when it returns."""
    stores = [world.store(name) for name in ("far", "vault")]
    with Streaming(office.server, stores, office.recipient) as running:
        office.server.run(*statements)
        wait_for(running, position(office.server))


def test_a_life_in_which_every_request_fails_once(office: Office, buckets: OssServer, tmp_path: Path) -> None:
    world = world_of(office, buckets)
    jobs = {one.kind: one for one in world.plan.jobs}
    identity = [Secret((office.folder / "key.txt").read_text().strip())]
    # The other server's life meets other faults at the same requests.
    buckets.faults.rotation, buckets.faults.turn = TROUBLES, 0 if office.server.flavour == "mariadb" else 7
    stream(world, office)
    for number in range(2):
        again(lambda: run_job(world, jobs["backup.full"]))
        stream(world, office, f"INSERT INTO shop.audit (what) VALUES ('life {number}')", "FLUSH BINARY LOGS")
    again(lambda: run_job(world, jobs["copy"]))
    stream(world, office, "INSERT INTO shop.audit (what) VALUES ('after the copy')")
    held = {name: catalogue.all_images(world.store(name), "shop") for name in ("far", "vault")}
    assert [len(images) for images in held.values()] == [2, 1]
    for name, images in held.items():
        for image in images:
            found = verify_image(image, world.store(name), identity)
            assert found.problems == ()
            assert found.window_end == position(office.server)
    assert len(buckets.faults.known) > 60
    buckets.faults.known.clear()
    with start_server(office.server.flavour, tmp_path / "rescue") as rescue:
        restore(world.store("vault"), rescue, "latest", identity)
        assert digests(rescue) == digests(office.server)
    leave_nothing_behind(world, buckets)


def again(work: Callable[[], object]) -> None:
    """As the agent does with a job that failed."""
    for _ in range(2):
        try:
            work()
            return
        except StepFailed as problem:
            if not problem.retryable:
                raise
    work()


def leave_nothing_behind(world: World, buckets: OssServer) -> None:
    """Uploads that were begun twice, because the first answer was lost, go after the grace. What takes them away begins
    none twice by itself."""
    buckets.faults.rotation = ()
    buckets.advance(timedelta(days=4))
    later = replace(world, clock=lambda: datetime.now(UTC) + timedelta(days=4))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(image_step, "time_of", lambda _: later.clock())  # the server's clock goes with ours
        for job in world.plan.jobs:
            if job.kind in {"backup.full", "copy"}:
                run_job(later, job)
    assert [bucket.uploads for bucket in buckets.buckets.values()] == [{}, {}]
