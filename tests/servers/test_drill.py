"""A drill says that a backup brings back what was there only where it does, and what is wrong where it doesn't."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database_server import ThrowawayServer
from tests.demo.shop import load
from tests.servers.command_line import Office


@pytest.fixture
def office(fresh_server: ThrowawayServer, tmp_path: Path) -> Iterator[Office]:
    load(fresh_server)
    opened = Office.opened(tmp_path / "office", fresh_server)
    opened.bkpc("apply", "plan.json", "--yes", expect=0)
    yield opened
    assert not list(tmp_path.glob("work/*")), "a drill leaves nothing where it worked"


@pytest.fixture
def agent(office: Office) -> Iterator[subprocess.Popen[bytes]]:
    running = office.start("agent", "plan.json")
    yield running
    running.terminate()
    running.wait()


def drill(office: Office, *arguments: str, expect: int) -> str:
    work = office.folder.parent / "work"
    work.mkdir(exist_ok=True)
    return office.bkpc("drill", "plan.json", "shop", "--work", str(work), *arguments, expect=expect).text


def records(office: Office) -> list[dict[str, object]]:
    found = sorted((office.folder / "backups").glob("shop/*/marks/drills/*.json"))
    return [json.loads(path.read_bytes()) for path in found]


@pytest.mark.usefixtures("agent")
def test_what_comes_back_is_compared_with_the_source_at_one_position(office: Office) -> None:
    office.server.run("INSERT INTO shop.audit (what) VALUES ('after the image')")
    text = drill(office, expect=0)
    assert "passed  shop from disk" in text
    assert "compared with the source at the same position" in text
    (record,) = records(office)
    assert record["problems"] == []
    assert record["compared"] == record["tables"] != 0
    assert [one["kind"] for one in record["steps"]] == [  # type: ignore[attr-defined]
        "provision", "restore.image", "restore.log", "check.service",
    ]  # fmt: skip


@pytest.mark.usefixtures("agent")
def test_a_row_that_the_log_does_not_tell_of_is_found(office: Office) -> None:
    office.server.run(
        "SET SESSION sql_log_bin = 0", "INSERT INTO shop.audit (what) VALUES ('unlogged')", "SET sql_log_bin = 1"
    )
    office.server.run("INSERT INTO shop.audit (what) VALUES ('logged')")
    text = drill(office, expect=1)
    assert "FAILED  shop from disk" in text
    assert "problem: shop.audit has" in text
    assert len(records(office)[0]["problems"]) == 1  # type: ignore[arg-type]


@pytest.mark.usefixtures("agent")
def test_a_damaged_part_fails_the_drill_and_is_named(office: Office) -> None:
    part = max((office.folder / "backups").glob("shop/*/images/*/part-*"))
    body = bytearray(part.read_bytes())
    body[len(body) // 2] ^= 1
    part.chmod(0o600)
    part.write_bytes(bytes(body))
    text = drill(office, expect=1)
    assert "FAILED" in text
    assert part.name in text


@pytest.mark.usefixtures("agent")
def test_images_take_turns(office: Office) -> None:
    """Older backups rot as well as new ones: the one that was drilled longest ago is next."""
    office.bkpc("run", "plan.json", "shop/full/disk", expect=0)
    for _ in range(3):
        drill(office, expect=0)
    first, second, third = (one["image"] for one in records(office))
    assert first != second
    assert third == first


def test_log_that_does_not_arrive_is_said(office: Office, agent: subprocess.Popen[bytes]) -> None:
    office.server.run("INSERT INTO shop.audit (what) VALUES ('a')")
    drill(office, expect=0)
    agent.terminate()
    agent.wait()
    office.server.run("INSERT INTO shop.audit (what) VALUES ('b')")
    text = drill(office, "--wait", "1", expect=1)
    assert "did not arrive within 1 s" in text
