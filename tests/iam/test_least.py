"""RAM policies of `compile --target iam` on a server that keeps to them: enough for each role, no action too many."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import oss2
import pytest

from bkpc_compiler.backends.iam import iam_json
from bkpc_compiler.main import main
from bkpc_grammar.canonical import read_plan
from bkpc_grammar.plan import CredentialReference, Plan
from bkpc_runtime.errors import StoreDenied, StoreFailed
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.repository.plans import in_force, put_in_force
from bkpc_runtime.secret import Secret
from bkpc_runtime.settings import reconcile
from bkpc_runtime.settings.unlocked import unlocked
from bkpc_runtime.settings.wanted import wanted_of
from bkpc_runtime.steps.expire import Source, expire
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.oss_calls import OssCalls
from bkpc_runtime.stores.oss_settings import BucketSettings
from bkpc_runtime.stores.oss_upload import ONE_REQUEST
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.world import World
from tests.compiler.one_file import planned
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.accounts import UID, Account
from tests.runtime.retention import made
from tests.runtime.retention.test_expire import filled

POLICY = """\
edition 1
import "std/oss"
site here { region "cn-hangzhou" }
store far at here {
  oss "backup/acme"  endpoint "https://oss-cn-hangzhou.aliyuncs.com"  credentials role  reads 1Gbit/s  writes 1Gbit/s
}
database shop at here {
  mysql "db.acme.com:3306"  credentials env DB_USER, DB_PASSWORD  size 1GiB  writes 100MiB/h  burst 8MiB
}
policy basic {
  promise against corruption { rpo 10s  rto 30min }
  full daily at 02:00 within 1h to far
  hot to far every 1s
  keep 14d
  lock 7d
  recover by timepoint
  encrypt rest to "age1zj6wdmwsvyuaxslf3cwpgw9ndtlzz0pn3xj8p5s70w76dsjdgfrsk44va6"
}
protect shop with basic
"""
HASTY = Patience(total=2.0, first=0.001, longest=0.01)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CASES = [
    (role, index, action)
    for role, statements in {
        "writer": [4, 1, 2, 1],
        "expirer": [2, 1, 1],
        "restorer": [1, 1, 1, 1],
        "reconciler": [16, 1, 1],
    }.items()
    for index, count in enumerate(statements)
    for action in range(count)
]
"""Role, number of the statement, number of its action."""


@dataclass(frozen=True, slots=True)
class Made:
    """What the compiler wrote."""

    plan: Plan
    policies: dict[str, Any]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("iam")
    (folder / "shop.bkp").write_text(POLICY)
    assert main(["compile", str(folder / "shop.bkp"), "-o", str(folder / "plan.json")]) == 0
    assert main(["compile", str(folder / "plan.json"), "--target", "iam", "-o", f"{folder}/"]) == 0
    ram = json.loads((folder / "iam.json").read_text())["ram"]
    plan = read_plan((folder / "plan.json").read_bytes(), "plan.json")
    return Made(plan, {one["role"]: one["document"] for one in ram})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "oss") as server:
        yield server
        assert server.problems == []


def _key() -> AccessKey:
    return AccessKey(KEY_ID, Secret(KEY_SECRET))


def _limited_key() -> AccessKey:
    return AccessKey("limited", Secret("secret"))


def store(server: OssServer, key: str = KEY_ID, secret: str = KEY_SECRET) -> OssStore:
    access = AccessKey(key, Secret(secret))
    return OssStore("far", "backup", server.endpoint, REGION, "acme", lambda: access, HASTY)


def limited(server: OssServer, policy: dict[str, Any]) -> OssStore:
    server.service.keys.add("limited", "secret", Account(UID, (json.dumps(policy),)))
    return store(server, "limited", "secret")


def told_of_lock(server: OssServer, plan: Plan) -> str:
    """What `status` and the agent say with the limited key."""
    stores = tuple(
        msgspec.structs.replace(
            one, endpoint=server.endpoint, credentials=CredentialReference(kind="env", names=("ID", "SECRET"))
        )
        for one in plan.estate.stores
    )
    there = msgspec.structs.replace(plan, estate=msgspec.structs.replace(plan.estate, stores=stores))
    return unlocked(World(there, Path(), {"ID": "limited", "SECRET": "secret"}), "far")


def write(server: OssServer, policy: dict[str, Any], plan: Plan) -> None:
    """Preflight; an image that is given up; a copy that goes on with what another began; what is left swept."""
    server.bucket()
    writing, key = limited(server, policy), f"{made.PREFIX}/images/x/part-000001.zst"
    writing.probe()
    assert list(writing.list("")) == []
    big = secrets.token_bytes(ONE_REQUEST + 5)
    with contextlib.suppress(KeyboardInterrupt), writing.writer(key, len(big)) as writer:
        writer.write(big)
        raise KeyboardInterrupt
    assert not server.buckets["backup"].uploads
    with contextlib.suppress(KeyboardInterrupt), store(server).writer(key, len(big), resumes=True) as writer:
        writer.write(big)
        raise KeyboardInterrupt
    with writing.writer(key, len(big), resumes=True) as writer:
        writer.write(big)
        writer.commit()
    assert writing.get(key) == big
    with contextlib.suppress(KeyboardInterrupt), store(server).writer(key, len(big), resumes=True) as writer:
        writer.write(big)
        raise KeyboardInterrupt
    assert writing.sweep((datetime.now(UTC) + timedelta(hours=1)).timestamp()) == 1
    assert "is not locked for 7 days" in told_of_lock(server, plan)


def expired(server: OssServer, policy: dict[str, Any], _: Plan) -> None:
    """A tombstone, and after the grace the deletion."""
    server.bucket()
    full, limited_ = store(server), limited(server, policy)
    filled(full, days=9)
    rules = {"far": made.rules(7 * made.DAY)}
    (first,) = expire([limited_], "shop", rules, Source(made.SERVER, NOW), NOW)
    assert first.condemned
    later = NOW + 3 * made.DAY
    made.put_image(full, made.manifest(later - 2 * made.HOUR, Position(made.binlog(9), 80)))
    (second,) = expire([limited_], "shop", rules, Source(made.SERVER, later), later)
    assert second.images
    assert second.binlogs


def restored(server: OssServer, policy: dict[str, Any], plan: Plan) -> None:
    """What a restore reads, in one range and in many; what a drill leaves."""
    server.bucket()
    image = made.put_image(store(server), made.manifest(NOW, Position("", 0)))
    reading = limited(server, policy)
    (found,) = catalogue.all_images(reading, "shop")
    for part in found.manifest.parts:
        assert reading.get(layout.part_key(found.prefix, image.id, part.name)) == made.BODY
    reading.put(layout.drill_key(found.prefix, "one"), b"{}")
    assert "is not locked for 7 days" in told_of_lock(server, plan)


def foreseen(server: OssServer, policy: dict[str, Any], plan: Plan) -> None:
    """What `plan` tells of images and expiry is of manifests, plans and the like alone."""
    server.bucket()
    put_in_force(store(server), plan, NOW)
    image = made.put_image(store(server), made.manifest(NOW, Position("", 0)))
    looking = limited(server, policy)
    assert [one.manifest.id for one in catalogue.all_images(looking, "shop")] == [image.id]
    found = in_force(looking, "shop")
    assert found is not None
    assert found.plan == plan
    with pytest.raises(StoreDenied):
        looking.get(layout.part_key(made.PREFIX, image.id, image.parts[0].name))
    server.service.unmake("backup")


VERSIONING: Any = oss2.models.BucketVersioningConfig


def settings_of(server: OssServer, policy: dict[str, Any]) -> BucketSettings:
    server.service.keys.add("limited", "secret", Account(UID, (json.dumps(policy),)))
    access = AccessKey("limited", Secret("secret"))
    calls = OssCalls("`far`", "backup", server.endpoint, REGION, lambda: access, path_style=False)
    return BucketSettings("far", "backup", calls, HASTY)


def reconciled(server: OssServer, policy: dict[str, Any], plan: Plan) -> None:
    """A bucket made, set and locked, its lock prolonged; one whose lock was begun with other days; a suspended one."""
    foreseen(server, policy, plan)
    (wanted,) = wanted_of(plan, ["far"])
    settings = settings_of(server, policy)
    owner: Any = oss2.Bucket(oss2.AuthV4(KEY_ID, KEY_SECRET), server.endpoint, "backup", region=REGION)

    def mend(wanted: Any) -> None:
        list(reconcile.mend(settings, wanted, reconcile.look(settings, wanted)))
        assert not [one for one in reconcile.look(settings, wanted) if one.changes]

    mend(wanted)
    mend(replace(wanted, lock_days=wanted.lock_days + 1))
    begun: list[Callable[[], Any]] = [
        lambda: owner.init_bucket_worm(3),
        lambda: owner.put_bucket_versioning(VERSIONING("Suspended")),
    ]
    for prepared in begun:
        server.service.unmake("backup")
        server.bucket()
        prepared()
        mend(wanted)


SCRIPTS: dict[str, Callable[[OssServer, dict[str, Any], Plan], None]] = {
    "writer": write,
    "expirer": expired,
    "restorer": restored,
    "reconciler": reconciled,
}


@pytest.mark.parametrize("role", SCRIPTS)
def test_everything_works_with_it(compiled: Made, server: OssServer, role: str) -> None:
    SCRIPTS[role](server, compiled.policies[role], compiled.plan)


def test_where_nothing_is_locked_it_is_enough_and_no_action_too_many(server: OssServer) -> None:
    plan = planned(POLICY.replace("  lock 7d\n", ""))
    ram = json.loads(iam_json(plan))["ram"]
    (policy,) = (one["document"] for one in ram if one["role"] == "reconciler")
    (wanted,) = wanted_of(plan, ["far"])

    def made(policy: dict[str, Any]) -> None:
        """A new bucket, and one that somebody made."""
        settings = settings_of(server, policy)
        for _ in range(2):
            list(reconcile.mend(settings, wanted, reconcile.look(settings, wanted)))
            assert not [one for one in reconcile.look(settings, wanted) if one.changes]
            server.service.unmake("backup")
            server.bucket()
        server.service.unmake("backup")

    made(policy)
    for action in list(policy["Statement"][0]["Action"]):
        less = deepcopy(policy)
        less["Statement"][0]["Action"].remove(action)
        if "backup" in server.buckets:
            server.service.unmake("backup")
        with pytest.raises(StoreFailed):
            made(less)


@pytest.mark.parametrize(("role", "statement", "action"), CASES)
def test_nothing_can_be_left_out(compiled: Made, server: OssServer, role: str, statement: int, action: int) -> None:
    policy = deepcopy(compiled.policies[role])
    policy["Statement"][statement]["Action"].pop(action)
    with pytest.raises((StoreFailed, AssertionError)):
        SCRIPTS[role](server, policy, compiled.plan)


def test_the_cases_are_all_there_is(compiled: Made) -> None:
    found = [
        (role, index, action)
        for role in SCRIPTS
        for index, one in enumerate(compiled.policies[role]["Statement"])
        for action in range(len(one["Action"]))
    ]
    assert found == CASES


def test_a_writer_deletes_no_backup_and_nobody_reaches_what_is_beside(compiled: Made, server: OssServer) -> None:
    server.bucket()
    store(server).put("shop/one/images/x/part-000001.zst", b"x")
    beside = OssStore("far", "backup", server.endpoint, REGION, "others", _key, HASTY)
    beside.put("a", b"x")
    others = OssStore("far", "backup", server.endpoint, REGION, "others", _limited_key, HASTY)
    for role in ("writer", "restorer", "expirer"):
        key = limited(server, compiled.policies[role])
        asked: list[Callable[[], object]] = [lambda: others.get("a"), lambda: list(others.list(""))]
        asked += [lambda: others.put("b", b"x"), lambda: others.delete("a")]
        if role != "expirer":
            asked.append(lambda key=key: key.delete("shop/one/images/x/part-000001.zst"))  # type: ignore[misc]
        if role != "writer":
            asked.append(lambda key=key: key.put("shop/one/images/x/part-000002.zst", b"x"))  # type: ignore[misc]
        for ask in asked:
            with pytest.raises(StoreDenied):
                ask()


def test_a_lock_that_lacks_is_told_and_one_that_is_there_is_not(compiled: Made, server: OssServer) -> None:
    server.bucket()
    limited(server, compiled.policies["writer"])
    owner: Any = oss2.Bucket(oss2.AuthV4(KEY_ID, KEY_SECRET), server.endpoint, "backup", region=REGION)
    assert "whoever may delete" in told_of_lock(server, compiled.plan)
    begun = owner.init_bucket_worm(5).worm_id
    assert "a lock is begun" in told_of_lock(server, compiled.plan)
    owner.complete_bucket_worm(begun)
    assert "it is for 5" in told_of_lock(server, compiled.plan)
    owner.extend_bucket_worm(begun, 7)
    assert told_of_lock(server, compiled.plan) == ""
    limited(server, compiled.policies["expirer"])
    assert "is not known" in told_of_lock(server, compiled.plan)
