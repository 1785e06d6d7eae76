"""Objects in classes that must thaw: how they stand, asking for them, and waiting, on the virtual clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bkpc_runtime.commands.thaw_first import Found, Terms, Thaws
from bkpc_runtime.errors import ObjectFrozen, StoreFailed, StoreFull, StoreUnreachable
from bkpc_runtime.recovery.choice import Start
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps import thaw
from bkpc_runtime.steps.thaw import Wish, ask, cold_of, wait_until_thawed
from bkpc_runtime.stores import oss_thaw
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.oss_upload import ONE_REQUEST
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.store import StoredObject, Tier
from bkpc_runtime.stores.thawing import ThawingStore
from bkpc_runtime.world import World
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.thaw import Quota
from tests.runtime.retention.memory import MemoryStore

HASTY = Patience(total=5.0, first=0.001, longest=0.01)
PART = "shop/s/images/20260101T000000Z-00000000/part-{:06d}.zst"
HOUR = timedelta(hours=1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path) as server:
        yield server
        assert server.problems == []


def frozen(server: OssServer, storage_class: str = "ColdArchive") -> OssStore:
    """A store in a bucket of a class that must thaw."""
    key = AccessKey(KEY_ID, Secret(KEY_SECRET))
    server.bucket()
    server.buckets["backup"].settings.storage_class = storage_class
    return OssStore("tape", "backup", server.endpoint, REGION, "deep/down", lambda: key, HASTY, cold=True)


def wish(days: int = 2, tier: str = "Standard", usual: timedelta = 5 * HOUR) -> Wish:
    return Wish(days, usual, tier)  # type: ignore[arg-type]


def passing(monkeypatch: pytest.MonkeyPatch, server: OssServer) -> list[float]:
    """Waiting lets the virtual clock go on; what was waited each time."""
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        server.advance(timedelta(seconds=seconds))

    monkeypatch.setattr(thaw, "pause", pause)
    return waited


def asked(server: OssServer, what: str) -> int:
    return sum(what in line for line in server.requests)


def test_what_says_what_is_there_is_never_cold(server: OssServer) -> None:
    store = frozen(server)
    store.put(PART.format(1), b"rows")
    store.put("shop/s/images/x/MANIFEST.json", b"{}")
    store.put("shop/s/logs/000001/binlog.000001/000000000004.end", b"")
    store.put("large.json", bytes(ONE_REQUEST + 1))  # in parts
    store.probe()
    assert {one.key: one.cold for one in store.list("")} == {
        PART.format(1): "frozen",
        "shop/s/images/x/MANIFEST.json": "",
        "shop/s/logs/000001/binlog.000001/000000000004.end": "",
        "large.json": "",
    }
    assert store.get("shop/s/images/x/MANIFEST.json") == b"{}"
    with pytest.raises(ObjectFrozen, match=r"`tape`.*must thaw"):
        store.get(PART.format(1))


@pytest.mark.parametrize(
    ("storage_class", "tier", "takes"),
    [
        ("Archive", "Standard", timedelta(minutes=1)),
        ("ColdArchive", "Expedited", HOUR),
        ("ColdArchive", "Bulk", 12 * HOUR),
        ("DeepColdArchive", "Standard", 48 * HOUR),
        ("DeepColdArchive", "Bulk", 48 * HOUR),
    ],
)
def test_asked_for_once_and_readable_when_it_has_thawed(
    server: OssServer, storage_class: str, tier: str, takes: timedelta
) -> None:
    store, key = frozen(server, storage_class), PART.format(1)
    store.put(key, b"rows")
    (cold,) = cold_of(store, [key])
    assert (cold.cold, cold.storage_class) == ("frozen", storage_class)
    assert ask(store, [cold], wish(30, tier)) == 1
    store.thaw(cold, 30, tier)  # type: ignore[arg-type]  # asked for already: no failure
    (cold,) = cold_of(store, [key])
    assert cold.cold == "thawing"
    assert ask(store, [cold], wish()) == 0
    server.advance(takes + timedelta(seconds=1))
    assert cold_of(store, [key]) == []
    there = store.head(key)
    assert there
    assert there.thawed_until
    days = 7 if storage_class == "Archive" else 30
    now = datetime.now(UTC) + server.service.clock.aged
    assert abs(there.thawed_until - now - timedelta(days=days)) < timedelta(minutes=1)
    store.thaw(there, 2, "Standard")
    assert store.get(key) == b"rows"
    server.advance(timedelta(days=days))
    assert [one.cold for one in cold_of(store, [key])] == ["frozen"]


def test_many_are_asked_for_at_once_but_not_too_many_in_a_second() -> None:
    class Far(MemoryStore):
        """Over a way of half a second."""

        def thaw(self, one: StoredObject, days: int, tier: Tier) -> None:
            del one, days, tier
            began.append(time.monotonic())
            time.sleep(0.5)

    began: list[float] = []
    cold = [StoredObject(PART.format(number), 1, "frozen", None, "ColdArchive") for number in range(150)]
    start = time.monotonic()
    assert ask(Far("far"), cold, wish()) == 150
    # Of four at once the last would begin after 18 s; a hundred take a second.
    assert 1.4 < began[-1] - start < 9
    assert all(later - one > 0.9 for one, later in zip(sorted(began), sorted(began)[100:], strict=False))


def test_who_is_in_a_hurry_asks_again(server: OssServer) -> None:
    store, key = frozen(server), PART.format(1)
    store.put(key, b"rows")
    ask(store, cold_of(store, [key]), wish(tier="Bulk"))
    assert ask(store, cold_of(store, [key]), Wish(2, HOUR, "Expedited", hurries=True)) == 1
    server.advance(HOUR + timedelta(seconds=1))
    assert cold_of(store, [key]) == []


def test_the_wait_asks_little_and_goes_on_by_itself(server: OssServer, monkeypatch: pytest.MonkeyPatch) -> None:
    store, waited = frozen(server), passing(monkeypatch, server)
    keys = [PART.format(number) for number in range(40)]
    for key in keys:
        store.put(key, b"rows")
    cold = cold_of(store, reversed(keys))
    assert [one.key for one in cold] == [*reversed(keys)]
    ask(store, cold, wish())
    server.requests.clear()
    told: list[str] = []
    wait_until_thawed(store, cold, wish(), told.append)
    assert 5 * 3600 <= sum(waited) < 5 * 3600 + 301
    assert asked(server, "HEAD ") <= len(waited) + 1
    assert asked(server, "list-type") == 1
    assert asked(server, "?restore") == 0
    assert told[0].startswith("thaw   0 of 40 objects")
    assert all(store.get(key) == b"rows" for key in keys)


def test_a_crowd_waits_for_the_quota_and_is_told_how_far_it_is(
    server: OssServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.service.thaws.quotas["ColdArchive"] = Quota(objects=500, size=86_400)  # a byte a second
    store = frozen(server)
    passing(monkeypatch, server)
    keys = [PART.format(number) for number in range(3)]
    for key in keys:
        store.put(key, bytes(6 * 3600))
    cold = cold_of(store, keys)
    for one in cold:  # requests at once would stand in the queue in any order
        ask(store, [one], wish())
    told: list[str] = []
    wait_until_thawed(store, cold, wish(), told.append)
    assert {line.split(" objects")[0] for line in told} == {f"thaw   {done} of 3" for done in (0, 1, 2)}


def test_a_service_that_throttles_is_given_the_time_it_asks_for(
    server: OssServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, key = frozen(server), PART.format(1)
    store.put(key, b"rows")
    cold = cold_of(store, [key])
    monkeypatch.setattr(oss_thaw, "_PATIENCE", HASTY)
    server.fail_next(2, 503, "QpsLimitExceeded", x_oss_qos_delay_time="20")
    assert ask(store, cold, wish()) == 1
    assert [one.cold for one in cold_of(store, [key])] == ["thawing"]
    server.fail_next(1, 503, "QpsLimitExceeded", x_oss_qos_delay_time="29000")
    with pytest.raises(StoreUnreachable):
        store.thaw(cold[0], 2, "Expedited")


def test_what_freezes_again_in_a_long_restore_is_asked_for_with_all_that_comes(
    server: OssServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, waited = frozen(server), passing(monkeypatch, server)
    keys = [PART.format(number) for number in range(3)]
    for key, size in zip(keys, (1, 64, 1), strict=True):  # what is fetched ahead of a reader is 32 MiB
        store.put(key, bytes(size << 20))

    def thawed(wanted: object) -> int:
        cold = cold_of(store, wanted)  # type: ignore[arg-type]
        ask(store, cold, wish())
        wait_until_thawed(store, cold, wish(), lambda _: None)
        return len(cold)

    thawing = ThawingStore(store, thawed, spares=True)
    thawing.expect(keys)
    assert len(thawing.get(keys[0])) == 1 << 20
    waits, server.requests[:] = len(waited), []
    chunks = thawing.read(keys[1])
    first = next(chunks)
    server.advance(timedelta(days=3))  # in the middle of an object
    assert len(first) + sum(map(len, chunks)) == 64 << 20
    assert len(waited) > waits
    assert len(thawing.get(keys[2])) == 1 << 20
    # What was read is not asked for again; what is still to come thaws in the same wait.
    assert asked(server, "?restore") == 2


CODES = (
    (400, "InvalidArgument"),
    (409, "ArchiveRestoreTierConflict"),
    (409, "RestoreTierDowngrade"),
    (403, "RestoreQuotaExceeded"),
)


@pytest.mark.parametrize(("status", "code"), CODES)
def test_what_thaws_has_been_asked_for_whatever_the_refusal_is_called(
    server: OssServer, status: int, code: str
) -> None:
    """A slower tier, or a quicker one that OSS does not take while one is under way."""
    store, keys = frozen(server), [PART.format(number) for number in range(3)]
    for key in keys:
        store.put(key, b"rows")
    assert ask(store, cold_of(store, keys[:2]), wish()) == 2
    server.fault("status", match="restore", status=status, code=code, times=2)
    hurried = Wish(2, HOUR, "Bulk", hurries=True)
    assert ask(store, cold_of(store, keys[:2]), hurried) == 2
    server.fault("status", match="restore", status=status, code=code, times=1)
    with pytest.raises(StoreFailed, match=code) as raised:
        ask(store, cold_of(store, keys[2:]), wish())
    if "Quota" in code:
        assert "quota of thaws" in str(raised.value)
        assert "slower tier" in raised.value.help
        assert "expire" not in raised.value.help
        assert not isinstance(raised.value, StoreFull)


@pytest.mark.parametrize(
    ("storage_class", "days", "told"),
    [
        ("Archive", 30, ["for 7 days", "not for 30: Archive takes 7 days at most"]),
        ("Archive", None, ["for 7 days"]),
        ("Archive", 5, ["for 5 days"]),
        ("ColdArchive", 30, ["for 30 days"]),
    ],
)
def test_how_long_it_stays_is_told_as_it_is_asked_for(
    server: OssServer, capfd: pytest.CaptureFixture[str], storage_class: str, days: int | None, told: list[str]
) -> None:
    store = frozen(server, storage_class)
    store.put(PART.format(1), b"rows")
    cold = cold_of(store, [PART.format(1)])
    step = SimpleNamespace(database="shop", kind="restore.load", expect_ms=8 * 86_400_000, store="tape")
    estate = SimpleNamespace(stores=[SimpleNamespace(name="tape", thaw_ms=60_000, storage_class=None)])
    plan = SimpleNamespace(estate=estate, recoveries=[SimpleNamespace(steps=[step])])
    thaws = Thaws(cast(World, SimpleNamespace(plan=plan)), Terms(days=days))
    thaws.tell(Found("shop", store, cast(Start, None), (), [PART.format(1)], cold))
    said = "".join(capfd.readouterr())
    assert all(one in said for one in told), said
    assert ("at most" in said) == (len(told) > 1)
    thaws._ask(Found("shop", store, cast(Start, None), (), [PART.format(1)], cold))
    server.advance(timedelta(hours=6))
    there = store.head(PART.format(1))
    assert there is not None
    assert there.thawed_until is not None
    now = datetime.now(UTC) + server.service.clock.aged
    assert f"for {round((there.thawed_until - now + 6 * HOUR) / timedelta(days=1))} days" in said
