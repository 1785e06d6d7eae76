"""Whether a log tells that what lies before a moment in it had been committed by then.

MariaDB writes when a statement began. That of a COMMIT is when the transaction ended, and a statement in words tells
how long it took; the rows of one that was its own transaction tell neither. What follows them does, and when the object
of the log that they are in was stored.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from bkpc_runtime.errors import Refused, RuntimeFailure
from bkpc_runtime.mysql.binlog.transactions import Transaction
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import windows
from bkpc_runtime.repository.windows import Window
from bkpc_runtime.stores.store import Store

SOON = timedelta(seconds=5)
"""A statement counts as ended when it began, if what came next, or the store, shows that it took no longer than so."""
_WHOLE_SECONDS = timedelta(seconds=1)
Stored = Callable[[Transaction], datetime | None]
"""When the end of a transaction was in a store; None: nobody knows."""


def stored_with(store: Store, window: Window) -> Stored:
    """By the store's own clock, rounded up."""

    def stored(one: Transaction) -> datetime | None:
        with suppress(RuntimeFailure):
            ends = Position(one.file, one.start), Position(one.file, one.end)
            *_, key = windows.keys(store, window, *ends, skip=True)
            found = store.head(key)
            return found.modified + _WHOLE_SECONDS if found and found.modified else None
        return None

    return stored


class NotTold(Refused):
    """What is before a moment may have been committed after it: `began` is a moment that leaves it out."""

    def __init__(self, message: str, *, help: str, began: datetime) -> None:  # noqa: A002
        super().__init__(message, help=help)
        self.began = began

    def within(self, database: str) -> NotTold:
        """The same, of one database among others."""
        return NotTold(f"`{database}`: {self}", help=self.help, began=self.began)


class Shown:
    """Sees the transactions before a moment in order, then those after it."""

    def __init__(self, moment: datetime, stored: Stored | None) -> None:
        self._moment, self._stored = moment, stored
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._unsure: list[Transaction] = []
        """What began at `_latest`, and may have ended at any time since, and what waited for it."""

    def before(self, one: Transaction) -> None:
        if one.shown:
            self._unsure = []
        elif one.waited:
            self._unsure.append(one)
        else:
            self._unsure = [one]
        # Who waited for a lock began while another statement ran, and says nothing of its end.
        if one.shown or not one.waited:
            self._latest = max(self._latest, one.committed)

    def after(self, one: Transaction) -> bool:
        """Whether it tells when what is before it had ended. Raises as `settle`."""
        if one.waited and not one.shown:
            return False
        self.settle(one.committed)
        return True

    def settle(self, next_: datetime | None) -> None:
        """`next_`: when what comes after the moment was committed; None: nothing does.

        Raises:
            NotTold: what is before the moment may have been committed well after it.
        """
        doubtful, until = self.doubtful(next_)
        if not doubtful or until is None or self._stored is None:
            return
        began, ended = doubtful[0].committed.isoformat(), until.isoformat()
        first = Position(doubtful[0].file, doubtful[0].start).text
        after = Position(doubtful[-1].file, doubtful[-1].end).text
        raise NotTold(
            f"the log does not tell whether what begins at {first} was committed by then: "
            f"its statement began at {began}, and may have ended at any time until {ended}",
            help=f"--to {first} leaves it out, --to {after} has it; in a group --to {began} leaves it out, "
            f"--to {ended} has it",
            began=doubtful[0].committed,
        )

    def doubtful(self, next_: datetime | None) -> tuple[list[Transaction], datetime | None]:
        """What is before the moment, but may have been committed after it, and until when at the latest, if that is
        known. `next_` as in `settle`."""
        if not self._unsure or self._soon(next_):
            return [], None
        stored = self._stored(self._unsure[-1]) if self._stored else None
        known = [one for one in (next_, stored) if one]
        return ([], None) if self._soon(stored) else (self._unsure, min(known, default=None))

    def _soon(self, ended: datetime | None) -> bool:
        return ended is not None and (ended <= self._moment or ended - self._latest <= SOON)
