"""Progress on a terminal: steps below the text while they run, and nothing torn or held back."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

SCRIPT = """\
import argparse, sys, time
from bkpc_runtime import events
from bkpc_runtime.commands.outcome import reported, say
LONG = "a line that is much longer than this terminal is wide, and must not be broken " * 3
@reported
def run(_):
    say("answer" if input("take it? [y/N] ") == "y" else "none")
    with events.step("orders/full", "backup.full", "orders") as step:
        step.moved(3 << 20, 10 << 20)
        step.tell_moved()
        time.sleep(0.4)
        say(LONG + "[bold]not markup[/bold] \\x1b[31m")
        print("a result")
        step.part(2, 5, "shop.\\u202et")
        time.sleep(0.4)
        step.moved(30 << 20, 10 << 20)
    with events.step("orders/copy", "copy", "orders"):
        time.sleep(0.2)
    say(f"done, rich is loaded: {'rich' in sys.modules}")
    return 0
sys.exit(run(argparse.Namespace(told_as="text", plan="plan.json", scope=None)))
"""
SHOWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def ran(*, terminal: bool, **environ: str) -> str:
    """All that the script prints, on one terminal or in a pipe."""
    ours, its = pty.openpty() if terminal else os.pipe()
    given = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=its, stderr=its,
        env=given | {"TERM": "xterm", "COLUMNS": "60", "PYTHONUNBUFFERED": "1"} | environ,
    ) as running:  # fmt: skip
        os.close(its)
        seen = b""
        while b"take it? [y/N] " not in seen:  # it is asked before it is answered
            seen += os.read(ours, 1 << 16)
        assert running.stdin
        running.stdin.write(b"y\n")
        running.stdin.close()
        while True:
            try:
                chunk = os.read(ours, 1 << 16)
            except OSError:  # the other side of a terminal is closed
                break
            if not chunk:
                break
            seen += chunk
    os.close(ours)
    assert running.returncode == 0, seen.decode()
    return seen.decode().replace("\r\n", "\n")


def said(text: str) -> list[str]:
    """The lines for people, without those that were taken back."""
    lines = [SHOWN.sub("", line.rpartition("\r\x1b[2K")[2]) for line in text.split("\n")]
    return [line for line in lines if line.strip() and "━" not in line]


def test_a_terminal_shows_steps_while_they_run() -> None:
    shown = ran(terminal=True)
    assert "orders/full" in shown
    assert "orders/copy" in shown
    assert "3MiB of about 10MiB" in SHOWN.sub("", shown)
    assert "1 of 5 parts, shop.\\u{202e}t" in SHOWN.sub("", shown)
    assert "\x1b[31m" not in shown
    assert "\u202e" not in shown
    lines = said(shown)
    assert [line for line in lines if "[bold]not markup[/bold] \\u{1b}[31m" in line and line.count("wide") == 3]
    assert "a result" in lines
    assert lines[-1] == "done, rich is loaded: True"


@pytest.mark.parametrize(("terminal", "environ"), [(False, {}), (True, {"TERM": "dumb"})])
def test_else_there_are_plain_lines_and_rich_is_not_loaded(terminal: bool, environ: dict[str, str]) -> None:
    shown = ran(terminal=terminal, **environ)
    assert "\x1b" not in shown
    assert "orders/full" not in shown
    lines = shown.splitlines()
    assert lines[0] == "take it? [y/N] answer"
    assert lines[2:] == ["a result", "done, rich is loaded: False"]
