"""What the agent is told on its command line."""

from __future__ import annotations

import argparse

import pytest

from bkpc_runtime.commands.agent import add_arguments
from bkpc_runtime.steps.log_outgoing import LEAST_SPOOL


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_arguments(made)
    return made


def test_room_for_log_in_which_none_could_be_read_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["plan.json", "--spool", "30MiB"])
    assert "30MiB is too little: no log is read without room for 48MiB" in capsys.readouterr().err
    assert parser().parse_args(["plan.json", "--spool", "48MiB"]).spool == LEAST_SPOOL
