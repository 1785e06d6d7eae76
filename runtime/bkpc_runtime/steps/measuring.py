"""How long the steps of a drill take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bkpc_runtime.repository.drills import MeasuredStep


@dataclass(slots=True)
class Measuring:
    """The steps as they went."""

    steps: list[MeasuredStep] = field(default_factory=list)

    @contextmanager
    def step(self, kind: str, plain_bytes: int = 0) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.add(kind, time.monotonic() - began, plain_bytes)

    def add(self, kind: str, seconds: float, plain_bytes: int) -> None:
        """A step that is done in two goes is one."""
        took = round(seconds * 1000)
        for number, one in enumerate(self.steps):
            if one.kind == kind:
                sums = one.milliseconds + took, one.plain_bytes + plain_bytes
                self.steps[number] = MeasuredStep(kind=one.kind, milliseconds=sums[0], plain_bytes=sums[1])
                return
        self.steps.append(MeasuredStep(kind=kind, milliseconds=took, plain_bytes=plain_bytes))  # type: ignore[arg-type]
