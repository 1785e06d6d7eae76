"""The recovery of a scope while it runs: a process for each database, begun and paced as the plan has them."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from fractions import Fraction
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Self

from msgspec.structs import replace

from bkpc_grammar import plan as contract
from bkpc_grammar.quantities import Duration
from bkpc_runtime import events
from bkpc_runtime.commands.outcome import say
from bkpc_runtime.commands.scope_notes import Notes
from bkpc_runtime.commands.scope_prepared import Back, Ways
from bkpc_runtime.commands.scope_process import Failed, Loaded, Member, Rates, Restored, restore_member
from bkpc_runtime.commands.scope_waiting import Waiting, say_of
from bkpc_runtime.errors import RuntimeFailure, StepFailed
from bkpc_runtime.mysql.flavour import read_facts
from bkpc_runtime.recovery.side_by_side import TRANSFERS, SideBySide, Transfer, needs_of
from bkpc_runtime.world import World

_LOOK = 1.0
_PATIENCE = 30.0
"""Seconds in which a process that was told to stop removes what it has made."""


class _Running:
    """One database on its way."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self.process, self.pipe = process, pipe
        self.rates: Rates | None = None


class ScopeRun:
    """Used as a context manager, which ends what still runs. `done` and `failed` are by database."""

    def __init__(
        self, world: World, recovery: contract.Recovery, members: Sequence[Back], ledger: SideBySide, ways: Ways,
        notes: Notes,
    ) -> None:  # fmt: skip
        self._world, self._ledger, self._ways, self._notes = world, ledger, ways, notes
        self._recovery = recovery
        self._members = {one.database: one for one in members}
        self._left = frozenset(recovery.databases) - self._members.keys()
        self._served: set[str] = set()
        self._running: dict[str, _Running] = {}
        self._began: dict[str, tuple[Transfer, float]] = {}
        self._early: set[str] = set()
        self.done: dict[str, str] = {one.database: one.done for one in members if one.done}
        self.failed: dict[str, RuntimeFailure] = {}
        for one in members:
            if one.problem is not None:
                self._fail(one.database, one.problem)
            elif one.done:
                self._ledger.end(self._all_of(one.database))
        self._serve()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._running.values():
            one.process.terminate()
        until = time.monotonic() + _PATIENCE
        for one in self._running.values():
            one.process.join(max(0.0, until - time.monotonic()))
            one.process.kill()
            one.pipe.close()

    def go(self, waiting: Waiting) -> None:
        """Until every database is restored, or has failed. What is `waiting` begins later; the others don't wait."""
        self._ledger.hold(waiting.names)
        self._begin()
        while self._running or waiting.names:
            there: dict[Any, str] = {one.pipe: name for name, one in self._running.items()}
            for pipe in wait([*there], _LOOK):
                self._hear(there[pipe])
            for back in waiting.ready():
                self._is_ready(back)
            self._begin()

    def _is_ready(self, back: Back) -> None:
        name = back.database
        self._members[name] = back
        self._ledger.release(name)
        if back.problem is not None:
            self._fail(name, back.problem)
        elif back.done:
            self.done[name] = back.done
            self._ledger.end(self._all_of(name))
            self._serve()

    def _begin(self) -> None:
        for transfer in self._ledger.begin():
            self._began[transfer.id] = (transfer, time.monotonic())
            name = transfer.database
            if transfer.id in self._ledger.ahead:
                self._early.add(transfer.id)
                say_of(name, "goes ahead of its turn, and gives way to what the plan begins before it")
            if name not in self._running:
                self._start(name)
        rates = self._ledger.rates()
        for name, one in self._running.items():
            image, log = (
                next((rates[id_] for id_ in self._ids(name, kind) if id_ in rates), None)
                for kind in ("restore.image", "restore.log")
            )
            self._send(one, Rates(image, log))

    def _send(self, one: _Running, rates: Rates) -> None:
        if rates != one.rates:
            one.rates = rates
            with suppress(OSError):  # it has ended: what it said last is heard
                one.pipe.send(rates)

    def _start(self, name: str) -> None:
        back = self._members[name]
        assert back.point is not None
        say(f"{name}: begins, into {back.shown}")
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        document, folder = self._world.document, str(self._world.folder)
        member = Member(document, folder, name, back.stores, back.point, back.place, self._ways)
        process = context.Process(target=restore_member, args=(member, there), name=name)
        process.start()
        there.close()
        self._running[name] = _Running(process, here)

    def _hear(self, name: str) -> None:
        one = self._running[name]
        try:
            heard: Any = one.pipe.recv()
        except (EOFError, OSError):
            one.process.join()
            heard = Failed(StepFailed, f"its process ended with exit code {one.process.exitcode}", "run the same again")
        if isinstance(heard, events.Event):
            events.tell(replace(heard, text=f"{name}: {heard.text}") if isinstance(heard, events.Said) else heard)
            return
        if isinstance(heard, Loaded):
            self._ended(name, self._ids(name, "restore.image", "restore.increment"))
            return
        one.process.join()
        one.pipe.close()
        del self._running[name]
        if isinstance(heard, Restored):
            self._restored(name, heard.position)
        else:
            self._fail(name, heard.kind(heard.message, help=heard.help))

    def _restored(self, name: str, position: str) -> None:
        try:
            server = self._server(name)
        except RuntimeFailure as problem:
            self._fail(name, StepFailed(f"it was restored, and its server does not answer now: {problem}"))
            return
        self._ended(name, self._all_of(name))
        self.done[name] = position
        self._notes.restored(name, position, server)
        self._serve()

    def _server(self, name: str) -> str:
        """Who answers there now."""
        place = self._members[name].place
        if place.folder:
            return ""
        with closing(place.target().connect()) as connection:
            return read_facts(connection).identity

    def _fail(self, name: str, problem: RuntimeFailure) -> None:
        """Others go on."""
        self.failed[name] = problem
        self._ledger.end(self._all_of(name))
        say(f"{name}: FAILED: {problem}")

    def _serve(self) -> None:
        """Says who can be put in service now: restored, and all it needs are in service."""
        while True:
            found = [
                name for name in sorted(set(self.done) - self._served)
                if all(need in self._served | self._left for need in needs_of(self._recovery, name))
            ]  # fmt: skip
            if not found:
                return
            for name in found:
                say(f"{name}: restored to {self.done[name]}, and can be put in service")
            self._served |= set(found)

    def _ended(self, name: str, ids: Sequence[str]) -> None:
        for id_ in ids:
            if id_ in self._began:
                transfer, began = self._began.pop(id_)
                took, most = time.monotonic() - began, Duration(Fraction(transfer.takes_ms, 1000)).human()
                what = transfer.kind.removeprefix("restore.")
                beside = "begun ahead of its turn" if id_ in self._early else f"the plan says at most {most}"
                say(f"{name}: {what} done in {took:.1f} s, {beside}")
        self._ledger.end(ids)

    def _ids(self, name: str, *kinds: str) -> list[str]:
        return [step.id for step in self._recovery.steps if step.database == name and step.kind in kinds]

    def _all_of(self, name: str) -> list[str]:
        return self._ids(name, *TRANSFERS)
