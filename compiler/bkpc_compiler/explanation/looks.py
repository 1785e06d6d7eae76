"""How long a restore looks before it loads anything: the names of logs, and the ends of those of groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from bkpc_compiler.explanation import log_pieces
from bkpc_compiler.explanation.ages import age
from bkpc_compiler.explanation.sheet import Sheet, renamed
from bkpc_compiler.feasibility.log_reading import Reading
from bkpc_compiler.feasibility.looking import PHASES, End, Look, Names, looked, own_names, side_by_side
from bkpc_compiler.feasibility.recovery_time import Recovery
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_grammar.log_objects import (
    AT_ONCE,
    IN_MEMORY,
    LOOKED_BESIDE,
    LOOKED_BURSTS,
    LOOKED_OBJECTS,
    LOOKED_STEPS,
    REQUESTED_MS,
    ROUND,
    TOGETHER,
)

LeftOf = Callable[[Sheet, End], int]
"""Writes down what the failure leaves of the slowest stage before the end of a log, as `left`."""


class Looks:
    """On one sheet: each log under names of its own, `log1_…`, `log2_…`."""

    def __init__(self, sheet: Sheet, analysis: Analysis, left_of: LeftOf) -> None:
        self._sheet, self._analysis, self._left_of = sheet, analysis, left_of
        self._logs = 0

    def listing(self, look: Look, recovery: Recovery) -> None:
        """The names of all logs, but for those of its own."""
        parts = list[str]()
        for names in look.names:
            takes = Fraction(side_by_side([one.takes for one in names]), 1000)
            parts.append(f"listed_{len(parts) + 1}")
            self._sheet.follows(parts[-1], self._side_by_side(names), takes, "s", "side by side")
        own = ""
        reading = recovery.transfers[-1].reading
        if reading is not None:
            listed = self._listed(recovery, reading)
            own = f" - floor({listed} * 1000) / 1000"
        more = Fraction(look.listed - own_names(recovery), 1000)
        words = "one group after the other, then all others; its own names are counted with its log"
        self._sheet.follows("wait", f"{' + '.join(parts)}{own}", more, "s", words)

    def _side_by_side(self, names: Sequence[Names]) -> str:
        if len(names) <= TOGETHER:
            found = [f"ceil({self._listed(one.recovery, one.reading)} * 1000) / 1000" for one in names]
            return f"max({', '.join(found)})"
        longest = max(names, key=lambda one: one.takes)
        last = self._listed(longest.recovery, longest.reading)
        total = f"sum_{self._logs}"
        words = f"names of {len(names)} logs, one after the other"
        self._sheet.given(total, Fraction(sum(one.takes for one in names), 1000), "s", words)
        return f"ceil({total} * 1000 / {TOGETHER}) / 1000 + ceil({last} * 1000) / 1000"

    def _listed(self, recovery: Recovery, reading: Reading) -> str:
        """The name of the figure, in seconds, that says how long listing them once takes."""
        own = Sheet(self._sheet.clauses)
        self._log(own, recovery, reading.bytes)
        log_pieces.counting(own, reading)
        log_pieces.latency(own, "latency", reading.links)
        each = reading.listings * reading.latency.amount
        own.follows("names", "listings * latency", each, "s", f"of the log of `{recovery.database.name}`")
        return self._add(own)

    def _log(self, sheet: Sheet, recovery: Recovery, bytes_: int) -> None:
        database = recovery.database
        age(sheet, recovery.line.image, recovery.share, self._analysis)
        sheet.given("writes", database.writes.value, "B/s", f"log of `{database.name}`", database.writes.span)
        sheet.given("burst", database.burst.value, "B", "that comes at once", database.burst.span)
        sheet.follows("bytes", "ceil(writes * age + burst)", bytes_, "B")

    def _add(self, sheet: Sheet) -> str:
        """Takes over a calculation; the name of its last figure."""
        self._logs += 1
        self._sheet.add(renamed(sheet.cells, f"log{self._logs}"))
        return self._sheet.cells[-1].name

    def finding(self, look: Look) -> None:
        """The ends of the logs of each group, one group after the other."""
        parts = list[str]()
        for ends in look.groups:
            moves, waits = [], []
            for one in ends:
                last = self._end(one)
                moves.append(last)
                waits.append(last.replace("_moves", "_waits"))
            parts.append(f"group_{len(parts) + 1}")
            waiting = f"max({', '.join(waits)})" if len(ends) <= TOGETHER else " + ".join(waits)
            self._sheet.follows(parts[-1], f"{' + '.join(moves)} + {waiting}", Fraction(looked(ends), 1000), "s")
        self._sheet.follows("takes", " + ".join(parts), Fraction(look.found, 1000), "s")

    def _end(self, one: End) -> str:
        """The name of the figure that says how long its bytes take; beside it is one of how long it waits."""
        own = Sheet(self._sheet.clauses)
        self._log(own, one.recovery, one.log)
        if one.log <= IN_MEMORY:
            own.follows("looked", "bytes", one.bytes, "B", "all of it may be read")
        else:
            most = f"min(2 * bytes, {LOOKED_BURSTS} * ceil(burst)) + {LOOKED_BESIDE}"
            own.follows("looked", most, one.bytes, "B", "to find where it ends, and the point")
        self._rounds(own, one)
        if one.moves:
            self._left_of(own, one)
            own.follows("moves", "ceil(looked * 1000 / left) / 1000", Fraction(one.moves, 1000), "s")
        else:
            own.given("moves", 0, "s", "nothing on its way is known to be narrow")
        return self._add(own)

    def _rounds(self, sheet: Sheet, one: End) -> None:
        reading = one.reading
        if reading is None:
            sheet.given("waits", 0, "s", "no latency on its way")
            return
        log_pieces.objects(sheet, reading)
        most = f"{LOOKED_OBJECTS} + 3 * (floor(age / {REQUESTED_MS // 1000}) + 2)"
        rounds = f"ceil(min(objects, {most}) / {AT_ONCE}) + floor(looked / {ROUND}) + {LOOKED_STEPS}"
        sheet.follows("rounds", rounds, one.rounds, "", "times that nothing but requests is on the way")
        log_pieces.latency(sheet, "latency", reading.links)
        waits = f"ceil({PHASES} * rounds * latency * 1000) / 1000"
        sheet.follows("waits", waits, Fraction(one.waits, 1000), "s", "for its end, then for the point")
