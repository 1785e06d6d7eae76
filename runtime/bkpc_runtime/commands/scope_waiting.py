"""What databases of a scope wait for before they begin: a thaw, the point in common of their group, their server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from functools import partial
from queue import Empty, SimpleQueue

from bkpc_grammar import plan as contract
from bkpc_grammar.quantities import Duration
from bkpc_runtime.commands.outcome import say
from bkpc_runtime.commands.scope_notes import Notes
from bkpc_runtime.commands.scope_prepared import Back, Looking
from bkpc_runtime.commands.thaw_first import Found, Thaws
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.recovery.point import point_text
from bkpc_runtime.steps.reading import Reading
from bkpc_runtime.steps.thaw import Thawing, wait_for

_LOOK = 1.0
"""Seconds between two tries to reach a server."""
_SILENT = 900.0
"""Seconds after which it is said again that one is waited for."""


class Waiting:
    """Those that can't begin yet; each is followed beside all others, whose waits are of hours. Used as a context
    manager: what is read is held, as long as it is waited for and read."""

    def __init__(
        self, looking: Looking, thaws: Thaws, recovery: contract.Recovery, notes: Notes,
        held: Callable[[Found], Reading],
    ) -> None:  # fmt: skip
        self._looking, self._thaws, self._recovery, self._held = looking, thaws, recovery, held
        self._notes = notes
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._ready: SimpleQueue[Back | BaseException] = SimpleQueue()
        self.names: set[str] = set()

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stack.close()

    def follow(self, found: Sequence[Back]) -> None:
        """Asks for all that must thaw, and follows those that must wait."""
        thawing = self._asked(found)
        groups = {one.together: [each for each in found if each.together == one.together] for one in found}
        groups.pop((), None)
        alone = ([one] for one in found if not one.together and (one.database in thawing or one.absent))
        for backs in (*groups.values(), *alone):
            names = {one.database for one in backs if not one.problem and not one.done}
            if names:
                self.names |= names
                asked = {one.database: thawing[one.database] for one in backs if one.database in thawing}
                self._begin(self._thawed, backs, asked, names)

    def ready(self) -> list[Back]:
        """Those that need wait no longer, as they are now: they begin, or something keeps them from it."""
        found: list[Back] = []
        while True:
            try:
                one = self._ready.get_nowait()
            except Empty:
                return found
            if isinstance(one, BaseException):
                raise one
            self.names.discard(one.database)
            found.append(one)

    def _asked(self, backs: Sequence[Back]) -> Mapping[str, Thawing]:
        """Of a group also what a member has that can't be restored itself: its log tells the point in common."""
        wanted = [one for one in backs if not one.done and (one.together or not one.problem)]
        with self._lock:
            held = {one.database: (one.cold, self._held_for(one.cold)) for one in wanted if one.cold}
        return self._thaws.begun(held)

    def _held_for(self, cold: Found) -> Reading:
        return self._stack.enter_context(self._held(cold))

    def _begin(self, follow: Callable[..., None], *what: object) -> None:
        def followed() -> None:
            try:
                follow(*what)
            except BaseException as problem:  # noqa: BLE001 - a fault is told where the others are waited for
                self._ready.put(problem)

        threading.Thread(target=followed, daemon=True).start()

    def _thawed(self, backs: Sequence[Back], thawing: Mapping[str, Thawing], names: Collection[str]) -> None:
        """Of one database, or of a group, whose point in common is known when all its log has thawed."""
        try:
            while thawing:
                for name, asked in thawing.items():
                    wait_for(asked, partial(say_of, name))
                if not backs[0].together:
                    break
                backs = self._looked_again(backs[0].together)
                thawing = self._asked(backs)
        except RuntimeFailure as problem:
            backs = [replace(one, problem=problem) for one in backs]
        for one in backs:
            if one.database in names and one.absent and not one.problem:
                self._begin(self._there, one)
            elif one.database in names:
                self._ready.put(one)

    def _looked_again(self, group: tuple[str, ...]) -> Sequence[Back]:
        """All of a group; its point is fixed for all before one of them begins."""
        backs = self._looking.again(group)
        for one in backs:
            if one.point is not None:
                self._notes.fixed(one.database, point_text(one.point), one.place.text)
            for line in one.lines:
                say_of(one.database, line)
        return backs

    def _there(self, back: Back) -> None:
        """Until its server answers."""
        began = told = time.monotonic()
        say_of(back.database, waits_for(self._recovery, back))
        while back.absent and not back.problem:
            time.sleep(_LOOK)
            back = self._looking.back(back.database)
            now = time.monotonic()
            if back.absent and now - told >= _SILENT:
                told = now
                since = Duration(Fraction(round(now - began))).human()
                say_of(back.database, f"{since} waited for its server: {back.absent}")
        if not back.problem:
            say_of(back.database, "its server answers")
        self._ready.put(back)


def waits_for(recovery: contract.Recovery, back: Back) -> str:
    """In words, with the time until which the plan has the server there."""
    ready = max(
        (
            one.start_ms + one.expect_ms
            for one in recovery.steps
            if one.database == back.database and one.kind in {"detect", "activate", "provision"}
        ),
        default=0,
    )
    by = Duration(Fraction(ready, 1000)).human()
    return f"waits for its server, which the plan has there {by} after the failure: {back.absent}"


def say_of(name: str, text: str) -> None:
    """Of one database of the scope."""
    say(f"{name}: {text}")
