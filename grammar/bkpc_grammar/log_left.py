"""Part of the plan: what a way back without a log leaves out."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from bkpc_grammar.plan_part import Milliseconds, Name, Part


class LogLeft(Part, frozen=True):
    """A log that a failure leaves, and that the plan's way back of a database does without."""

    database: Name
    image: Annotated[Name | None, Meta(description="the store whose image it goes on from; null: whichever is newest")]
    log: Annotated[Name, Meta(description="the store of the log")]
    without_loses_ms: Annotated[Milliseconds | None, Meta(description="lost at most without it; null: no bound")]
    loses_ms: Annotated[Milliseconds | None, Meta(description="lost at most with it; null: no bound")]
    back_ms: Annotated[
        Milliseconds | None, Meta(description="in service with it at most, alone to come back; null: no bound")
    ]
