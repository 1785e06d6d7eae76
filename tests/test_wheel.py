"""What a user gets by `pip install`: all that the program reads is in the wheel, and no more."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_has_all_that_the_program_reads(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(root))
        for root in (ROOT / "compiler", ROOT / "runtime", ROOT / "grammar")
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    pages = {f"bkpc_compiler/errors/{page.name}" for page in (ROOT / "docs" / "errors").glob("*.md")}
    assert {name for name in names if ".dist-info/" not in name} == wanted | pages
    assert {"bkpc_grammar/bkp.lark", "bkpc_grammar/bkp.table", "bkpc_grammar/std/oss.bkp"} <= names
