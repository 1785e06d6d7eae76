"""`make demo` shows the whole main job, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.conftest import FLAVOURS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_demo(flavour: str, tmp_path: Path) -> None:
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo", "--server", flavour],
        cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    assert "error[BKP2001]" in done.stdout
    assert done.stdout.count("PROVED") >= 2
    assert "DIFFERENT" not in done.stdout
    assert re.search(r"RPO +10s +≤ \S+ +[\d.]+s", done.stdout)
    assert re.search(r"RTO +30min +≤ \S+ +[\d.]+s", done.stdout)
    assert list(tmp_path.iterdir()) == []
