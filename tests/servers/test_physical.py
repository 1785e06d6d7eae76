"""Physical images: full and incremental, with what came between, back into a data directory a server starts on."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyrage
import pytest
from msgspec.structs import replace

from bkpc_runtime.engines import page_copy
from bkpc_runtime.engines.page_copy import PageCopy
from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.recovery.choice import Start, choose
from bkpc_runtime.recovery.data_folder import UNFINISHED
from bkpc_runtime.recovery.into_data_folder import restore_into_folder
from bkpc_runtime.recovery.point import parse_point
from bkpc_runtime.repository import catalogue, marks
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.outbound import Outbound
from bkpc_runtime.transfer.sums import Sums
from tests.database_server import ThrowawayServer, start_mariadb
from tests.database_server.installation import find_mariadb
from tests.database_server.throwaway import start_over
from tests.demo.shop import load
from tests.servers.command_line import PASSWORD, Office
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import fingerprint

BETWEEN = (
    "INSERT INTO shop.audit (what) VALUES ('between')",
    "TRUNCATE shop.reviews",
    "ALTER TABLE shop.products ADD COLUMN colour VARCHAR(20) DEFAULT 'red', FORCE",
    "CREATE TABLE shop.younger (id INT PRIMARY KEY, t TEXT)",
    "INSERT INTO shop.younger VALUES (1, 'young')",
    "CREATE TABLE shop.passing (id INT) ENGINE = Aria",
    "INSERT INTO shop.passing VALUES (3), (4)",
    "CREATE USER 'made'@'%' IDENTIFIED BY 'later'",
    "GRANT SELECT ON shop.* TO 'made'@'%'",
)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThrowawayServer]:
    if "mariadb" not in os.environ.get("SERVERS", "mariadb mysql"):
        pytest.skip("SERVERS leaves MariaDB out")
    with start_mariadb(tmp_path / "shop") as server:
        monkeypatch.setenv("BKPC_MYSQL_BIN", str(server.bin))
        monkeypatch.setattr(page_copy, "PART_BYTES", 4 << 20)
        load(server)
        server.run("CREATE TABLE shop.leaving (id INT)", "CREATE TABLE shop.old (id INT) ENGINE = MyISAM")
        yield server


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, Secret]:
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path / "key.txt"
    path.write_text(f"{identity}\n")
    path.chmod(0o600)
    return str(identity.to_public()), Secret(str(identity))


def image(server: ThrowawayServer, store: Store, recipient: str, parent: Manifest | None = None) -> Manifest:
    source = Source("shop", parse_address(server.url), Secret(""))
    return take_image(source, [store], [recipient], expected_size=1 << 20, engine=PageCopy("mariabackup", parent))


@contextmanager
def started(folder: Path) -> Iterator[ThrowawayServer]:
    """A server over what was restored."""
    with start_over(find_mariadb(), folder) as server:
        yield server


def flushed(server: ThrowawayServer) -> None:
    """Until InnoDB has written to its files what is in its log by now: else an image has all of it in its redo log."""
    lsn, checkpoint = (f"SHOW GLOBAL STATUS LIKE 'Innodb_{name}'" for name in ("lsn_current", "lsn_last_checkpoint"))
    server.run("SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0.001", "SET GLOBAL innodb_max_dirty_pages_pct = 0")
    wanted = int(server.run(lsn)[0][1])
    for _ in range(400):
        if int(server.run(checkpoint)[0][1]) + 1000 >= wanted:
            return
        time.sleep(0.05)
    raise AssertionError("InnoDB wrote no checkpoint")


@contextmanager
def written_to(server: ThrowawayServer) -> Iterator[None]:
    """With somebody who writes to it."""
    server.run("CREATE TABLE shop.busy (id INT PRIMARY KEY AUTO_INCREMENT, n INT)")
    stop = threading.Event()

    def write() -> None:
        with server.connect() as connection, connection.cursor() as cursor:
            while not stop.wait(0.01):
                cursor.execute("INSERT INTO shop.busy (n) VALUES (1)")
                cursor.execute("UPDATE shop.busy SET n = n + 1 ORDER BY id DESC LIMIT 10")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def accounts(server: ThrowawayServer) -> list[tuple[object, ...]]:
    return server.run("SELECT user, host, plugin, authentication_string FROM mysql.user ORDER BY 1, 2")


def test_a_chain_and_the_log_after_it_come_back(
    shop: ThrowawayServer, store: Store, key: tuple[str, Secret], tmp_path: Path
) -> None:
    with Streaming(shop, store, key[0]) as stream:
        with written_to(shop):
            full = image(shop, store, key[0])
            shop.run(*BETWEEN, "DROP TABLE shop.leaving")
            flushed(shop)
            first = image(shop, store, key[0], full)
        shop.run("UPDATE shop.younger SET t = REPEAT('older', 1000)", "DROP TABLE shop.passing")
        flushed(shop)
        second = image(shop, store, key[0], first)
        at_image = fingerprint(shop)
        shop.run("INSERT INTO shop.younger VALUES (2, 'of the log')", "ALTER USER 'made'@'%' IDENTIFIED BY 'changed'")
        wanted, users, stop = fingerprint(shop), accounts(shop), position(shop)
        shop.run("DROP DATABASE shop")
        wait_for(stream, position(shop))
    assert [one.kind for one in (full, first, second)] == ["full", "incremental", "incremental"]
    assert (first.parent, second.parent) == (full.id, first.id)
    assert all(one.began < one.snapshot < one.finished for one in (full, first, second))
    assert len(full.parts) > 3
    assert second.plain_size < full.plain_size / 2
    assert full.to_lsn < first.to_lsn < second.to_lsn
    for to, expected in ((stop.text, wanted), (second.id, at_image)):
        folder = tmp_path / to.replace(":", "-")
        choice = choose(store, "shop", to, [key[1]], physical=True)
        assert choice.image.manifest == second
        restore_into_folder(choice.start, store, folder, [key[1]], lambda _: None)
        assert not any(path.name.startswith(("xtrabackup", ".bkpc", "backup-my")) for path in folder.iterdir())
        with started(folder) as rescue:
            assert fingerprint(rescue) == expected
            if to == stop.text:
                assert accounts(rescue) == users
            assert not rescue.run("SELECT user FROM mysql.user WHERE user LIKE 'bkpc%'")
    for one in catalogue.all_images(store, "shop")[1:]:  # with what was written while they were taken
        start = Start(one, catalogue.window(store, one), parse_point(stop.text))
        back(start, store, tmp_path / one.manifest.id, key[1])
        with started(tmp_path / one.manifest.id) as rescue:
            assert fingerprint(rescue) == wanted
    for found in store.list("shop/"):
        (tmp_path / "fetched" / found.key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fetched" / found.key).write_bytes(b"".join(store.read(found.key)))
    by_hand(next((tmp_path / "fetched").glob("shop/*/images")), (full, first, second), tmp_path, shop.bin)
    with started(tmp_path / "hand") as rescue:
        assert fingerprint(rescue) == at_image


def by_hand(images: Path, chain: tuple[Manifest, ...], folder: Path, tools: Path) -> None:
    """As `docs/repository-format.md` says."""
    script = ["set -e -o pipefail", "mkdir hand"]
    for image in chain:
        into, parts = "increment" if image.parent else "hand", images / image.id
        more = " --incremental-dir=increment; rm -r increment" if image.parent else ""
        opened = f"for part in {parts}/part-*.zst.age; do age -d -i key.txt $part | zstd -d; done"
        script += [f"mkdir -p {into}", f"{opened} | mbstream -x -C {into}"]
        script += [f"mariadb-backup --prepare --use-memory=1G --target-dir=hand{more}"]
    environ = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-c", "\n".join(script)], check=True, cwd=folder, capture_output=True, env=environ)


def test_as_a_policy_asks_for_them(shop: ThrowawayServer, tmp_path: Path) -> None:
    """With the privileges that preflight prints and no more; the password is on no command line."""
    office = Office.opened(tmp_path / "office", shop)
    office.plan_physical()
    shop.run("DROP USER 'backup'@'%'", f"CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}'")
    shop.run("SET GLOBAL sync_binlog = 1")
    asked = office.bkpc("preflight", "plan.json", expect=1).text
    (grant,) = [line.strip() for line in asked.splitlines() if line.strip().startswith("GRANT")]
    shop.run(grant.rstrip(";"))
    assert "no problems" in office.bkpc("preflight", "plan.json", expect=0).text
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    shop.run(*BETWEEN)
    told = office.bkpc("run", "plan.json", "shop/incremental/disk", expect=0).text
    assert "what changed since" in told
    wanted = fingerprint(shop)
    assert "mariabackup, since" in office.bkpc("list", "plan.json", expect=0).text
    assert "0 problems" in office.bkpc("verify", "plan.json", "--deep", expect=0).text
    newest = json.loads(office.bkpc("list", "plan.json", "--format", "json").text)[0]["image"]
    assert all(
        one.manifest.rows["shop"]
        for one in catalogue.all_images(DirectoryStore("disk", office.folder / "backups"), "shop")
    )
    drilled = office.bkpc("drill", "plan.json", "shop", "--image", newest, expect=0).text
    assert "compared with the source at the same position" in drilled
    refused = office.bkpc("restore", "plan.json", "shop", "--into", shop.url, expect=2).text
    assert "--into-datadir" in refused
    folder = tmp_path / "back"
    office.bkpc("restore", "plan.json", "shop", "--into-datadir", str(folder), expect=0)
    assert "not empty" in office.bkpc("restore", "plan.json", "shop", "--into-datadir", str(folder), expect=5).text
    with started(folder) as rescue:
        assert fingerprint(rescue) == wanted
    # What is held is not built on.
    prefix = next((office.folder / "backups" / "shop").glob("mariadb-*")).name
    disk = DirectoryStore("disk", office.folder / "backups")
    marks.put(disk, f"shop/{prefix}", marks.JUDGED, newest, "hold", datetime.now(UTC))
    told = office.bkpc("run", "plan.json", "shop/incremental/disk", expect=0).text
    assert f"takes a full image: image {newest} is held" in told
    # A server set up anew has pages of the same numbers.
    shop.run("RESET MASTER")
    told = office.bkpc("run", "plan.json", "shop/incremental/disk", expect=0).text
    assert "takes a full image" in told
    assert "what changed since" not in told


def test_what_can_not_come_back_leaves_the_folder_empty(
    shop: ThrowawayServer, disk: DirectoryStore, key: tuple[str, Secret], tmp_path: Path
) -> None:
    full = image(shop, disk, key[0])
    shop.run(*BETWEEN)
    first = image(shop, disk, key[0], full)
    folder = tmp_path / "back"
    start = choose(disk, "shop", first.id, [key[1]], physical=True).start
    path = next(disk.root.glob(f"**/{first.id}/{first.parts[0].name}"))
    whole = path.read_bytes()
    # Whoever may write into the store may encrypt, too: a name that leads elsewhere, under a manifest that fits.
    plain = b"XBSTCK01\0P" + struct.pack("<I", 10) + b"../../evil" + bytes(20)
    forged = replace(first, parts=(replace(first.parts[0], sums=seal(plain, key[0], path)),))
    with pytest.raises(DamagedBackup, match=r"was changed: it has a file '\.\./\.\./evil'"):
        back(Start(Image(start.image.prefix, forged), None, start.point), disk, folder, key[1])
    assert not list(tmp_path.glob("**/evil"))
    path.write_bytes(whole[:-20] + bytes(20))
    with pytest.raises(DamagedBackup, match=first.parts[0].name):
        back(start, disk, folder, key[1])
    path.write_bytes(whole)
    parent = next(disk.root.glob(f"**/{full.id}/MANIFEST.json"))
    parent.rename(tmp_path / "aside")
    with pytest.raises(DamagedBackup, match=f"needs image {full.id}"):
        back(start, disk, folder, key[1])
    (tmp_path / "aside").rename(parent)
    assert list(folder.iterdir()) == []
    # One that was killed leaves its work, which the next one clears away.
    (folder / UNFINISHED / "data").mkdir(parents=True)
    (folder / UNFINISHED / "data" / "ibdata1").write_text("half")
    back(start, disk, folder, key[1])
    assert (folder / "ibdata1").stat().st_size > 1000
    assert not (folder / UNFINISHED).exists()


def back(start: Start, store: Store, folder: Path, key: Secret) -> None:
    restore_into_folder(start, store, folder, [key], lambda _: None)


def seal(plain: bytes, recipient: str, path: Path) -> Sums:
    """Writes `plain` as a part is written."""
    chunks: list[bytes] = []
    outbound = Outbound(chunks.append, [recipient])
    outbound.write(plain)
    sums = outbound.finish()
    path.write_bytes(b"".join(chunks))
    return sums
