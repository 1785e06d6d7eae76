"""An agent whose plan was replaced says so, and goes over to the one in its file once that is in force."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path

import pyrage
import pytest
from msgspec.structs import replace

from bkpc_grammar.canonical import canonical_bytes
from bkpc_grammar.plan import Plan
from bkpc_runtime.agents_here import noted
from bkpc_runtime.commands import agent
from bkpc_runtime.commands.other_plan import agents_of_other_plans, replaced_in, told_of_agents, told_of_keys
from bkpc_runtime.plan_watch import PlanWatch
from bkpc_runtime.repository.plans import put_in_force
from bkpc_runtime.upkeep import _not_agreed
from bkpc_runtime.world import World
from tests.compiler.one_file import changed, planned
from tests.runtime.test_due import NOON

LOGIN = {"SHOP_DB_USER": "backup", "SHOP_DB_PASSWORD": "x"}
OLD = planned(changed())
NEW = planned(changed(("keep 14d", "keep 3d")))


@dataclasses.dataclass
class Desk:
    """An agent of OLD, with its plan file."""

    folder: Path
    file: Path
    world: World
    watch: PlanWatch
    words: list[str]
    applied: int = 0

    def look(self) -> bool:
        self.watch._file_at = self.watch._stores_at = 0.0
        return self.watch.look()

    def apply(self, plan: Plan) -> None:
        self.applied += 1
        put_in_force(self.world.store("disk"), plan, NOON + timedelta(hours=self.applied))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    file = tmp_path / "plan.json"
    file.write_bytes(canonical_bytes(OLD))
    world, words = World(OLD, tmp_path, LOGIN), list[str]()
    return Desk(tmp_path, file, world, PlanWatch(world, file, words.append), words)


def test_it_goes_over_to_what_is_in_its_file_once_that_is_in_force(desk: Desk) -> None:
    desk.apply(OLD)
    assert not desk.look()
    desk.file.write_bytes(canonical_bytes(NEW))
    assert not desk.look()
    assert "is not in force: bkpc apply" in desk.words[-1]
    desk.apply(NEW)
    assert desk.look()


def test_a_file_that_is_being_written_is_no_news_until_it_stays_so(desk: Desk) -> None:
    desk.file.write_bytes(canonical_bytes(NEW)[:100])
    assert not desk.look()
    assert desk.words[-1] == ""
    assert not desk.look()
    assert "its plan file can't be used" in desk.words[-1]


def test_it_does_not_go_over_to_what_it_could_not_run(desk: Desk) -> None:
    other = planned(changed(("SHOP_DB_PASSWORD", "ANOTHER")))
    desk.file.write_bytes(canonical_bytes(other))
    desk.apply(other)
    assert not desk.look()
    assert "the environment has no ANOTHER" in desk.words[-1]
    berlin = planned(changed(("database shop", "database berlin"), ("protect shop", "protect berlin")))
    desk.file.write_bytes(canonical_bytes(berlin))
    desk.apply(berlin)
    assert not desk.look()
    assert "has none of its databases" in desk.words[-1]


def test_a_plan_that_was_applied_elsewhere_is_told(desk: Desk) -> None:
    desk.apply(OLD)
    assert not desk.look()
    assert desk.words[-1] == ""
    desk.apply(NEW)
    assert not desk.look()
    new, old = NEW.header.digest[:12], OLD.header.digest[:12]
    assert f"plan {new} was applied for `shop` to disk after plan {old}" in desk.words[-1]
    assert desk.words[-1] == replaced_in(desk.world, "shop", desk.world.store("disk"))
    desk.apply(OLD)
    assert not desk.look()
    assert desk.words[-1] == ""


def test_a_plan_of_others_in_the_same_store_is_no_news(desk: Desk) -> None:
    desk.apply(OLD)
    desk.apply(planned(changed(("database shop", "database berlin"), ("protect shop", "protect berlin"))))
    assert not desk.look()
    assert desk.words[-1] == ""
    assert replaced_in(desk.world, "shop", desk.world.store("disk")) == ""


def test_expiry_that_rests_after_another_plan_was_applied_advises_no_step_back(desk: Desk) -> None:
    store = desk.world.store("disk")
    desk.apply(OLD)
    new = dataclasses.replace(desk.world, plan=NEW)
    assert "bkpc apply puts this one in force" in _not_agreed(new, store, "disk", "shop")
    desk.apply(NEW)
    why = _not_agreed(desk.world, store, "disk", "shop")
    assert f"use that one, {NEW.header.digest[:12]}" in why
    assert "bkpc apply" not in why
    assert _not_agreed(new, store, "disk", "shop") == ""


def test_status_and_apply_know_of_an_agent_of_another_plan(desk: Desk) -> None:
    new = dataclasses.replace(desk.world, plan=NEW)
    assert agents_of_other_plans(new, desk.folder) == {}
    (none,) = told_of_agents(new, desk.folder, replaced=True)
    assert none.startswith("no agent works here on the plan before this one")
    with noted(desk.folder, OLD, desk.file) as note:
        assert agents_of_other_plans(desk.world, desk.folder) == {}
        told = agents_of_other_plans(new, desk.folder)["shop"]
        assert told.startswith(f"the agent here runs plan {OLD.header.digest[:12]}, not this one")
        assert f"put this one into {desk.file}, and apply it" in told
        desk.file.write_bytes(canonical_bytes(NEW))
        note.say("it waits")
        assert agents_of_other_plans(new, desk.folder)["shop"].endswith("its log says why it has not: it waits")
        (warning,) = told_of_agents(new, desk.folder, replaced=True)
        assert "it goes over to this one by itself" in warning
        others = replace(NEW, estate=replace(NEW.estate, databases=()))
        assert agents_of_other_plans(dataclasses.replace(new, plan=others), desk.folder) == {}
        with noted(desk.folder, NEW, desk.file):  # a second one says nothing in the name of the first
            assert "shop" in agents_of_other_plans(new, desk.folder)
    assert agents_of_other_plans(new, desk.folder) == {}


def test_other_keys_ask_for_an_image_that_they_open(desk: Desk) -> None:
    def sealed(number: int) -> Plan:
        key = str(pyrage.x25519.Identity.generate().to_public())
        return planned(changed(("keep 14d", f'keep {number}d\n  encrypt rest to "{key}"')))

    first, second = sealed(14), sealed(14)
    worlds = [dataclasses.replace(desk.world, plan=one) for one in (first, second)]
    (full,) = (job for job in second.jobs if job.kind == "backup.full")
    assert list(told_of_keys(worlds[0], ["disk"], [])) == [], "nothing is in force"
    desk.apply(OLD)
    assert "shop/full/disk" in next(told_of_keys(worlds[0], ["disk"], [])), "what is there is not sealed"
    desk.apply(first)
    assert list(told_of_keys(worlds[0], ["disk"], [])) == []
    assert "keep the old ones" in next(told_of_keys(worlds[1], ["disk"], []))
    assert list(told_of_keys(worlds[1], ["disk"], [full])) == []
    assert list(told_of_keys(desk.world, ["disk"], [])) == [], "nothing is sealed any more"


def test_who_tells_it_to_stop_while_it_goes_over_is_heard(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last events are still sent then, and a slow listener takes seconds."""
    begun: list[str] = []

    class Done:
        def __init__(self, *_: object) -> None: ...

        def run(self, _: threading.Event, over: threading.Event) -> bool:
            over.set()
            return True

        def ailing(self) -> str:
            return ""

    def ended(arguments: argparse.Namespace, tell: bool) -> int:
        code = until_told(arguments)
        if tell:
            signal.raise_signal(signal.SIGTERM)
        return code

    until_told = agent._until_told
    monkeypatch.setattr(agent, "Agent", Done)
    monkeypatch.setattr("os.execv", lambda program, _: begun.append(program))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    parser = argparse.ArgumentParser()
    agent.add_arguments(parser)
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    try:
        for tell in (True, False):
            monkeypatch.setattr(agent, "_until_told", partial(ended, tell=tell))
            agent.run(parser.parse_args([str(desk.file), "--work", str(desk.folder / "work")]))
            assert begun == ([] if tell else [sys.executable])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
