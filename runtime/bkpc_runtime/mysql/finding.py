"""What preflight tells of a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be, and the statements or lines that mend it.

    A problem prevents a backup, or makes it one that can't be relied on; a warning does not.
    """

    kind: Literal["problem", "warning"]
    text: str
    mend: tuple[str, ...]
