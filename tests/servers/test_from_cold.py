"""Images and log in a class that must thaw: back by one command, which asks, waits, and goes on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bkpc_compiler.main import main
from bkpc_runtime.commands import restore_whole
from bkpc_runtime.recovery import choice
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.steps import thaw
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import digests
from tests.demo.shop import load
from tests.oss_server import KEY_ID, KEY_SECRET, OssServer
from tests.servers.command_line import Office
from tests.servers.test_through_oss import POLICY, stream_until_stored

pytestmark = pytest.mark.parametrize("fresh_server", ["mariadb"], indirect=True)
TAPE = """\
store far at there {{
  oss "tape"
  endpoint "{endpoint}"
  class cold_archive
"""


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "oss") as server:
        yield server


@pytest.fixture
def office(fresh_server: ThrowawayServer, tmp_path: Path) -> Office:
    load(fresh_server)
    office = Office.opened(tmp_path / "office", fresh_server)
    office.environ |= {"OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
    return office


def agree(office: Office, bucket: OssServer) -> None:
    """Images and log in a bucket of class ColdArchive alone, which `apply` makes."""
    head, _, rest = POLICY.partition("store far at there {{\n")
    policy = head + TAPE + rest.partition("\n")[2].partition("\n")[2]
    policy = policy.replace("rto 30min", "rto 12h").replace("policy basic", "group sales {{ shop }}\npolicy basic")
    office.write(
        policy.format(
            endpoint=bucket.endpoint, port=office.server.port, recipient=office.recipient,
            image="far", log="far", copy="",
        )
    )  # fmt: skip
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    assert "class ColdArchive" in office.bkpc("apply", "plan.json", "--yes", expect=0).text


def test_back_from_cold_archive(
    office: Office,
    bucket: OssServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    agree(office, bucket)
    for number in range(3):
        office.server.run(f"INSERT INTO shop.audit (what) VALUES ('later {number}')")
    end = stream_until_stored(office, 1)
    before = digests(office.server)
    kept = {key: version[0].storage_class for key, version in bucket.buckets["tape"].versions.items()}
    assert {one for key, one in kept.items() if ".zst" in key} == {"ColdArchive"}
    assert {one for key, one in kept.items() if ".zst" not in key} == {"Standard"}
    bucket.requests.clear()
    assert "must thaw" in office.bkpc("list", "plan.json", expect=0).text
    assert "must thaw" in office.bkpc("status", "plan.json").text
    told = office.bkpc("verify", "plan.json", expect=1).text
    assert "must thaw" in told
    assert "nothing was verified" in told
    with start_server("mariadb", tmp_path / "rescue") as rescue:
        restore = ["restore", "plan.json", "--group", "sales", "--idle", "shop", "--into", f"shop={rescue.url}"]
        told = office.bkpc(*restore, "--dry-run", expect=0).text
        assert "of class ColdArchive must thaw first" in told
        assert "usually within 5h" in told
        assert not any("?restore" in line for line in bucket.requests)  # nothing but a restore asks
        refused = office.bkpc("drill", "plan.json", "shop", expect=5).text
        assert "11 of 11 objects" in refused
        assert "a drill does not ask" in refused
        assert "bkpc restore PLAN shop --store far --thaw-only --into mysql://USER@HOST" in refused
        assert not any("?restore" in line for line in bucket.requests)
        broken_off(office, bucket, restore)
        asked = [line for line in bucket.requests if "?restore" in line]
        assert len(asked) == sum(".zst" in key for key in kept)
        waited = in_this_process(office, bucket, monkeypatch)
        assert main(restore) == 0, capfd.readouterr().err
        told = capfd.readouterr().out
        assert f"shop is restored to {end}" in told
        assert "group sales is restored" in told
        assert digests(rescue) == before
        assert 5 * 3600 <= sum(waited) <= 5 * 3600 + 300
    assert [line for line in bucket.requests if "?restore" in line] == asked
    bucket.advance(timedelta(days=10))  # all is frozen again
    the_scope_comes_back(office, bucket, tmp_path, before, monkeypatch)
    bucket.advance(timedelta(days=10))
    no_more_log_than_a_time_needs(office, bucket, tmp_path, monkeypatch)
    bucket.advance(timedelta(days=10))
    what_a_drill_names_works(office, bucket)


def what_a_drill_names_works(office: Office, bucket: OssServer) -> None:
    """Word for word, but for the plan; the server of which it speaks is none."""
    refused = office.bkpc("drill", "plan.json", "shop", expect=5).text
    command = refused[refused.index("`bkpc restore") + len("`bkpc ") :].partition("`")[0].replace("PLAN", "plan.json")
    bucket.requests.clear()
    office.bkpc(*command.split(), expect=0)
    assert any("?restore" in line for line in bucket.requests)
    bucket.advance(timedelta(hours=6))
    office.bkpc("drill", "plan.json", "shop", expect=0)


def the_scope_comes_back(
    office: Office, bucket: OssServer, folder: Path, before: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--scope`: told, asked for before there is a target, waited for, and restored by a process of its own."""
    with start_server("mariadb", folder / "scope") as rescue:
        scope = ["restore", "plan.json", "--scope", "corruption:shop", "--to", "latest", "--into", f"shop={rescue.url}"]
        assert "must thaw first" in office.bkpc(*scope, "--dry-run", expect=0).text
        bucket.requests.clear()
        told = office.bkpc(*scope, "--thaw-only", expect=0).text
        assert "the same command without --thaw-only goes on" in told
        asked = sum("?restore" in line for line in bucket.requests)
        assert asked > 0
        monkeypatch.setattr(thaw, "look_ms", lambda _: 0)
        passes = threading.Timer(3, bucket.advance, [timedelta(hours=6)])
        passes.start()
        assert main(scope) == 0
        monkeypatch.undo()
        assert sum("?restore" in line for line in bucket.requests) == asked
        assert digests(rescue) == before


def no_more_log_than_a_time_needs(
    office: Office, bucket: OssServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a time before the newest image: log after that image stays frozen; what lapses is asked for again."""
    before = digests(office.server)
    moment = datetime.now(UTC).isoformat()
    time.sleep(1.1)  # MariaDB's log tells whole seconds
    office.server.run("INSERT INTO shop.audit (what) VALUES ('after the moment')")
    office.bkpc("run", "plan.json", "shop/full/far", expect=0)
    office.server.run("FLUSH BINARY LOGS", "INSERT INTO shop.audit (what) VALUES ('after the image')")
    stream_until_stored(office, 2)
    bucket.requests.clear()
    with start_server("mariadb", folder / "moment") as rescue:
        in_this_process(office, bucket, monkeypatch)
        monkeypatch.setattr(choice, "_CLOCKS_DIFFER", timedelta(0))
        lapses(bucket, monkeypatch)
        assert main(["restore", "plan.json", "shop", "--to", moment, "--into", rescue.url]) == 0
        assert digests(rescue) == before
    keys = {key for key in bucket.buckets["tape"].versions if "/logs/" in key and ".zst" in key}
    asked = [line for line in bucket.requests if "?restore" in line]
    of_log = {line for line in asked if "/logs/" in line}
    assert 0 < len(of_log) < len(keys)
    assert len(set(asked)) < len(asked)  # what froze again while it was restored


def lapses(bucket: OssServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the third part is to be loaded, nothing can be read any more."""
    told = restore_whole._Telling.loading

    def loading(self: restore_whole._Telling, part: Part, number: int, of: int) -> None:
        told(self, part, number, of)
        if number == 3:
            bucket.advance(timedelta(days=10))

    monkeypatch.setattr(restore_whole._Telling, "loading", loading)


def broken_off(office: Office, bucket: OssServer, restore: list[str]) -> None:
    """A restore that is ended while it waits."""
    running = office.start(*restore)
    until = time.monotonic() + 60
    log = office.folder / "restore.log"
    while "Ctrl-C ends the wait" not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    assert running.wait(30) != 0
    assert "Traceback" not in log.read_text(), log.read_text()


def in_this_process(office: Office, bucket: OssServer, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Commands run as in the office, and their waiting passes."""
    for name in ("OSS_KEY_ID", "OSS_KEY_SECRET", "BKPC_AGE_IDENTITY", "BKPC_MYSQL_BIN"):
        monkeypatch.setenv(name, office.environ[name])
    monkeypatch.chdir(office.folder)
    return passing(monkeypatch, bucket)


def passing(monkeypatch: pytest.MonkeyPatch, server: OssServer) -> list[float]:
    """Waiting lets the virtual clock go on; what was waited each time."""
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        server.advance(timedelta(seconds=seconds))

    monkeypatch.setattr(thaw, "pause", pause)
    return waited
