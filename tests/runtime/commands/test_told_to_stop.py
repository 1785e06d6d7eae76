"""Told to stop while a store says nothing: over in seconds, without another try, and with what was begun cleaned up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.runtime.commands.test_keeping import Keeping

SOON = 6.0
"""Docker kills after 10 seconds; a busy machine takes some of them to end Python."""
WRITES = """
import argparse
from bkpc_runtime.commands.outcome import reported
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore

@reported
def run(arguments):
    access = AccessKey({key!r}, Secret({secret!r}))
    store = OssStore("far", "backup", {endpoint!r}, {region!r}, "", lambda: access)
    with store.writer("a", 1 << 30) as writer:
        for _ in range(64):
            writer.write(bytes(1 << 20))

run(argparse.Namespace(plan=""))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "oss") as server:
        yield server


def told(running: subprocess.Popen[str], server: OssServer, what: str, number: int) -> tuple[float, str]:
    """Sends a signal when a request for `what` hangs; how long it lasted, and what was said."""
    until = time.monotonic() + 30
    while not any(what in one for one in server.requests):
        assert time.monotonic() < until, "the store was never asked"
        time.sleep(0.05)
    time.sleep(0.3)
    running.send_signal(number)
    began = time.monotonic()
    said = running.communicate(timeout=60)[0]
    return time.monotonic() - began, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_reads_ends_soon(server: OssServer, tmp_path: Path, number: int) -> None:
    (tmp_path / "desk").mkdir()
    keeping = Keeping(tmp_path / "desk", server)
    server.bucket()
    keeping.compile("14d", far=server.endpoint)
    access = AccessKey(KEY_ID, Secret(KEY_SECRET))
    keeping.store = OssStore("far", "backup", server.endpoint, REGION, "shop", lambda: access)
    keeping.fill(1)
    server.requests.clear()
    server.fault("delay", match="GET .*part-", seconds=60.0)
    given = {"SHOP_DB_USER": "u", "SHOP_DB_PASSWORD": "p", "OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
    python = ["env", "--default-signal=INT", sys.executable]  # a job in the background ignores it
    command = [*python, "-m", "bkpc_compiler.main", "verify", "plan.json", "--store", "far"]
    running = subprocess.Popen(
        command, cwd=keeping.desk.folder, env={**os.environ, **given}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    lasted, said = told(running, server, "part-", number)
    assert lasted < SOON
    assert running.returncode == 128 + number, said
    assert "tried again" not in said
    assert "Traceback" not in said


def writing(server: OssServer) -> subprocess.Popen[str]:
    script = WRITES.format(key=KEY_ID, secret=KEY_SECRET, endpoint=server.endpoint, region=REGION)
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_an_upload_is_dropped(server: OssServer) -> None:
    server.bucket()
    server.fault("delay", match="PUT.*partNumber", seconds=60.0)
    running = writing(server)
    lasted, said = told(running, server, "partNumber", signal.SIGTERM)
    assert lasted < SOON
    assert running.returncode == 128 + signal.SIGTERM, said
    assert any(one.startswith("DELETE") and "uploadId" in one for one in server.requests)


def test_one_that_can_not_be_dropped_is_told(server: OssServer) -> None:
    server.bucket()
    server.fault("delay", match="(PUT|DELETE).*uploadId", seconds=60.0)
    running = writing(server)
    lasted, said = told(running, server, "partNumber", signal.SIGTERM)
    assert lasted < SOON
    assert "parts of the upload stay until expiry, or a rule of the bucket, drops them: store `far`" in said
