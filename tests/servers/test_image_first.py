"""`bkpc restore` of one database, as the runbook types it: its log leaves its image what both are read through."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bkpc_compiler.main import main
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.transfer.throttle import Throttle
from tests.database_server import ThrowawayServer, start_server
from tests.servers.command_line import Office

pytestmark = pytest.mark.parametrize("fresh_server", ["mariadb"], indirect=True)
RATE, ROWS, MB = 2_000_000, 5, 1_000_000
ESTATE = """\
edition 1
site here {{ region "cn-hangzhou" }}
store disk at here {{ directory "backups" reads 2MB/s writes 1GB/s }}
database shop at here {{
  mysql "127.0.0.1:{shop}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 30MB  writes 1kB/s  burst 1MiB dumps 1GB/s restores 1GB/s replays 1GB/s
}}
policy basic {{
  promise against corruption {{ rpo 10s  rto 12h }}
  full daily at 02:00 within 2h to disk
  hot  to disk every 2s
  keep 14d
}}
protect shop with basic
"""
ROW = "INSERT INTO w.t (body) SELECT GROUP_CONCAT(RANDOM_BYTES(1000) SEPARATOR '') FROM w.seq_1_to_1000"
"""A megabyte that no compression makes less."""


class Link:
    """Counts what of image and log has passed it; `before`: of the log, before the last of the image."""

    def __init__(self) -> None:
        self._throttle, self._lock = Throttle(RATE), threading.Lock()
        self.image = self.log = self.before = 0

    def take(self, key: str, size: int) -> None:
        self._throttle.take(size)
        with self._lock:
            if "/logs/" in key:
                self.log += size
            elif size > MB // 100:  # a manifest is no part of what is loaded
                self.image, self.before = self.image + size, self.log


def test_the_image_goes_first(fresh_server: ThrowawayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = fresh_server
    office = Office.opened(tmp_path / "office", shop)
    office.write(ESTATE.format(shop=shop.port))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    shop.run("CREATE DATABASE w", "CREATE TABLE w.t (n INT PRIMARY KEY AUTO_INCREMENT, body LONGBLOB)", *[ROW] * ROWS)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    agent = office.start("agent", "plan.json")
    try:
        shop.run(*[ROW] * ROWS)
        office.archived(shop)
    finally:
        agent.terminate()
        assert agent.wait(60) == 0
    for name, value in office.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(office.folder)
    link, read = Link(), DirectoryStore.read

    def slowly(
        store: DirectoryStore, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None
    ) -> Iterator[bytes]:
        for chunk in read(store, key, start, end, limit=limit):
            link.take(key, len(chunk))
            yield chunk

    monkeypatch.setattr(DirectoryStore, "read", slowly)
    monkeypatch.setattr(DirectoryStore, "get", lambda store, key: b"".join(slowly(store, key)))
    with start_server(shop.flavour, tmp_path / "new") as new:
        asked = ["restore", "plan.json", "shop", "--store", "disk", "--to", "latest", "--into", new.url]
        assert main([*asked, "--work", str(tmp_path)]) == 0
        assert new.run("SELECT COUNT(*) FROM w.t") == [(2 * ROWS,)]
    assert link.image > ROWS * MB
    assert link.log > ROWS * MB
    assert link.before <= MB + MB // 10  # what is read of it at once, and a hundredth of what passes
