"""Physical images of MySQL by CLONE, taken while somebody writes, and back with the log after them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bkpc_runtime.engines.clone import Clone
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.recovery.choice import choose
from bkpc_runtime.recovery.into_data_folder import restore_into_folder
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_mysql
from tests.database_server.installation import find_mysql
from tests.database_server.throwaway import start_over
from tests.demo.shop import load
from tests.servers.command_line import Office
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import fingerprint


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThrowawayServer]:
    if "mysql" not in os.environ.get("SERVERS", "mariadb mysql").split():
        pytest.skip("SERVERS leaves MySQL out")
    with start_mysql(tmp_path / "shop") as server:
        monkeypatch.setenv("BKPC_MYSQL_BIN", str(server.bin))
        load(server)
        server.run("INSTALL PLUGIN clone SONAME 'mysql_clone.so'")
        yield server


def image(server: ThrowawayServer, store: Store) -> Manifest:
    source = Source("shop", parse_address(server.url), Secret(""))
    return take_image(source, [store], [], expected_size=1 << 20, engine=Clone())


def test_an_image_taken_while_somebody_writes_and_the_log_come_back(
    shop: ThrowawayServer, store: Store, tmp_path: Path
) -> None:
    shop.run(
        "CREATE TABLE shop.busy (id INT PRIMARY KEY AUTO_INCREMENT, n INT)", "INSERT INTO shop.busy (n) VALUES (1)"
    )
    stop = threading.Event()

    def write() -> None:
        with shop.connect() as connection, connection.cursor() as cursor:
            while not stop.wait(0.01):
                cursor.execute("INSERT INTO shop.busy (n) VALUES (1)")
                cursor.execute("UPDATE shop.busy SET n = n + 1 ORDER BY id DESC LIMIT 10")

    writer = threading.Thread(target=write)
    with Streaming(shop, store) as stream:
        writer.start()
        taken = image(shop, store)
        stop.set()
        writer.join()
        wanted, end = fingerprint(shop), position(shop)
        shop.run("DROP DATABASE shop")
        wait_for(stream, position(shop))
    assert (taken.engine, taken.kind) == ("clone", "full")
    assert taken.began < taken.snapshot < taken.finished
    assert taken.rows["shop"]["busy"]
    assert taken.rows_estimated
    assert not list((tmp_path / "shop").glob("bkpc-clone-*"))
    folder = tmp_path / "back"
    choice = choose(store, "shop", end.text, [], physical=True)
    restore_into_folder(choice.start, store, folder, [], lambda _: None)
    with start_over(find_mysql(), folder) as rescue:
        assert fingerprint(rescue) == wanted
        assert not rescue.run("SELECT user FROM mysql.user WHERE user LIKE 'bkpc%'")
        assert rescue.run("SELECT @@server_uuid") != shop.run("SELECT @@server_uuid")


def test_incremental_images_need_another_tool(shop: ThrowawayServer, tmp_path: Path) -> None:
    office = Office.opened(tmp_path / "office", shop)
    office.plan_physical()
    assert "incremental images need it: xtrabackup" in office.bkpc("preflight", "plan.json", expect=1).text
    refused = office.bkpc("run", "plan.json", "shop/incremental/disk", expect=1).text
    assert "CLONE takes full images only" in refused
    assert "takes a full image" not in refused
