"""Names that anybody may give can't talk to the terminal."""

from __future__ import annotations

import argparse
import logging
import sys

import pytest

from bkpc_runtime.commands.outcome import complain, reported, say
from bkpc_runtime.errors import StepFailed

EVIL = "a\x1b[2Jb\rc\u202ed\x07"
SHOWN = "a\\u{1b}[2Jb\\u{d}c\\u{202e}d\\u{7}"


def test_all_that_a_command_prints_and_logs(capsys: pytest.CaptureFixture[str]) -> None:
    @reported
    def run(arguments: argparse.Namespace) -> int:
        print(arguments.name)
        say(f"table {arguments.name}\n\tis there")
        complain(StepFailed(f"no {arguments.name}", help=arguments.name))
        handler = logging.StreamHandler(sys.stderr)
        logging.getLogger("a test").addHandler(handler)
        logging.getLogger("a test").error("logged %s", arguments.name)
        logging.getLogger("a test").removeHandler(handler)
        raise StepFailed(f"failed at {arguments.name}")

    assert run(argparse.Namespace(name=EVIL, plan="plan.json")) == 4
    out, err = capsys.readouterr()
    assert out == f"{SHOWN}\n"
    assert f"table {SHOWN}\n\tis there\nerror: no {SHOWN}\n  help: {SHOWN}\nlogged {SHOWN}\n" in err
    assert f"error: failed at {SHOWN}\n" in err
    assert not set("\x1b\r\u202e\x07") & set(out + err)
