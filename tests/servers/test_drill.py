"""A drill says that a backup brings back what was there only where it does, and what is wrong where it doesn't."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.database_server import ThrowawayServer, start_server
from tests.demo.shop import load
from tests.servers.command_line import Office
from tests.servers.conftest import FLAVOURS


@pytest.fixture
def office(fresh_server: ThrowawayServer, tmp_path: Path) -> Iterator[Office]:
    load(fresh_server)
    opened = Office.opened(tmp_path / "office", fresh_server)
    opened.bkpc("apply", "plan.json", "--yes", expect=0)
    agent = opened.start("agent", "plan.json")
    yield opened
    agent.terminate()
    agent.wait()
    assert not list(tmp_path.glob("work/*")), "a drill leaves nothing where it worked"


def drill(office: Office, *arguments: str, expect: int) -> str:
    work = office.folder.parent / "work"
    work.mkdir(exist_ok=True)
    return office.bkpc("drill", "plan.json", "shop", "--work", str(work), *arguments, expect=expect).text


def records(office: Office) -> list[dict[str, Any]]:
    found = sorted((office.folder / "backups").glob("shop/*/marks/drills/*.json"))
    return [json.loads(path.read_bytes()) for path in found]


def test_what_comes_back_is_compared_and_images_take_turns(office: Office) -> None:
    office.server.run(*[f"INSERT INTO shop.audit (what) VALUES ('after the image {one}')" for one in range(30)])
    text = drill(office, expect=0)
    assert "passed  shop from disk" in text
    assert "compared with the source at the same position" in text
    assert "tables, views, triggers, routines and events: the same names" in text
    (record,) = records(office)
    assert f"by way of {record['instant']}, drawn with --seed {record['seed']}" in text
    assert record["instant"] != record["point"]
    assert record["problems"] == []
    assert record["compared"] == record["tables"] != 0
    assert [one["kind"] for one in record["steps"]] == ["provision", "restore.image", "restore.log", "check.service"]
    # The newer image is next, since no drill has seen it yet; its log must be left out of what is compared.
    office.bkpc("run", "plan.json", "shop/full/disk", expect=0)
    drill(office, expect=0)
    assert records(office)[1]["image"] > record["image"]
    assert records(office)[1]["instant"] == ""  # nothing was written since
    office.server.run("CREATE VIEW shop.last AS SELECT 1 AS n", "INSERT INTO shop.audit (what) VALUES ('last')")
    assert f"by way of {record['instant']}, to" in drill(office, "--to", record["instant"], expect=0)
    assert records(office)[2]["image"] == record["image"]
    said = office.bkpc("facts", "plan.json", "-o", "facts.json", expect=0).text
    assert "shop: not measured: dumps, restores, replays" in said  # a shop of some kilobytes shows no rate
    text = office.bkpc("check", "shop.bkp", "--facts", "facts.json", expect=0).text
    assert "BKP7003" in text  # 1GiB is declared


@pytest.fixture
def first_flavour(tmp_path: Path) -> Iterator[ThrowawayServer]:
    with start_server(FLAVOURS[0], tmp_path / "source") as server:
        load(server)
        yield server


def test_a_drill_that_the_policy_asks_for_is_held_by_the_agent(first_flavour: ThrowawayServer, tmp_path: Path) -> None:
    office = Office.opened(tmp_path / "office", first_flavour)
    text = (office.folder / "shop.bkp").read_text()
    office.write(text.replace("  keep 14d", "  flow { drill every 10s }\n  keep 14d"))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    agent = office.start("agent", "plan.json", "--format", "json")
    try:
        wait_until(lambda: '"event": "drilled"' in (office.folder / "agent.log").read_text(), 200)
    finally:
        agent.terminate()
        assert agent.wait(60) == 0
    assert records(office)[0]["problems"] == []
    lines = (office.folder / "agent.log").read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    (drilled, *_) = (one for one in found if one["event"] == "drilled")
    assert drilled["drill"] == records(office)[0]
    assert "shop/drill" in {one["step"] for one in found if one["event"] == "begun"}
    assert "drill: passed" in office.bkpc("status", "plan.json").text
    without = office.bkpc("run", "plan.json", "shop/drill", BKPC_AGE_IDENTITY="")
    assert without.code == 5
    assert "--identity" in without.text


def wait_until(reached: Callable[[], bool], patience: float) -> None:
    end = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_what_does_not_come_back_fails_the_drill(office: Office) -> None:
    office.server.run("SET SESSION sql_log_bin = 0", "INSERT INTO shop.audit (what) VALUES ('not in any log')")
    office.server.run("SET SESSION sql_log_bin = 0", "CREATE VIEW shop.silent AS SELECT 1 AS n")
    office.server.run("INSERT INTO shop.audit (what) VALUES ('logged')")
    text = drill(office, expect=1)
    assert "FAILED  shop from disk" in text
    assert "problem: view shop.silent is not there after the restore" in text
    assert "problem: shop.audit has" in text
    (part,) = (office.folder / "backups").glob("shop/*/images/*/part-000002.*")
    body = bytearray(part.read_bytes())
    body[len(body) // 2] ^= 1
    part.chmod(0o600)
    part.write_bytes(bytes(body))
    text = drill(office, expect=1)
    assert part.name in text
    assert [len(one["problems"]) for one in records(office)] == [2, 1]


def test_log_that_does_not_arrive_is_said(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    load(fresh_server)
    office = Office.opened(tmp_path / "office", fresh_server)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    office.server.run("INSERT INTO shop.audit (what) VALUES ('where no agent runs')")
    text = drill(office, "--wait", "1", expect=1)
    assert "did not arrive within 1 s" in text
    assert records(office) == []
