"""What goes on beside the recoveries of a failure: what it stops, moves to other links, and lets begin again.

A copy needs no database: it goes on while its stores are left. A flow around lost sites takes the way that is left.
What is rebuilt at home is streamed and copied again as soon as it is in service; for what is rebuilt elsewhere a
plan says nothing of that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bkpc_compiler.planning.verified.calendar import Held
from bkpc_compiler.planning.verified.estate import Estate
from bkpc_compiler.planning.verified.flow import Flow
from bkpc_grammar.plan import Recovery


@dataclass(frozen=True, slots=True)
class Beside:
    """`away`: flows that do not go on as planned, by identity; `streams`: how much more streams hold of a resource.

    `moved`: jobs that come to a resource on their new way; `again`: flows, and when they begin again.
    """

    away: frozenset[int]
    streams: dict[str, int]
    moved: dict[str, list[Flow]]
    again: tuple[tuple[int, Flow], ...]

    def begins_again(self, name: str) -> list[tuple[int, Flow]]:
        """Streams and jobs that hold a resource again, and when, in milliseconds after the failure."""
        return [(at, one) for at, one in self.again if name in one.on(one.way)]


class Failures:
    """The flows of a plan, found by what a failure takes."""

    def __init__(self, estate: Estate, flows: Iterable[Flow]) -> None:
        self._estate = estate
        self._of: dict[str, list[Flow]] = {}
        self._passing: dict[str, list[Flow]] = {}
        self._kept: dict[str, list[Flow]] = {}
        self._jobs: dict[str, list[Flow]] = {}
        for flow in flows:
            self._of.setdefault(flow.database, []).append(flow)
            for store in (flow.store, *((flow.copied,) if flow.copied else ())):
                self._kept.setdefault(store, []).append(flow)
            for site in flow.between:
                self._passing.setdefault(site, []).append(flow)
            for name in flow.on(flow.way) if flow.job else ():
                self._jobs.setdefault(name, []).append(flow)

    def beside(self, recovery: Recovery) -> Beside:
        """What goes on after the failure that `recovery` is about."""
        gone = self._estate.lost_sites(recovery.scope, recovery.lost)
        down = set(recovery.down) if recovery.scope != "corruption" else set()
        ended = {id(one): one for name in sorted(down) for one in self._of.get(name, ()) if not one.copied}
        for store in self._estate.stores.values() if gone else ():
            if not self._estate.outlives(store, recovery.scope, gone):
                ended |= {id(one): one for one in self._kept.get(store.name, ())}
        moved = {id(one): one for site in sorted(gone) for one in self._passing.get(site, ()) if id(one) not in ended}
        streams: dict[str, int] = {}
        jobs: dict[str, list[Flow]] = {}
        for one in (*ended.values(), *moved.values()):
            if one.job is None:
                _add(streams, one.on(one.way), -one.rate)
        for one in moved.values():
            way = self._estate.detour(*one.at, gone)
            names = one.on(way) if way is not None else ()
            if one.job is None:
                _add(streams, names, one.rate)
            else:
                for name in names:
                    jobs.setdefault(name, []).append(one)
        again = () if gone else tuple(self._again(recovery, down, ended))
        return Beside(frozenset({*ended, *moved}), streams, jobs, again)

    def _again(self, recovery: Recovery, down: set[str], ended: dict[int, Flow]) -> Iterable[tuple[int, Flow]]:
        for step in recovery.steps:
            if step.kind == "check.service" and step.database in down:
                served = step.start_ms + step.expect_ms
                yield from ((served, one) for one in self._of.get(step.database, ()) if id(one) in ended)

    def jobs_on(self, name: str, beside: Beside, at: int) -> list[Held]:
        """The jobs that hold a resource from `at` milliseconds after the failure on."""
        staying = [one for one in self._jobs.get(name, ()) if id(one) not in beside.away]
        again = [one for since, one in beside.begins_again(name) if since <= at]
        return [(one.job, one.rate) for one in (*staying, *beside.moved.get(name, ()), *again) if one.job]


def _add(streams: dict[str, int], names: Iterable[str], rate: int) -> None:
    for name in names:
        streams[name] = streams.get(name, 0) + rate
