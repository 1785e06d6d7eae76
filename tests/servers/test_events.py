"""`--format json` of every command that does something: stdout is events, the same from run to run; stderr the rest."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bkpc_runtime.commands.event_stream import VARIABLE
from tests.database_server import ThrowawayServer, start_server
from tests.demo.shop import load
from tests.runtime.test_webhook import SECRET, listening_hook
from tests.servers.command_line import PASSWORD, Office
from tests.servers.conftest import FLAVOURS

GOLDEN = Path(__file__).with_name("events.jsonl")
_STEADY = (
    "event",
    "command",
    "step",
    "kind",
    "database",
    "outcome",
    "exit_code",
    "meaning",
    "unit",
    "passed",
    "version",
)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[ThrowawayServer]:
    with start_server(FLAVOURS[0], tmp_path / "source") as server:
        load(server)
        yield server


def told(office: Office, *arguments: str, expect: int = 0) -> list[dict[str, Any]]:
    """What a command tells; that nothing else is on stdout, and nothing else than it and the log on stderr."""
    command = [*office.command(*arguments), "--format", "json"]
    done = subprocess.run(command, cwd=office.folder, env=office.environ, capture_output=True, text=True, check=False)
    assert PASSWORD not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert done.returncode == expect, done.stderr
    return checked(done.stdout, done.stderr)


def checked(out: str, err: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in out.splitlines()]
    assert (found[0]["event"], found[-1]["event"]) == ("hello", "result"), err
    for one in found:
        if one["event"] == "said":
            assert f"{one['text']}\n" in err
        elif one["event"] == "problem":
            assert f"error: {one['text']}\n" in err
    return found


def steady(events: list[dict[str, Any]]) -> Iterator[str]:
    """What is the same in every run: lines for people and the log are not, nor how many bytes."""
    tables = 0
    before: dict[str, Any] = {}
    for one in events:
        if one["event"] in {"said", "warning"}:
            continue
        kept = {name: one[name] for name in _STEADY if name in one}
        if one["event"] == "progress" and one["unit"] == "parts":
            assert one["done"] < one["of"]
            tables += bool(re.fullmatch(r"shop\.\w+", one["what"]))
        elif kept != before:  # progress is told once more in each second
            yield json.dumps(kept)
        before = kept
    if tables:
        yield json.dumps({"tables": tables})


def test_every_command_tells_the_same_events_again(source: ThrowawayServer, tmp_path: Path) -> None:
    office = Office.opened(tmp_path / "office", source)
    work = tmp_path / "work"
    work.mkdir()
    with listening_hook() as hook:
        office.environ[VARIABLE] = hook.url
        applied = told(office, "apply", "plan.json", "--yes")
        del office.environ[VARIABLE]
    assert [event for _, _, event in hook.asked] == [one for one in applied if one["event"] not in {"said", "progress"}]
    lines = [*steady(applied)]
    lines += steady(told(office, "run", "plan.json", "shop/full/disk"))
    lines += steady(told(office, "run", "plan.json", "shop/none", expect=2))
    lines += steady(agent(office))
    lines += steady(told(office, "drill", "plan.json", "shop", "--work", str(work)))
    with start_server(FLAVOURS[0], tmp_path / "target") as target:
        restored = told(office, "restore", "plan.json", "shop", "--into", target.url, "--work", str(work))
        lines += steady(restored)
        lines += steady(told(office, "restore", "plan.json", "shop", "--into", target.url, expect=5))
    (there,) = (one for one in restored if one["event"] == "restored")
    assert there["tables"] == []
    assert there["point"] in next(one["text"] for one in restored if one["event"] == "said" and "log " in one["text"])
    if os.environ.get("BKPC_RENEW"):
        GOLDEN.write_text("".join(f"{line}\n" for line in lines))
    assert lines == GOLDEN.read_text().splitlines()


def agent(office: Office) -> list[dict[str, Any]]:
    """A second of an agent."""
    command = [*office.command("agent", "plan.json"), "--format", "json"]
    with (office.folder / "agent.err").open("wb") as err:
        running = subprocess.Popen(
            command, cwd=office.folder, env=office.environ, stdout=subprocess.PIPE, stderr=err, text=True
        )
    assert running.stdout
    before = ""
    while '"begun"' not in before:
        before += (line := running.stdout.readline())
        assert line, (office.folder / "agent.err").read_text()
    end = time.monotonic() + 60
    while "streaming shop to disk" not in (office.folder / "agent.err").read_text():
        assert time.monotonic() < end
        time.sleep(0.1)
    running.send_signal(signal.SIGTERM)
    rest, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    found = checked(before + rest, (office.folder / "agent.err").read_text())
    return [
        found[0],
        *sorted(found[1:-1], key=lambda one: one.get("step", "")),
        found[-1],
    ]  # each on a thread of its own
