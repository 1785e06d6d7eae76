"""Recoveries as people carry them out: order, one act told once, the path that decides."""

from __future__ import annotations

import shlex

import msgspec
import pytest
from markupsafe import Markup, escape

from bkpc_compiler.backends import words
from bkpc_compiler.backends.markup import markdown_code, ticked
from bkpc_compiler.backends.procedure import Procedure, critical_path, procedures_of
from bkpc_compiler.backends.runbook.acts import acts_of
from bkpc_grammar import plan
from tests.compiler.backends.made import made_plan


def procedure(scope: str) -> Procedure:
    (found,) = [one for one in procedures_of(made_plan()) if one.recovery.scope == scope]
    return found


def test_what_is_done_for_all_at_once_is_told_once() -> None:
    titles = [phase.title for phase in procedure("site").phases]
    assert titles[:4] == [
        "Notice the failure",
        "Decide, and gather the people",
        "Make an empty server ready for accounts, config and orders",
        "Load the image of config from far",
    ]


def test_no_step_comes_before_one_it_needs() -> None:
    for one in procedures_of(made_plan()):
        for phase in one.phases:
            assert all(number < phase.number for number in phase.after), (one.title, phase)


def test_every_step_of_the_plan_is_in_the_procedure() -> None:
    for one in procedures_of(made_plan()):
        told = sorted((phase.kind, name) for phase in one.phases for name in phase.databases)
        assert told == sorted((step.kind, step.database) for step in one.recovery.steps)


def test_the_path_that_decides_goes_back_from_the_last_step() -> None:
    kinds = ("detect", "activate", "provision", "restore.image", "restore.log", "check.service")
    assert critical_path(procedure("site").recovery) == {f"orders/{kind}" for kind in kinds}


def test_a_recovery_without_steps_has_no_path() -> None:
    recovery = plan.Recovery(scope="site", lost="x", down=(), databases=(), steps=(), expect_ms=0)
    assert critical_path(recovery) == frozenset()


def test_a_restore_of_image_and_log_is_one_command() -> None:
    commands = [command for act in acts_of(procedure("site")) for command in act.commands if "restore" in command]
    assert len(commands) == 3
    assert commands[0].startswith(
        "bkpc restore plan.json config --store far --to latest \\\n  --into 'mysql://root@NEW"
    )


def grouped(*members: str) -> plan.Plan:
    """The plan, with these in a group."""
    group = plan.Group(name="checkout", databases=members or ("accounts", "orders"))
    return msgspec.structs.replace(made_plan(), groups=(group,))


def test_a_group_goes_back_with_one_command_to_its_point_in_common() -> None:
    (site,) = [one for one in procedures_of(grouped()) if one.recovery.scope == "site"]
    acts = acts_of(site)
    (command,) = [command for act in acts for command in act.commands if "bkpc restore" in command]
    assert command.startswith(
        "bkpc restore plan.json --scope site:hangzhou --to latest \\\n  --into accounts='mysql://"
    )
    assert command.count("--into ") == 3
    told = {act.phase.title: " ".join(act.texts) for act in acts}
    first = next(act.phase.number for act in acts if act.commands and "restore" in act.commands[0])
    for title, text in told.items():
        if title.startswith(("Load", "Replay")) and "One command" not in text:
            assert f"Nothing to type: the command of step {first} " in text, title


def test_log_is_looked_into_only_where_there_is_one() -> None:
    made = made_plan()
    (corruption,) = [one for one in made.recoveries if one.scope == "corruption"]
    (name,) = {step.database for step in corruption.steps if step.kind == "restore.log"}

    def told(recovery: plan.Recovery) -> str:
        (found,) = procedures_of(msgspec.structs.replace(made, recoveries=(recovery,)))
        return "\n".join(line for act in acts_of(found) for line in (*act.texts, *act.commands))

    assert f"bkpc log plan.json {name} " in told(corruption)
    steps = tuple(step for step in corruption.steps if step.kind != "restore.log")
    kept = tuple(
        msgspec.structs.replace(one, needs=tuple(i for i in one.needs if not i.endswith("/restore.log")))
        for one in steps
    )
    text = told(msgspec.structs.replace(corruption, steps=kept))
    assert "bkpc log" not in text
    assert f"There is no log of `{name}`" in text


def test_one_of_a_group_that_comes_back_alone_is_restored_alone() -> None:
    (site,) = [one for one in procedures_of(grouped("orders", "elsewhere")) if one.recovery.scope == "site"]
    commands = [command for act in acts_of(site) for command in act.commands if "bkpc restore" in command]
    assert len(commands) == 3


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/srv/plain", "`/srv/plain`"),
        ("/srv/a`b", "``'/srv/a`b'``"),
        ("/srv/a  b", "`'/srv/a  b'`"),
        ("`a``b`", "```'`a``b`'```"),
        ("it's", "`'it'\"'\"'s'`"),
    ],
)
def test_a_path_is_written_as_a_shell_takes_it_and_no_part_of_it_ends_the_code(path: str, written: str) -> None:
    assert markdown_code(shlex.quote(path)) == written
    assert ticked(f"Store {markdown_code(shlex.quote(path))} is.") == escape("Store ") + Markup(  # noqa: S704
        f"<code>{escape(shlex.quote(path))}</code> is."
    )


def test_images_of_files_come_back_into_a_data_directory() -> None:
    made = made_plan()
    jobs = tuple(
        msgspec.structs.replace(job, engine="physical") if job.database == "orders" else job for job in made.jobs
    )
    (found,) = [one for one in procedures_of(msgspec.structs.replace(made, jobs=jobs)) if one.recovery.scope == "site"]
    acts = acts_of(found)
    told = {phase.phase.title: " ".join((*phase.texts, *phase.commands)) for phase in acts}
    ready = told["Make an empty server ready for accounts, config and orders"]
    assert "Start an empty server for `accounts` and `config`, one for each" in ready
    assert "stands for DATA-FOLDER" in ready
    assert "--into-datadir DATA-FOLDER" in told["Load the image of orders from far"]
    assert "--into 'mysql://" in told["Load the image of config from far"]
    assert "--event-scheduler=OFF" in told["Check the service of orders"]


def test_what_a_command_says_the_program_takes() -> None:
    import argparse

    from bkpc_runtime.commands import list as list_
    from bkpc_runtime.commands import log, restore

    modules = {"restore": restore, "log": log, "list": list_}
    for one in (*procedures_of(made_plan()), *procedures_of(grouped())):
        for command in (command for act in acts_of(one) for command in act.commands):
            program, *arguments = shlex.split(command.replace("\\\n", ""))
            if program != "bkpc":
                continue
            parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
            modules[arguments[0]].add_arguments(parser)
            parser.parse_args(arguments[1:])


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        ("corruption", "Find the transaction that did it"),
        ("intruder", "Change the credentials"),
        ("site", "Make sure that nothing of `hangzhou` comes back"),
    ],
)
def test_each_failure_has_its_own_beginning(scope: str, says: str) -> None:
    assert says in " ".join(text for act in acts_of(procedure(scope))[:2] for text in act.texts)


def test_an_intruder_is_followed_by_an_image_from_before() -> None:
    image = next(act for act in acts_of(procedure("intruder")) if act.phase.kind == "restore.image")
    assert "--to POINT" in image.commands[-1]
    assert "the id of an image" in " ".join(image.texts)


def test_a_thaw_names_its_store() -> None:
    made = made_plan()
    corruption = made.recoveries[0]
    thaw = msgspec.structs.replace(corruption.steps[2], id="orders/thaw", kind="thaw", store="vault", bytes=0)
    changed = msgspec.structs.replace(corruption, steps=(*corruption.steps[:2], thaw))
    (one, *_) = procedures_of(msgspec.structs.replace(made, recoveries=(changed,)))
    (act,) = [act for act in acts_of(one) if act.phase.kind == "thaw"]
    assert act.texts[0].startswith("Ask store `vault` to thaw what will be read")
    assert act.commands[0].startswith("bkpc restore plan.json orders --store vault --to ")
    assert act.commands[0].endswith(" --thaw-only")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "+0s"), (54_999, "+54s"), (599_999, "+9min 59s"), (659_999, "+10min"), (4_499_999, "+1h 14min")],
)
def test_nobody_is_told_to_begin_late(milliseconds: int, text: str) -> None:
    assert words.moment(milliseconds) == text


def test_a_step_without_time_says_so() -> None:
    assert words.takes(0) == "no time planned for it"
    assert words.takes(54_000) == "at most 54s"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("link:a -- b", "Link a -- b"),
        ("store:near:writes", "Writing to store near"),
        ("store:near:reads", "Reading from store near"),
        ("account:cn-beijing:writes", "Writing to OSS in cn-beijing"),
        ("account:cn-beijing:reads", "Reading from OSS in cn-beijing"),
        ("database:orders", "Loading into orders"),
        ("database:orders:dump", "Dumping orders"),
        ("database:orders:log", "Replay on orders"),
    ],
)
def test_resources_have_names_for_people(name: str, title: str) -> None:
    assert words.resource(name) == title
