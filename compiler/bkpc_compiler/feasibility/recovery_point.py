"""Recovery lines, and how much each loses."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.demand import StreamDemand
from bkpc_compiler.feasibility.levels import ImageCopy, log_delay
from bkpc_compiler.program.model import Scope, Store
from bkpc_grammar.quantities import Duration


@dataclass(frozen=True, slots=True)
class Line:
    """An image, with or without the log that continues it, in stores that survive."""

    image: ImageCopy
    log: StreamDemand | None
    log_store: Store | None

    @property
    def name(self) -> tuple[str, str]:
        """For a fixed order."""
        return (self.image.id, self.log_store.name if self.log_store else "")


def loss_bounds(line: Line, scope: Scope, quantile: Fraction) -> tuple[Bound | None, Bound]:
    """Upper and lower bound on what `line` loses; the upper None where nothing bounds it.

    `quantile` 1 is the worst instant. Below it the upper bound stays that of the worst instant, and the
    lower one takes the share of the period: staleness grows steadily between two snapshots.
    """
    if line.log is not None:
        upper, lower = log_delay(line.log)
        if line.image.age is None:
            upper = None
        return upper, lower if scope is not Scope.CORRUPTION else Bound(())
    between, *rest = line.image.age_at_least.terms
    share = Term(between.label, Duration(between.duration.amount * quantile), between.spans, between.origin)
    # After a corruption the server still runs: an image on its way then still arrives.
    lower = Bound((share,) if scope is Scope.CORRUPTION else (share, *rest))
    return line.image.age, lower
