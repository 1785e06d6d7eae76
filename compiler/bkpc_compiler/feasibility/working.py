"""What a term was worked out from: `bkpc explain` shows its figures, so that it can be done again by hand."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from bkpc_compiler.estate.resources import Resource
    from bkpc_compiler.feasibility.asking import Frozen
    from bkpc_compiler.feasibility.demand import JobDemand
    from bkpc_compiler.feasibility.images import ImageCopy
    from bkpc_compiler.feasibility.job_objects import Asked
    from bkpc_compiler.feasibility.looking import Look
    from bkpc_compiler.feasibility.recovery_least import Follows
    from bkpc_compiler.feasibility.recovery_point import Line
    from bkpc_compiler.feasibility.recovery_schedule import Move
    from bkpc_compiler.feasibility.recovery_time import Recovery, Transfer
    from bkpc_compiler.feasibility.stream import StreamDemand
    from bkpc_compiler.program.model import Given
    from bkpc_grammar.quantities import Duration


# Structs: some are made for every line that is judged, and these are made fastest.


class Part(StrEnum):
    """Which summand of a bound that has a formula of its own."""

    COLLECTED = "collected"
    LATENCY = "latency"
    CARRIED = "carried"
    NOTED = "noted"
    BETWEEN = "between"
    READY = "ready"


class Moving(Struct, frozen=True):
    """A transfer of a recovery, reserved in a schedule."""

    recovery: Recovery
    move: Move


class Fetching(Struct, frozen=True):
    """The pieces of a log that a recovery fetches: what they cost beside their bytes."""

    recovery: Recovery
    move: Move


class Handing(Struct, frozen=True):
    """A log that is handed on in whole binlogs."""

    recovery: Recovery
    move: Move


class Preparing(Struct, frozen=True):
    """Physical images that are prepared, one onto the other."""

    recovery: Recovery
    move: Move


class Creating(Struct, frozen=True):
    """Tables of a logical image: what they cost beside their bytes."""

    recovery: Recovery


class Waiting(Struct, frozen=True):
    """A transfer that might have begun before it has room."""

    recovery: Recovery
    move: Move


class AtBest(Struct, frozen=True):
    """A transfer of a recovery at full capacity of `slowest`; None: nothing known is narrow.

    `follows`: where it is the log that must follow an image.
    """

    recovery: Recovery
    transfer: Transfer
    slowest: Resource | None
    follows: Follows | None = None


class Queueing(Struct, frozen=True):
    """A thaw behind those of others of one storage class."""

    recovery: Recovery
    storage: str


class Joining(Struct, frozen=True):
    """A member of a group that might begin after so many milliseconds, and waits for what `last` thaws."""

    last: Recovery
    begins: int


class Looking(Struct, frozen=True):
    """How often what thaws is looked at."""

    thaw: Given[Duration]


class Asking(Struct, frozen=True):
    """What all recoveries of a failure ask to thaw, one after the other. `beside`: what copies ask for, if any."""

    frozen: Sequence[Frozen]
    beside: Asked | None


class Listing(Struct, frozen=True):
    """The names of the logs of all that comes back, listed before anything is loaded."""

    look: Look
    recovery: Recovery


class Finding(Struct, frozen=True):
    """Groups that look for their points in common."""

    look: Look


class Crowding(Struct, frozen=True):
    """Images and a log through one resource at full capacity."""

    parts: tuple[AtBest, ...]
    through: Resource


class Logging(Struct, frozen=True):
    """The log on its way: at the reserved rate, or at best."""

    stream: StreamDemand
    part: Part
    best: bool


class Ageing(Struct, frozen=True):
    """The age of the newest image in a store, for `share` of all instants."""

    image: ImageCopy
    share: Fraction
    part: Part


class Apart(Struct, frozen=True):
    """The longest time between two snapshots that no schedule avoids."""

    chains: Sequence[Sequence[JobDemand]]
    share: Fraction


class Forced(Struct, frozen=True):
    """The wait before a copy that the windows force. `took`: seconds that each transfer takes at best."""

    before: JobDemand
    job: JobDemand
    took: tuple[Fraction, Fraction]


class Copying(Struct, frozen=True):
    """A job's image at full capacity of the narrowest resource known."""

    job: JobDemand


class Reaching(Struct, frozen=True):
    """The wait until the logs among `lines` have reached the snapshot of the one that has none."""

    lines: Sequence[Line]


Working = (
    Moving
    | Fetching
    | Handing
    | Preparing
    | Creating
    | Waiting
    | AtBest
    | Queueing
    | Joining
    | Looking
    | Asking
    | Listing
    | Finding
    | Crowding
    | Logging
    | Ageing
    | Apart
    | Forced
    | Copying
    | Reaching
)
