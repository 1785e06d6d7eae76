"""Events: their fields are those of the page, and stdout holds nothing else whatever happens."""

from __future__ import annotations

import argparse
import json
import logging
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bkpc_runtime import events
from bkpc_runtime.commands.outcome import complain, reported, say
from bkpc_runtime.errors import Refused, StepFailed
from bkpc_runtime.repository.plans import put_in_force
from bkpc_runtime.upkeep import judge_database
from bkpc_runtime.world import World
from tests.compiler.one_file import changed, planned
from tests.runtime.retention import made
from tests.runtime.retention.test_judgement import NOW, sized

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
JSON = argparse.Namespace(told_as="json", plan=Path("plan.json"))
TEXT = argparse.Namespace(told_as="text", plan=Path("plan.json"))


def told(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def without(event: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in {"time", *names}}


def test_the_page_lists_each_event_and_each_field_in_order() -> None:
    listed = {
        name: re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE)
        for name, body in re.findall(r"^## ([a-z]+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    }
    shown = [without(one) for one in told(re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)[0])]
    fields = {}
    for kind in events.Event.__subclasses__():
        name = str(kind.__struct_config__.tag)
        fields[name] = [one.name for one in msgspec.structs.fields(kind) if one.name != "time"]
    assert listed == fields
    assert all([*one] == ["event", *fields[one["event"]]] for one in shown)
    assert f"| `version` | {events.VERSION} |" in PAGE.read_text()


def test_stdout_is_the_events_and_stderr_what_it_is_without_them(capsys: pytest.CaptureFixture[str]) -> None:
    @reported
    def run(_: argparse.Namespace) -> int:
        print("orders is restored")
        say("a line for people \x1b[31m")
        with events.step("orders/full", "backup.full", "orders") as step:
            step.moved(3, 10)
            step.text = "all of it"
        complain(StepFailed("no room", help="make some"))
        return 4

    assert run(TEXT) == 4
    plain = capsys.readouterr()
    assert plain.out == "orders is restored\n"
    assert run(JSON) == 4
    out, err = capsys.readouterr()
    assert err == f"orders is restored\n{plain.err}"
    assert out.isascii()
    assert [without(one, "seconds") for one in told(out)] == [
        {"event": "hello", "format": "bkpc-events", "version": 1, "command": "test_events", "plan": "plan.json"},
        {"event": "said", "text": "a line for people \x1b[31m"},
        {"event": "begun", "step": "orders/full", "kind": "backup.full", "database": "orders"},
        {"event": "progress", "step": "orders/full", "done": 3, "of": 10, "unit": "bytes", "what": ""},
        {
            "event": "ended", "step": "orders/full", "kind": "backup.full", "database": "orders", "outcome": "done",
            "text": "all of it", "help": "", "exit_code": 0,
        },
        {"event": "problem", "text": "no room", "help": "make some", "exit_code": 4},
        {"event": "result", "exit_code": 4, "meaning": "a step failed; run it again"},
    ]  # fmt: skip


def refused() -> int:
    raise Refused("not that", help="this")


def interrupted() -> int:
    raise KeyboardInterrupt


def stopped() -> int:
    raise SystemExit(143)


@pytest.mark.parametrize(("end", "code"), [(refused, 5), (interrupted, 130), (stopped, 143)])
def test_a_step_ends_and_so_does_the_stream(
    end: Callable[[], int], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @reported
    def run(_: argparse.Namespace) -> int:
        with events.step("orders/full", "backup.full", "orders"):
            return end()

    try:
        assert run(JSON) == code
    except (SystemExit, KeyboardInterrupt):
        assert code > 128
    found = told(capsys.readouterr().out)
    (ended,) = (one for one in found if one["event"] == "ended")
    assert ended["outcome"] == ("failed" if code == 5 else "broken off")
    assert ended["exit_code"] == (5 if code == 5 else None)
    assert (found[-1]["event"], found[-1]["exit_code"]) == ("result", code)


def test_a_fault_leaves_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    @reported
    def run(_: argparse.Namespace) -> int:
        with events.step("orders/full", "backup.full", "orders"):
            raise ZeroDivisionError("of us")

    with pytest.raises(ZeroDivisionError):
        run(JSON)
    found = told(capsys.readouterr().out)
    assert [one["event"] for one in found] == ["hello", "begun", "ended"]
    assert found[-1]["text"] == "a fault of bkpc: ZeroDivisionError"


def test_what_the_log_warns_of_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("bkpc_runtime.somewhere")

    @reported
    def run(_: argparse.Namespace) -> int:
        log.info("nothing to worry about")
        log.warning("the log lags %d s", 7)
        log.error("it broke")
        return 0

    run(JSON)
    found = [without(one) for one in told(capsys.readouterr().out) if one["event"] == "warning"]
    assert found == [
        {"event": "warning", "severity": "warning", "text": "the log lags 7 s"},
        {"event": "warning", "severity": "error", "text": "it broke"},
    ]
    log.warning("after the command")
    assert capsys.readouterr().out == ""


def test_parts_and_other_processes() -> None:
    heard: list[events.Event] = []
    with events.listening(heard.append), events.step("a/restore", "restore", "a") as step:
        step.part(2, 5, "shop.orders")
        step.exit_code = 1
    assert [type(one) for one in heard] == [events.Begun, events.Progress, events.Ended]
    assert events.as_fields(heard[1])["done"] == 1
    assert events.as_fields(heard[2])["outcome"] == "failed"
    assert [pickle.loads(pickle.dumps(one)) for one in heard] == heard  # noqa: S301 - our own
    with events.step("b", "copy", "b"):
        pass
    assert len(heard) == 3


GOES_ON = """\
import argparse, sys
from bkpc_runtime import events
from bkpc_runtime.commands.outcome import reported, say
@reported
def run(_):
    sys.stdin.readline()
    for number in range(3):
        with events.step(f"{number}", "copy", "shop"):
            say(f"step {number} is done")
    return 4
from bkpc_compiler import main
sys.modules["planted"] = argparse.Namespace(add_arguments=lambda parser: None, __name__="bkpc_runtime.planted",
    run=lambda _: run(argparse.Namespace(told_as="json", plan="plan.json")))
main._load = lambda name: sys.modules["planted"]
sys.exit(main.main(["run"]))
"""


def test_a_reader_that_has_gone_keeps_nothing_from_being_done() -> None:
    command = [sys.executable, "-c", GOES_ON]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["event"] == "hello"
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        err = process.stderr.read()
    assert process.returncode == 4
    assert "step 2 is done" in err
    assert err.count("events can't be written any more, all else goes on: Broken pipe") == 1
    assert "Traceback" not in err


def test_a_held_image_is_told_with_its_reasons(tmp_path: Path) -> None:
    world = World(planned(changed(("  keep 14d", "  flow { size warn 20% hold 50% }\n  keep 14d"))), tmp_path, {})
    for name in world.stores_of("shop"):
        put_in_force(world.store(name), world.plan, NOW)
    images = [made.put_image(world.store("disk"), sized(day, size)) for day, size in enumerate((100, 300, 125))]
    heard: list[events.Event] = []
    with events.listening(heard.append):
        judge_database(world, "shop")
        judge_database(world, "shop")
    (held,) = (without(events.as_fields(one)) for one in heard)
    size, stored = held.pop("reasons")
    assert held == {"event": "hold", "database": "shop", "image": images[1].id}
    assert size == "its size is 200% larger than expected after 1 images"
    assert "what compression leaves" in stored
