"""An agent may have more files open than a shell gives it, as far as the system allows."""

from __future__ import annotations

import subprocess
import sys

import pytest

_TELL = """
import resource, sys
from bkpc_runtime.open_files import allow_many
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
allow_many()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard", "then"), [(64, 512, 512), (512, 512, 512)])
def test_as_many_as_there_may_be(soft: int, hard: int, then: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TELL, str(soft), str(hard)], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [str(then), str(hard)], done.stderr
