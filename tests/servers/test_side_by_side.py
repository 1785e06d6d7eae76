"""Jobs of several databases: side by side where the plan lets them, and none held up by what fails elsewhere."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.stores.directory import DirectoryStore
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.throwaway import free_port
from tests.runtime.test_listening import get
from tests.servers.command_line import PASSWORD, Office
from tests.servers.conftest import FLAVOURS
from tests.servers.streaming import wait_until

ESTATE = """\
edition 1
site here {{ region "local" }}
store disk at here {{ directory "backups/disk" }}
store away at here {{ directory "backups/away" }}
{databases}
policy basic {{
  promise against corruption {{ rpo 26h  rto 30min }}
  full daily at {at} within 1h to {stores}
  keep 14d
  recover by files
  flow {{ limit {limit} }}
}}
"""
DATABASE = """\
database {name} at here {{ mysql "127.0.0.1:{port}"  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 128MiB  writes 1MiB/h  burst 1MiB }}
"""
BODY = 3 << 20


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ThrowawayServer]]:
    """Two servers of different flavours, where there are two, with some MiB that nothing compresses."""
    with ExitStack() as running:
        found = {}
        for name, flavour in zip(("shop", "stock"), (FLAVOURS * 2)[:2], strict=True):
            folder = tmp_path_factory.mktemp(name)
            found[name] = server = running.enter_context(start_server(flavour, folder))
            server.run("CREATE DATABASE big", "CREATE TABLE big.t (body LONGBLOB)")
            server.run(f"INSERT INTO big.t VALUES (X'{os.urandom(BODY).hex()}')")
        yield found


def opened(folder: Path, servers: dict[str, ThrowawayServer], stores: str = "disk", limit: str = "1MiB/s") -> Office:
    """A plan of both databases, and of one whose server is gone."""
    for server in servers.values():
        server.run("DROP USER IF EXISTS 'backup'@'%'")
    shop, stock = servers.values()
    office = Office.opened(folder, shop)
    stock.run(f"CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}'", "GRANT ALL ON *.* TO 'backup'@'%'")
    office.environ["BKPC_MYSQL_BIN"] = os.pathsep.join(str(one.bin) for one in servers.values())
    (folder / "backups").mkdir()
    ports = {name: one.port for name, one in servers.items()} | {"gone": free_port()}
    text = ESTATE.format(
        databases="".join(DATABASE.format(name=name, port=port) for name, port in ports.items()),
        stores=stores,
        limit=limit,
        at=datetime.now(UTC).strftime("%H:%M"),
    )
    office.write(text + "".join(f"protect {name} with basic\n" for name in ports))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    return office


def newest(folder: Path, database: str) -> Manifest | None:
    image = catalogue.newest(DirectoryStore("disk", folder), database)
    return image.manifest if image else None


def seconds(manifest: Manifest) -> tuple[float, float]:
    began, finished = (datetime.fromisoformat(one).timestamp() for one in (manifest.began, manifest.finished))
    return began, finished


def assert_beside(found: list[Manifest]) -> None:
    """Each was taken at its own rate, and all at the same time."""
    times = [seconds(one) for one in found]
    assert max(began for began, _ in times) < min(finished for _, finished in times), times
    for began, finished in times:
        assert finished - began > 0.8 * BODY / (1 << 20), times  # the first second's worth is free


def test_the_agent(servers: dict[str, ThrowawayServer], tmp_path: Path) -> None:
    office = opened(tmp_path / "office", servers)
    office.begin()
    agent = office.start("agent", "plan.json", "--listen", "127.0.0.1:0")
    disk = tmp_path / "office" / "backups" / "disk"
    wait_until(lambda: bool(list(disk.glob("shop/*/images/*/part*"))))
    found = re.search(r"metrics at (http://127.0.0.1:\d+)/metrics", (office.folder / "agent.log").read_text())
    assert found
    assert get(found[1], "/healthz") == (200, "ok\n")
    code, told = get(found[1], "/metrics")
    assert (code, PASSWORD in told) == (200, False)
    assert 'bkpc_images{database="shop",store="disk"} 0' in told
    agent.send_signal(signal.SIGTERM)  # what is under way is done to its end
    assert agent.wait(60) == 0, (office.folder / "agent.log").read_text()
    images = [newest(disk, name) for name in ("shop", "stock")]
    assert_beside([one for one in images if one])
    told = (office.folder / "agent.log").read_text()
    assert "stopping when these are done: shop/full/disk, stock/full/disk" in told
    assert None not in images


def test_the_agent_told_twice_to_stop(servers: dict[str, ThrowawayServer], tmp_path: Path) -> None:
    office = opened(tmp_path / "office", servers, limit="200KiB/s")
    office.begin()
    agent = office.start("agent", "plan.json")
    disk = tmp_path / "office" / "backups" / "disk"
    wait_until(lambda: all(list(disk.glob(f"{one}/*/images/*/*")) for one in ("shop", "stock")))
    agent.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(30) == 128 + signal.SIGTERM
    told = (office.folder / "agent.log").read_text()
    assert "Traceback" not in told
    left = [name for _, _, names in os.walk(disk) for name in names]
    assert not [name for name in left if name.startswith(".") or name == "MANIFEST.json"]


def test_apply_without_one_store_and_one_server(servers: dict[str, ThrowawayServer], tmp_path: Path) -> None:
    office = opened(tmp_path / "office", servers, "disk, away")
    backups = tmp_path / "office" / "backups"
    (backups / "away").write_text("not a folder: as a store that is away")
    done = office.bkpc("apply", "plan.json", "--yes", expect=4)
    assert "left out, and what needs them: gone, away" in done.text
    assert "cannot reach backup@127.0.0.1" in done.text
    found = [newest(backups / "disk", name) for name in ("shop", "stock")]
    assert_beside([one for one in found if one])
    assert None not in found
    assert not re.search(r"^\+ .*/away", done.text, re.MULTILINE)
    (backups / "away").unlink()
    assert "+ shop/full/away" in office.bkpc("apply", "plan.json", "--yes", "--new-store", "away", expect=4).text
    assert newest(backups / "away", "stock") is not None
