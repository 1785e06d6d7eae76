"""Without a folder for temporary files, as in a container whose root can't be written to and that has no TMPDIR."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PLAN = """\
edition 1
site here { region "a" }
store disk at here { directory "backups" }
database shop at here {
  mysql "127.0.0.1:1"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h
}
policy basic {
  promise against corruption { rpo 2d }
  full daily at 02:00 within 1h to disk
  keep 14d
}
protect shop with basic
"""
# Not by TMPDIR: where that can't be used, /tmp of the machine that tests would be.
WITHOUT = """\
import sys, tempfile
def none(*_):
    raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/']")
tempfile._get_default_tempdir = none
from bkpc_compiler.main import main
sys.exit(main(sys.argv[1:]))
"""


def without(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments],
        cwd=folder, env={"SHOP_DB_USER": "u", "SHOP_DB_PASSWORD": "p"}, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.bkp").write_text(PLAN)
    done = without(tmp_path, "compile", "shop.bkp", "-o", "plan.json")
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_what_needs_none_goes_on(folder: Path) -> None:
    assert "default: the system's temporary folder" in " ".join(without(folder, "restore", "--help").stdout.split())
    planned = without(folder, "plan", "plan.json")
    assert "+ shop/full/disk: backup.full to disk" in planned.stdout
    assert "cannot reach u@127.0.0.1:1" in without(folder, "apply", "plan.json", "--yes").stderr
    assert "no image" in without(folder, "status", "plan.json").stdout
    assert without(folder, "verify", "plan.json").returncode == 1
    assert "BKPC_WORK" in without(folder, "agent", "--help").stdout


@pytest.mark.parametrize(
    "command", [("restore", "plan.json", "shop", "--into", "mysql://root@127.0.0.1:2/"), ("drill", "plan.json")]
)
def test_what_needs_one_says_so(folder: Path, command: tuple[str, ...]) -> None:
    done = without(folder, *command)
    assert done.returncode == 4
    assert "error: there is no folder for temporary files that can be written to: No usable" in done.stderr
    assert "help: name one in TMPDIR; in a container mount an emptyDir there" in done.stderr
    assert "temporary files" not in without(folder, *command, "--work", ".").stderr
