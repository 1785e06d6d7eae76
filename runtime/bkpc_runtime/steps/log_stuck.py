"""A server that can't send its log from some place on: for how long, and whether the log goes on behind it."""

from __future__ import annotations

import time

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.steps.log_parcels import Gap

LASTING = 60.0
"""Seconds after which what can't be read is taken for lost: a disk that comes back, or a server without file
descriptors, has it again sooner, and a gap costs a full image."""
_TRIES = 3


class Stuck:
    """Where a stream can't go on; `text` says why, and what to do."""

    def __init__(self) -> None:
        self._place: Position | None = None
        self._since = 0.0
        self._tries = 0
        self._said = ""

    def at(self, place: Position) -> bool:
        """Whether nothing could be read from there on, the last time."""
        return self._place == place

    def failed(self, place: Position, said: str) -> None:
        """Another try came to nothing."""
        if self._place != place:
            self._place, self._since, self._tries = place, time.monotonic(), 0
        self._tries += 1
        self._said = said

    @property
    def _lasts(self) -> bool:
        return self._tries >= _TRIES and time.monotonic() - self._since >= LASTING

    @property
    def text(self) -> str:
        if not self._lasts or self._place is None:
            return self._said
        return (
            f"{self._said}; {self._place.file} is damaged at the server after {self._place.offset}, and nothing later "
            "is archived until the log goes on in another file: FLUSH BINARY LOGS there; a full image is due then"
        )

    def passed(self, place: Position, following: str) -> Gap | None:
        """The gap to the `following` binlog, where nothing else is left."""
        if not (following and self.at(place) and self._lasts):
            return None
        reason = f"the server's {place.file} is damaged after {place.offset}: {self._said}"
        return Gap(place, Position(following, 0), reason, int(time.time()))
