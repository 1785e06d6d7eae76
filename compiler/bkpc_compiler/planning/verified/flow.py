"""One flow of a plan: bytes from a database or a store to a store, over a way that was found to be one."""

from __future__ import annotations

from dataclasses import dataclass

from bkpc_compiler.program.model import Link
from bkpc_grammar.plan import Job


@dataclass(frozen=True, slots=True)
class Flow:
    """`id`: of the job or stream; `at`: the sites it comes from and goes to; `between`: the sites it only passes.

    `held`: the resources it holds, but the links of `way`; `job`: None for the part of a stream to one store.
    """

    id: str
    database: str
    copied: str | None
    store: str
    at: tuple[str, str]
    way: tuple[Link, ...]
    between: frozenset[str]
    held: tuple[str, ...]
    rate: int
    job: Job | None

    def on(self, way: tuple[Link, ...]) -> tuple[str, ...]:
        """Everything it holds when it goes along `way`."""
        return (*self.held, *(f"link:{one.name}" for one in way))
