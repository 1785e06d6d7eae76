"""The main job with a bucket instead of a directory, and with both."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps import log_stream
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.patience import Patience
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import digests
from tests.demo.shop import load, objects
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.servers.command_line import Office
from tests.servers.streaming import Streaming, archived, binlogs, position, wait_for, wait_until

POLICY = """\
edition 1
import "std/oss"

site here {{ region "cn-hangzhou" }}
site there {{ region "cn-hangzhou" }}
link here -- there {{ bandwidth 1Gbit/s  latency 1ms }}
store disk at here {{ directory "backups" }}
store far at there {{
  oss "backup/shop"
  endpoint "{endpoint}"
  credentials env OSS_KEY_ID, OSS_KEY_SECRET
  reads 1Gbit/s  writes 1Gbit/s
}}

database shop at here {{
  mysql "127.0.0.1:{port}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h  burst 8MiB
}}

policy basic {{
  promise against corruption {{ rpo 10s  rto 30min }}
  full daily at 02:00 within 1h to {image}
{copy}  hot  to {log} every 1s
  keep 14d
  recover by timepoint, files
  encrypt rest to "{recipient}"
}}

protect shop with basic
"""


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "oss") as server:
        server.bucket()
        yield server


@pytest.fixture
def office(fresh_server: ThrowawayServer, tmp_path: Path) -> Office:
    load(fresh_server)
    office = Office.opened(tmp_path / "office", fresh_server)
    office.environ |= {"OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
    return office


def agree(office: Office, bucket: OssServer, image: str, log: str, copy: str = "") -> None:
    office.write(
        POLICY.format(
            endpoint=bucket.endpoint,
            port=office.server.port,
            recipient=office.recipient,
            image=image,
            log=log,
            copy=copy,
        )
    )
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)


def stream_until_stored(office: Office, stores: int) -> str:
    """Runs the agent until every store has the log up to now; that position."""
    agent = office.start("agent", "plan.json")
    try:
        for _ in range(100):
            # MariaDB writes what is no transaction by itself, some time after a binlog was begun.
            end = position(office.server).text
            listed = office.bkpc("list", "plan.json", expect=0).text
            if listed.count(f"log to {end}") == stores:
                return end
            time.sleep(0.2)
        raise AssertionError(listed + (office.folder / "agent.log").read_text())
    finally:
        agent.terminate()
        assert agent.wait(60) == 0


def listed(requests: list[str]) -> Counter[str]:
    """How often each folder of a log was listed."""
    asked = (parse_qs(line.partition("?")[2]) for line in requests if line.startswith("GET "))
    return Counter(prefix for one in asked for prefix in one.get("prefix", ()) if "/logs/" in prefix)


def test_back_from_a_bucket_alone(office: Office, bucket: OssServer, tmp_path: Path) -> None:
    agree(office, bucket, "far", "far")
    told = office.bkpc("apply", "plan.json", "--yes", expect=0).text
    parts, asked = (int(re.search(rf"(\d+) {what}", told)[1]) for what in ("parts", "requests"))  # type: ignore[index]
    assert asked == parts + 2  # one each, one listing of them all, the manifest
    office.server.run("INSERT INTO shop.audit (what) VALUES ('later')")
    before, there = digests(office.server), objects(office.server)
    office.server.run("DROP TABLE shop.reviews")
    stream_until_stored(office, 1)
    found = office.bkpc("log", "plan.json", "shop", "--find", "drop table shop.reviews", expect=0).text
    point = found.split("--to ")[1].split()[0]
    assert "problems" in office.bkpc("verify", "plan.json", expect=0).text
    asked_before = len(bucket.requests)
    with start_server(office.server.flavour, tmp_path / "rescue") as rescue:
        office.bkpc("restore", "plan.json", "shop", "--to", point, "--into", rescue.url, expect=0)
        assert (digests(rescue), objects(rescue)) == (before, there)
    folders = listed(bucket.requests[asked_before:])
    assert len(folders) >= 3  # all epochs, all binlogs of one, all objects of one
    assert set(folders.values()) == {1}
    assert all(line.split()[1].startswith("backup/") for line in bucket.requests)
    assert not (office.folder / "backups").exists()


def test_a_bucket_made_and_locked_by_apply(office: Office, bucket: OssServer, tmp_path: Path) -> None:
    """Everything that runs on a bucket runs on one that keeps what it is given for a week, faults included."""
    agree(office, bucket, "far", "far")
    policy = (office.folder / "shop.bkp").read_text().replace("backup/shop", "new-one").replace("keep 14d", "lock 7d")
    office.write(policy)
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    assert "+ bucket: made in cn-hangzhou, LRS" in office.bkpc("plan", "plan.json", expect=3).text
    without = office.bkpc("apply", "plan.json", "--yes", expect=5).text
    assert "--yes-lock-forever" in without
    assert "image" in without  # a backup without a lock is better than none
    office.bkpc("apply", "plan.json", "--yes", "--yes-lock-forever", expect=0)
    lock = bucket.buckets["new-one"].settings.lock
    assert lock
    assert (lock.state, lock.days) == ("Locked", 7)
    stream_until_stored(office, 1)  # an image begins a binlog: a first stream after two would reach the newest alone
    bucket.fault("lost", match="^(PUT|POST) ", nth=5)
    office.bkpc("run", "plan.json", "shop/full/far", expect=0)
    office.server.run("INSERT INTO shop.audit (what) VALUES ('later')")
    stream_until_stored(office, 2)  # after each of two images
    bucket.faults.rules.clear()
    office.bkpc("preflight", "plan.json", expect=0)
    assert "buckets: nothing to change" in office.bkpc("plan", "plan.json", expect=0).text
    assert "buckets: nothing to change" in office.bkpc("apply", "plan.json", "--yes", expect=0).text
    office.bkpc("verify", "plan.json", expect=0)
    before = digests(office.server)
    with start_server(office.server.flavour, tmp_path / "rescue") as rescue:
        office.bkpc("restore", "plan.json", "shop", "--into", rescue.url, expect=0)
        assert digests(rescue) == before


@pytest.mark.parametrize("unseen", ["plans/[0-9a-f]+.json", "images/.*MANIFEST.json"])
def test_no_plan_takes_the_place_of_one_that_nobody_could_look_at(
    office: Office, bucket: OssServer, unseen: str
) -> None:
    """This one keeps less, and people must be asked for that: how much less is not known without images, either."""
    agree(office, bucket, "far", "far")
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    there = in_force(bucket)
    assert len(there) == 1
    office.write((office.folder / "shop.bkp").read_text().replace("keep 14d", "keep 4d"))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    bucket.fault("status", match=f"^GET .*{unseen}", status=403, code="AccessDenied")
    told = office.bkpc("apply", "plan.json", "--yes", expect=4).text
    assert "left out: far, in which what is kept can't be looked at: this plan may keep less" in told
    assert in_force(bucket) == there
    bucket.faults.rules.clear()
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    assert in_force(bucket) != there


def in_force(bucket: OssServer) -> list[str]:
    return [key for key in bucket.buckets["backup"].versions if "/plans/current/" in key]


def test_both_stores_and_either_is_enough(office: Office, bucket: OssServer, tmp_path: Path) -> None:
    agree(office, bucket, "disk", "disk, far", "  cold daily at 05:00 within 1h from disk to far\n")
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    stream_until_stored(office, 2)
    find = ("log", "plan.json", "shop", "--find", "drop table shop.reviews")
    told = office.bkpc(*find, "--without-store", "far", expect=1).text
    assert "in store `disk` has no: drop table shop.reviews; what `far` has was not read\n" in told
    assert "store `far` is left out, as --without-store says" in told
    before = digests(office.server)
    for number, name in enumerate(("disk", "far")):
        with start_server(office.server.flavour, tmp_path / f"rescue{number}") as rescue:
            office.bkpc("restore", "plan.json", "shop", "--store", name, "--into", rescue.url, expect=0)
            assert digests(rescue) == before


def test_a_bucket_that_is_away_holds_the_other_store_up_in_nothing(office: Office, bucket: OssServer) -> None:
    agree(office, bucket, "disk", "disk, far")
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    bucket.fail_next(100_000, 503, "ServiceUnavailable")
    agent = office.start("agent", "plan.json")
    try:
        end = position(office.server)
        folder = office.folder / "backups"
        for _ in range(100):
            names = [path.name for path in folder.glob(f"shop/*/logs/*/{end.file}/*.zst.age")]
            if any(int(name.split("-")[1].split(".")[0]) >= end.offset for name in names):
                break
            time.sleep(0.2)
        assert names, (office.folder / "agent.log").read_text()
    finally:
        agent.kill()
        agent.wait()


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        ({"OSS_KEY_SECRET": "not-the-secret"}, 4, "key secret"),
        ({"OSS_KEY_ID": "nobody"}, 4, "key id"),
        ({"OSS_KEY_ID": ""}, 2, "OSS_KEY_ID"),
    ],
)
def test_wrong_keys(office: Office, bucket: OssServer, wrong: dict[str, str], code: int, says: str) -> None:
    agree(office, bucket, "far", "far")
    office.environ |= wrong
    done = office.bkpc("run", "plan.json", "shop/full/far")
    assert (done.code, done.text.count("error:")) == (code, 1), done.text
    assert says in done.text
    assert "not-the-secret" not in done.text
    assert office.bkpc("preflight", "plan.json").code == 1


def test_a_bucket_that_fills_up_and_one_that_is_gone(office: Office, bucket: OssServer) -> None:
    agree(office, bucket, "far", "far")
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    before = office.bkpc("list", "plan.json", expect=0).text
    bucket.full = True
    done = office.bkpc("run", "plan.json", "shop/full/far")
    assert (done.code, done.text.count("error:"), "QuotaExceeded" in done.text) == (4, 1, True), done.text
    bucket.full = False
    assert office.bkpc("list", "plan.json", expect=0).text == before
    office.bkpc("verify", "plan.json", expect=0)
    del bucket.buckets["backup"]
    done = office.bkpc("list", "plan.json")
    gone = "problem: far does not answer: store `far` (bucket backup"
    assert (done.code, done.text.count("problem:"), gone in done.text) == (4, 1, True), done.text


def test_log_that_was_spoiled_before_an_outage_is_asked_for_again(
    fresh_server: ThrowawayServer, bucket: OssServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first agent sends spoiled bytes and ends in an outage; the second believes what the bucket lists."""

    def outage(_: float, __: float) -> float:
        bucket.fault("status", status=503)
        return 0.0

    def opened(patience: Patience) -> OssStore:
        access = AccessKey(KEY_ID, Secret(KEY_SECRET))
        return OssStore("far", "backup", bucket.endpoint, REGION, "", lambda: access, patience)

    monkeypatch.setattr(log_stream, "LAST_PATIENCE", 0.5)
    fresh_server.run("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
    first = Streaming(fresh_server, opened(Patience(total=0.3, jitter=outage)))
    with first as stream:
        wait_for(stream, position(fresh_server))
        bucket.fault("garble", method="PUT", match=r"\.zst", times=1)
        fresh_server.run("INSERT INTO w.t VALUES (1)")
        wait_until(lambda: any(rule.kind == "status" for rule in bucket.faults.rules))
    assert not first.all_stored
    bucket.faults.rules.clear()
    store = opened(Patience())
    second = Streaming(fresh_server, store)
    with second as stream:
        fresh_server.run("INSERT INTO w.t VALUES (2)")
        wait_for(stream, position(fresh_server))
    found, own = archived(store, second.prefix, 1, Position(position(fresh_server).file, 0)), binlogs(fresh_server)
    assert found
    assert all(found[name] == own[name] for name in found)
