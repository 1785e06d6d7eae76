"""A group whose log must thaw, by `restore --scope`: its point in common is looked for when all of it has thawed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bkpc_compiler.main import main
from tests.database_server import ThrowawayServer, start_server
from tests.oss_server import KEY_ID, KEY_SECRET, OssServer
from tests.servers import test_group
from tests.servers.command_line import PASSWORD, Office
from tests.servers.test_from_cold import in_this_process

pytestmark = pytest.mark.parametrize("fresh_server", ["mariadb"], indirect=True)
TAPE = """\
import "std/oss"

site here {{ region "cn-hangzhou" }}
site there {{ region "cn-hangzhou" }}
link here -- there {{ bandwidth 1Gbit/s  latency 1ms }}
store tape at there {{
  oss "tape"
  endpoint "{endpoint}"
  class cold_archive
  credentials env OSS_KEY_ID, OSS_KEY_SECRET
  reads 1Gbit/s  writes 1Gbit/s
}}
"""
ESTATE = (
    test_group.ESTATE.replace('site here {{ region "local" }}\n', TAPE)
    .replace("rto 4h", "rto 12h")
    .replace("hot  to disk", "hot  to tape")
)


def test_a_group_waits_for_its_log(
    fresh_server: ThrowawayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shop = fresh_server
    with OssServer(tmp_path / "oss") as bucket, start_server(shop.flavour, tmp_path / "stock") as stock:
        office = Office.opened(tmp_path / "office", shop)
        office.environ |= {"OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
        stock.run(f"CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}'", "GRANT ALL ON *.* TO 'backup'@'%'")
        recipient, endpoint = office.recipient, bucket.endpoint
        office.write(ESTATE.format(shop=shop.port, stock=stock.port, recipient=recipient, endpoint=endpoint))
        office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
        for one in (shop, stock):
            one.run("CREATE DATABASE w", "CREATE TABLE w.t (n INT PRIMARY KEY)", "INSERT INTO w.t VALUES (0)")
        office.bkpc("apply", "plan.json", "--yes", expect=0)
        agent = office.start("agent", "plan.json")
        try:
            for number in (1, 2, 3):
                for one in (shop, stock):
                    one.run(f"INSERT INTO w.t VALUES ({number})")
                time.sleep(1.1)  # MariaDB's log tells whole seconds
            office.archived(shop, stock)
        finally:
            agent.terminate()
            assert agent.wait(60) == 0
        with (
            start_server(shop.flavour, tmp_path / "one") as one,
            start_server(shop.flavour, tmp_path / "two") as two,
        ):
            scope = ["restore", "plan.json", "--scope", "corruption:shop", "--to", "latest", "--idle", "shop"]
            scope += ["--idle", "stock", "--work", str(tmp_path)]
            scope += ["--into", f"shop={one.url}", "--into", f"stock={two.url}"]
            told = office.bkpc(*scope, "--dry-run", expect=0).text
            assert told.count("the point in common of its group is looked for when all their log has thawed") == 2
            assert "of class ColdArchive must thaw first" in told
            assert not any("?restore" in line for line in bucket.requests)
            waited = in_this_process(office, bucket, monkeypatch)
            capfd.readouterr()
            assert main(scope) == 0, capfd.readouterr().err
            told = "".join(capfd.readouterr())
            assert told.count("shop: the point in common is ") == told.count("stock: the point in common is ") == 1
            assert sum(waited) >= 5 * 3600
            for server in (one, two):
                assert server.run("SELECT COUNT(*) FROM w.t") == [(4,)]
            assert not list(tmp_path.glob("bkpc-restore-*"))
