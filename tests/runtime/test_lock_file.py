"""What a process holds, and who looks."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from bkpc_runtime.errors import BadUsage
from bkpc_runtime.lock_file import is_held
from bkpc_runtime.work_folder import held


def test_it_is_held_for_as_long_as_the_block_lasts(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not is_held(lock)
    with held(tmp_path):
        assert is_held(lock)
        with pytest.raises(BadUsage, match="another agent is at work"), held(tmp_path):
            pass
    assert not is_held(lock)


def test_who_looks_for_a_moment_keeps_no_agent_from_starting(tmp_path: Path) -> None:
    """`status` looks, and an agent began just then: it was told of another one that is at work."""
    with held(tmp_path):
        pass
    looking = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    gone = threading.Timer(0.1, os.close, (looking,))
    gone.start()
    began = time.monotonic()
    with held(tmp_path):
        assert time.monotonic() - began > 0.05
    gone.join()
