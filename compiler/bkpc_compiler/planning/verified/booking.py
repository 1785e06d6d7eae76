"""Whether at some instant more is reserved of a resource than it gives: streams, and jobs by the calendar."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.planning.verified.calendar import Calendar, Held, Peak
from bkpc_compiler.planning.verified.estate import Estate
from bkpc_grammar.plan import Plan


class Booking:
    """What jobs and streams hold of each resource when nothing is lost."""

    def __init__(self, plan: Plan, estate: Estate) -> None:
        self._estate = estate
        servers = {name: estate.server(name) for name in estate.databases}
        self.calendar = Calendar((job.schedule.timezone for job in plan.jobs), servers)
        self.held: dict[str, list[Held]] = {}
        self.streams: dict[str, int] = {}
        self._streaming: dict[str, list[str]] = {}
        self._peaks: dict[str, Peak] = {}
        for job in plan.jobs:
            for one in job.reserve:
                self.held.setdefault(one.resource, []).append((job, one.rate))
        for stream in plan.streams:
            for one in stream.reserve:
                self.streams[one.resource] = self.streams.get(one.resource, 0) + one.rate
                self._streaming.setdefault(one.resource, []).append(stream.id)

    def peak(self, name: str) -> Peak:
        """The most that jobs hold of a resource."""
        if name not in self._peaks:
            self._peaks[name] = self.calendar.peak(self.held.get(name, ()))
        return self._peaks[name]

    def overbooked(self) -> Iterator[str]:
        """Resources of which more is reserved at some instant than they give, and by whom."""
        for name in sorted(self.held.keys() | self.streams.keys()):
            usable, streams = self._estate.usable(name), self.streams.get(name, 0)
            if usable is None:
                yield f"{name} is reserved, and nothing declares it"
                continue
            if streams + sum(rate for _, rate in self.held.get(name, ())) <= usable:
                continue
            peak = self.peak(name)
            if streams + peak.rate > usable:
                by = (*self.calendar.held_at(self.held.get(name, ()), peak.at), *self._streaming.get(name, ()))
                words = f"promised twice {peak}: {streams + peak.rate} B/s reserved, {usable} usable"
                yield f"{name} is {words}: {', '.join(by)}"
