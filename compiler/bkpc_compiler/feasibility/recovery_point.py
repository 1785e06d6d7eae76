"""Recovery lines, and how much each loses."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct

from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.images import ImageCopy
from bkpc_compiler.feasibility.stream import StreamDemand
from bkpc_compiler.once import once
from bkpc_compiler.program.model import Scope, Store
from bkpc_grammar.quantities import ZERO_DURATION

if TYPE_CHECKING:
    from bkpc_compiler.feasibility.recovery_time import Transfer


class Line(Struct, frozen=True, dict=True):
    """An image, with or without the log that continues it, in stores that survive.

    `kept`: of every quorum of its `hot sync` a store survives. `synced`: no commit is acknowledged before one of these
    stores has it, and all of them can be read where the database is rebuilt. Which of them has the last one is known
    only then: the way back is good for each.
    """

    image: ImageCopy
    log: StreamDemand | None
    log_store: Store | None
    kept: bool = False
    synced: tuple[Store, ...] = ()
    logs: tuple[StreamDemand, ...] = ()  # into `synced`, in their order

    @property
    def tells(self) -> StreamDemand | None:
        """Of a member of a group, the log of `synced` that first tells until when it is complete: whichever goes on to
        there, it is read. None: it is no member, or no such line."""
        if not self.synced or self.log is None or self.log.known is None:
            return None
        return min(self.logs, key=lambda one: (one.at_most is None, one.at_most or 0))

    @once
    def log_stores(self) -> tuple[Store, ...]:
        """Where the log to replay may be."""
        return self.synced or ((self.log_store,) if self.log_store else ())

    @once
    def frozen(self) -> bool:
        """Whether anything must thaw before it can be read."""
        held = (one.storage_class for one in (*self.image.stores, *self.log_stores))
        return any(one is not None and one.value.thaw is not None for one in held)

    @once
    def moved(self) -> dict[object, tuple[Transfer, ...]]:
        """What a recovery on it moves; filled as it is asked for: it is one line that several failures leave."""
        return {}

    @once
    def name(self) -> tuple[str, str]:
        """For a fixed order."""
        return (self.image.id, self.log_store.name if self.log_store else "")


def lost_at_most(line: Line, quantile: Fraction) -> Fraction | None:
    """The total of `most_lost`, in seconds: its terms are made only for what is shown."""
    if line.log is None:
        staleness = line.image.staleness
        return None if staleness is None else staleness.quantile(quantile) / 1000
    if not line.image.comes:
        return None
    if line.synced:
        return line.tells.at_most if line.tells else Fraction(0)
    return line.log.at_most


def lost_at_least(line: Line, scope: Scope, quantile: Fraction) -> Fraction | None:
    """The total of `least_lost`, in seconds."""
    if line.log is None or _may_have_all(line, scope) or quantile < 1:
        lower = least_lost(line, scope, quantile)
        return lower.total.amount if lower else None
    return line.log.at_least


def _may_have_all(line: Line, scope: Scope) -> bool:
    """Whether its store may happen to have all that was acknowledged at every instant: after a corruption the server
    still sends what is behind, and with `hot sync` commits may wait where the log would fall behind."""
    if line.kept or scope is Scope.CORRUPTION:
        return True
    return line.log is not None and line.log.level.sync and line.log.hopeless


def most_lost(line: Line, quantile: Fraction) -> Bound | None:
    """Upper bound on what `line` loses; None where nothing bounds it.

    `quantile` 1 is the worst instant. For an image it is exact; a log's bound is taken for every instant.
    """
    if line.log is None:
        return line.image.age_for(quantile)
    if not line.image.comes:
        return None
    if line.tells:
        return line.tells.most_delay
    if line.synced:
        words = "nothing: a commit waits until a store that survives has it"
        return Bound((Term(words, ZERO_DURATION, (line.log.level.span,)),))
    return line.log.most_delay


def least_lost(line: Line, scope: Scope, quantile: Fraction) -> Bound | None:
    """Lower bound; None where the loss grows for ever."""
    if line.log is None:
        # After a corruption the server still runs: an image on its way then still arrives.
        return line.image.age_at_least(quantile, arrives=scope is Scope.CORRUPTION)
    if _may_have_all(line, scope) or (quantile < 1 and not line.log.hopeless):
        return Bound(())
    return line.log.least_delay
