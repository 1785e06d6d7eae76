"""Where suites come from: oss2's from its sdist on PyPI, through pip; the other from a folder that is given."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "2.19.1"
_ROOM = Path(tempfile.gettempdir()) / "bkpc-oss-suites"


def oss2_folder() -> Path:
    """The unpacked sdist; downloaded once per machine."""
    folder = _ROOM / f"oss2-{VERSION}"
    if not (folder / "tests" / "common.py").exists():
        with tempfile.TemporaryDirectory() as temporary:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
            subprocess.run([*command, "--dest", temporary, f"oss2=={VERSION}"], check=True)
            archive = next(Path(temporary).glob("oss2-*.tar.gz"))
            with tarfile.open(archive) as file:
                file.extractall(_ROOM, filter="data")
    return folder


if __name__ == "__main__":
    print(oss2_folder())
