"""What every part of a plan is made of."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Milliseconds = Annotated[int, Meta(ge=0, description="a span of time in milliseconds")]
Bytes = Annotated[int, Meta(ge=0, description="a number of bytes")]
BytesPerSecond = Annotated[int, Meta(ge=0, description="a rate in bytes per second")]
Name = Annotated[str, Meta(min_length=1, description="a name given in the policy files")]
StepId = Annotated[str, Meta(min_length=1, description="the id of a job or step, unique in the plan")]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="a SHA-256 in lower-case hexadecimal")]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False, gc=False):
    """What every part of a plan has in common: frozen, closed, all fields by name; never part of a cycle."""
