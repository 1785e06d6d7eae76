"""The folder for temporary files, looked for when it is needed: a container with a read-only root may have none."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bkpc_runtime.errors import StepFailed


def temporary_folder() -> Path:
    """As TMPDIR says, else the system's.

    Raises:
        StepFailed: none can be written to.
    """
    try:
        return Path(tempfile.gettempdir())
    except OSError as problem:
        raise StepFailed(
            f"there is no folder for temporary files that can be written to: {problem.strerror or problem}",
            help="name one in TMPDIR; in a container mount an emptyDir there",
        ) from problem
