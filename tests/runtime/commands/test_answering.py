"""Stores that say nothing are asked side by side, once, for a few seconds in all; the others are told as ever."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bkpc_compiler.main import main
from bkpc_runtime.commands import answering
from bkpc_runtime.commands.buckets import look_at_buckets
from bkpc_runtime.commands.status import status_of
from bkpc_runtime.errors import BadUsage, StoreFailed, StoreUnable, StoreUnreachable, StoreUntrusted
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery.where_from import store_to_read
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.manifest import encode_manifest
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.world import World, open_world
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.certificate import tls_context
from tests.runtime.commands.test_keeping import FAR, POLICY, WIKI, Keeping
from tests.runtime.retention import made

REAL = World.store
SILENT = ("far0", "far1", "far2")


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def world(tmp_path: Path, silent: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two databases, each with a log on disk and images there and in three buckets that say nothing."""
    with OssServer(tmp_path / "oss") as server:
        (tmp_path / "desk").mkdir()
        keeping = Keeping(tmp_path / "desk", server)
        stores = "".join(FAR.replace("far at", f"{name} at").replace("backup/", f"{name}/") for name in SILENT)
        fulls = "".join(f"  full daily at 0{hour}:00 within 1h to {name}\n" for hour, name in enumerate(SILENT, 4))
        text = (POLICY.format(keep="7d") + WIKI).replace(
            "database shop", stores.format(endpoint=silent) + "database shop"
        )
        text = text.replace('region "r"', 'region "cn-hangzhou"').replace("  hot to disk", f"{fulls}  hot to disk")
        (keeping.desk.folder / "shop.bkp").write_text(text)
        compiled = keeping.desk.run("compile", "shop.bkp", "-o", "plan.json")
        assert compiled.returncode == 0, compiled.stderr
        keeping.fill(1)
        monkeypatch.setattr(answering, "_HASTY", Patience(total=0.8, first=0.01, tries=2, connect=0.4, answer=0.4))
        given = {"SHOP_DB_USER": "u", "SHOP_DB_PASSWORD": "p", "OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
        yield open_world(keeping.desk.folder / "plan.json", os.environ | given)


def test_silent_stores_cost_their_patience_once(world: World) -> None:
    began = time.monotonic()
    rows, fine = status_of(world, None)
    assert time.monotonic() - began < 5, "one after the other, and for each database anew, it takes minutes"
    assert not fine
    told = {(row["database"], row["store"]): row.get("unanswered", "") for row in rows}
    assert not told["shop", "disk"]
    for name in SILENT:
        for database in ("shop", "wiki"):
            assert f"store `{name}`" in told[database, name]
            assert "no answer in time" in told[database, name]


def test_one_that_hangs_where_nothing_bounds_it_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a disk of a server of files that went away."""
    done = threading.Event()
    monkeypatch.setattr(DirectoryStore, "folders", lambda *_: done.wait(60) and iter(()))
    monkeypatch.setattr(answering, "WITHIN", 1.0)
    found = answering.with_those_that_answer(world)
    done.set()
    assert str(found.away["disk"]) == "store `disk`: no answer in 1 s"
    with pytest.raises(StoreUnreachable, match="no answer in 1 s"):
        next(found.store("disk").list(""))


def test_seconds_are_told_and_other_troubles_are_left_to_those_who_use_the_store(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_HASTY", Patience(total=2.4, first=0.01, tries=2, connect=1.2, answer=1.2))
    away = answering.with_those_that_answer(world).away
    assert sorted(away) == list(SILENT)
    assert all("(asked for 2 s)" in str(why) or "(asked for 3 s)" in str(why) for why in away.values()), away
    there = open_world(world.folder / "plan.json", {"SHOP_DB_USER": "u", "SHOP_DB_PASSWORD": "p"})
    assert answering.with_those_that_answer(there).away == {}
    with pytest.raises(BadUsage, match="OSS_KEY_ID"):
        status_of(there, None)


def test_who_reads_passes_over_nothing_that_may_have_more_than_others(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_PATIENT", Patience(total=1.2, first=0.01, tries=2, connect=0.6, answer=0.6))
    with pytest.raises(StoreUnreachable, match=r"store `far0`.*; it may have what no other store has") as raised:
        answering.with_those_to_read(world, ["shop"])
    assert "--without-store far0 goes on without what only that store has" in raised.value.help
    assert "nothing yet from `far0`, `far1`, `far2`" in capsys.readouterr().err
    assert sorted(answering.with_those_to_read(world, ["shop"], SILENT).away) == list(SILENT)
    with pytest.raises(BadUsage, match="--without-store nas: no store of that name is read"):
        answering.with_those_to_read(world, ["shop"], ["nas"])


def test_one_that_is_slow_and_answers_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers that take long, or a service that is busy for seconds, are no reason to lose what is in it."""
    monkeypatch.setattr(answering, "_PATIENT", Patience(total=1.2, first=0.01, tries=2, connect=0.6, answer=0.6))
    asked: list[str] = []
    folders = DirectoryStore.folders

    def slow(store: DirectoryStore, prefix: str) -> Iterator[str]:
        asked.append(prefix)
        if len(asked) == 1:
            raise StoreUnreachable("store `disk`: no answer in time", retryable=True)
        return iter(folders(store, prefix))

    monkeypatch.setattr(DirectoryStore, "folders", slow)
    assert "disk" not in answering.with_those_to_read(world, ["shop"], SILENT).away
    assert len(asked) == 2


def test_one_that_fails_while_it_is_read_is_not_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    away = replace(world, away=dict.fromkeys(SILENT[:2], StoreUnreachable("left out")), left_out=frozenset(SILENT[:2]))
    silent = REAL(world, "far2", Patience(total=0.4, first=0.01, tries=2, connect=0.2, answer=0.2, quick=0.2))
    monkeypatch.setattr(World, "store", lambda world, name: silent if name == "far2" else REAL(world, name))
    with pytest.raises(StoreFailed, match="it may have what no other store has") as raised:
        store_to_read(away, "shop", None, all_of_them=True)
    assert "--without-store far2" in raised.value.help
    assert store_to_read(away, "shop", None).name == "disk"
    left_out = replace(away, left_out=frozenset(SILENT))
    assert store_to_read(left_out, "shop", None, all_of_them=True).name == "disk"


LOGINS = {"SHOP_DB_USER": "u", "SHOP_DB_PASSWORD": "p", "OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
BUSY = {"status": 503, "code": "ServiceUnavailable"}


def test_plan_waits_for_one_that_says_itself_that_it_can_not_serve_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A moment of throttling let CI fail."""
    monkeypatch.setattr(answering, "_HASTY", Patience(total=0.4, first=0.01, tries=2))
    monkeypatch.setattr(answering, "_PATIENT", Patience(total=20.0, first=0.01, longest=0.05, tries=2))
    with OssServer(tmp_path / "oss") as server:
        server.bucket()
        (tmp_path / "desk").mkdir()
        keeping = Keeping(tmp_path / "desk", server)
        keeping.compile("7d", far=server.endpoint)
        there = open_world(keeping.desk.folder / "plan.json", os.environ | LOGINS)
        fault = server.fault("status", match="GET", **BUSY)
        found = answering.with_those_that_answer(there).away["far"]
        assert (type(found), found.help) == (StoreUnable, "run it again later")
        assert "the service is not able to answer" in str(found)
        fault.times = fault.done + 20
        assert answering.with_those_that_answer(there, patient=True).away == {}
    assert "not able to answer yet: `far`: asked for up to a minute more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (403, "AccessDenied", "far refuses: store `far`"),
        (403, "SecurityTokenExpired", "far refuses: store `far`"),
        (503, "ServiceUnavailable", "far is not able to answer: store `far`"),
    ],
)
def test_what_a_store_does_is_told_as_it_is(
    tmp_path: Path, status: int, code: str, told: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(answering, "_HASTY", Patience(total=0.4, first=0.01, tries=2))
    with OssServer(tmp_path / "oss") as server:
        server.bucket()
        (tmp_path / "desk").mkdir()
        keeping = Keeping(tmp_path / "desk", server)
        keeping.compile("7d", far=server.endpoint)
        for name, value in LOGINS.items():
            monkeypatch.setenv(name, value)
        server.fault("status", match="GET", status=status, code=code)
        plan = str(keeping.desk.folder / "plan.json")
        assert main(["status", plan]) == 1
        assert f"shop in far\n  problem: {told}" in capsys.readouterr().out
        assert main(["status", plan, "--format", "prometheus"]) == 1
        metrics = capsys.readouterr().out
        assert 'bkpc_store_answers{database="shop",store="far"} 0' in metrics
        assert f'bkpc_store_refuses{{database="shop",store="far"}} {int(status == 403)}' in metrics


def test_a_certificate_that_nobody_vouches_for_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = tls_context(tmp_path, ["localhost", "backup.localhost"])
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with OssServer(tmp_path / "oss", tls=context) as server:
        server.bucket()
        access = AccessKey(KEY_ID, Secret(KEY_SECRET))
        endpoint = f"https://localhost:{server.tls_port}"
        began = time.monotonic()
        with pytest.raises(StoreUntrusted, match=r"its certificate is not accepted: .*certificate verify failed") as no:
            OssStore("far", "backup", endpoint, REGION, "", lambda: access).head("a")
        assert time.monotonic() - began < 5, "no other try can help"
        assert "REQUESTS_CA_BUNDLE" in no.value.help
        assert not no.value.retryable
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
        assert OssStore("far", "backup", endpoint, REGION, "", lambda: access).head("a") is None


SITES = """\
edition 1
site here {{ region "cn-hangzhou" }}
site there {{ region "cn-beijing" }}
link here -- there {{ bandwidth 1Gbit/s }}
store disk at there {{ directory "backups" }}
store far at there {{
  oss "backup/shop"
  endpoint "{endpoint}"
  credentials env OSS_KEY_ID, OSS_KEY_SECRET
}}
database shop at here {{
  mysql "127.0.0.1:1"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 1MiB/h
  standby there {{ provision 10min }}
}}
database wiki at here {{
  mysql "127.0.0.1:2"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 1MiB/h
  standby there {{ provision 10min }}
}}
policy both {{
  promise against site {{ rpo 2d  rto 12h }}
  full daily at 02:00 within 1h to disk
  hot to far every 5s
  keep 7d
}}
policy one {{
  promise against site {{ rpo 2d  rto 12h }}
  full daily at 02:00 within 1h to disk
  keep 7d
}}
protect shop with both
protect wiki with one
"""


def test_a_silent_store_keeps_back_the_databases_of_a_scope_that_it_has_something_of(
    tmp_path: Path, silent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no other: it was passed over with a warning, and what only it had was lost."""
    monkeypatch.setattr(answering, "_HASTY", Patience(total=0.4, first=0.01, tries=2, connect=0.2, answer=0.2))
    monkeypatch.setattr(answering, "_PATIENT", Patience(total=0.8, first=0.01, tries=2, connect=0.4, answer=0.4))
    for name, value in LOGINS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "shop.bkp").write_text(SITES.format(endpoint=silent))
    plan = str(tmp_path / "plan.json")
    assert main(["compile", str(tmp_path / "shop.bkp"), "-o", plan]) == 0
    store = DirectoryStore("disk", tmp_path / "backups")
    image = made.manifest(datetime.now(UTC) - made.DAY, Position(made.binlog(1), 4), parts=0)
    made.put_manifest(store, image)
    key = layout.manifest_key(f"wiki/{image.identity}", image.id)
    store.put(key, encode_manifest(msgspec.structs.replace(image, database="wiki")))
    scope = ["restore", plan, "--scope", "site:here", "--to", "latest", "--dry-run"]
    scope += [f"--into={name}=mysql://root@127.0.0.1:{port}/" for port, name in enumerate(("shop", "wiki"), 1)]
    capsys.readouterr()
    began = time.monotonic()
    assert main(scope) == 1
    said = capsys.readouterr().err
    assert time.monotonic() - began < 10
    shop, wiki = said.partition("-- shop")[2].split("-- wiki")
    assert "missing: store `far`" in shop
    assert "it may have what no other store has" in shop
    assert "--without-store far goes on without what only that store has" in shop
    assert "what no other store has" not in wiki
    main([*scope, "--without-store", "far"])
    assert "what no other store has" not in capsys.readouterr().err
    assert main([*scope, "--without-store", "nas"]) == 2
    assert "--without-store nas: no store of that name is read" in capsys.readouterr().err


def test_plan_asks_silent_buckets_once(world: World) -> None:
    began = time.monotonic()
    looked = look_at_buckets(answering.with_those_that_answer(world), None)
    assert [bool(one.failure) for one in looked] == [True] * len(SILENT)
    assert time.monotonic() - began < 5
