"""Which server is named in a plan, and what is proposed for one that is not."""

from __future__ import annotations

from pathlib import Path

import pyrage
import pytest

from bkpc_compiler.main import main
from bkpc_grammar.canonical import read_plan
from bkpc_runtime import coverage
from bkpc_runtime.mysql.neighbours import Neighbour, Neighbours
from bkpc_runtime.world import World
from tests.demo import policy


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    text = policy.without_log(3306, str(pyrage.x25519.Identity.generate().to_public()))
    return planned(tmp_path, text.replace("rpo 10s", "rpo 2d").replace("127.0.0.1", "db1.example"))


def planned(folder: Path, text: str) -> World:
    (folder / "shop.bkp").write_text(text)
    assert main(["compile", "shop.bkp", "-o", "plan.json"]) == 0
    return World(read_plan((folder / "plan.json").read_bytes(), "plan.json"), folder, {})


def told(world: World, *found: Neighbour) -> list[coverage.Uncovered]:
    (database,) = world.databases("shop")
    seen = coverage.Seen(database, neighbours=Neighbours(found, ()))
    return list(coverage._uncovered(world, seen, [seen]))


def test_however_a_host_is_spelled_it_is_the_one_that_is_named(world: World) -> None:
    named = ("db1.example", "DB1.Example.", "localhost", "127.0.0.1")
    assert told(world, *(Neighbour(host, 3306, 7, "replica") for host in named)) == []
    (other,) = told(world, Neighbour("db1.example", 3307, 7, "replica"))
    assert other.text.startswith("db1.example:3307 takes the log of `shop`")


@pytest.mark.parametrize("host", ["db2.example", "10.0.0.7", "fd00::7", "DB_2"])
def test_what_is_proposed_can_be_written_as_it_is(world: World, host: str, tmp_path: Path) -> None:
    (one,) = told(world, Neighbour(host, 0, 7, "replica"))
    sentence = "\n".join(one.mend).replace("USER, PASSWORD", "A, B").replace("POLICY", "basic")
    grown = planned(tmp_path, (tmp_path / "shop.bkp").read_text() + sentence)
    assert len(grown.databases(None)) == 2
    assert told(grown, Neighbour(host, 0, 7, "replica")) == []


def test_a_host_that_is_no_name_is_told_and_not_proposed(world: World) -> None:
    (one,) = told(world, Neighbour('x" } store evil at here { directory "/"', 3306, 7, "replica"))
    assert one.mend == ()


def test_a_replica_without_an_address(world: World) -> None:
    (one,) = told(world, Neighbour("", 3306, 7, "replica"))
    assert "(server_id 7) does not tell its address (report_host)" in one.text
