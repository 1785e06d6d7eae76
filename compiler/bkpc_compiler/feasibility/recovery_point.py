"""Recovery lines, and how much each loses."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.demand import StreamDemand
from bkpc_compiler.feasibility.images import ImageCopy
from bkpc_compiler.program.model import Scope, Store
from bkpc_grammar.quantities import ZERO_DURATION


@dataclass(frozen=True, slots=True)
class Line:
    """An image, with or without the log that continues it, in stores that survive.

    `synced`: no commit is acknowledged before a store that survives has it. `delays`: of the log, at most and at least.
    """

    image: ImageCopy
    log: StreamDemand | None
    log_store: Store | None
    synced: bool = False
    delays: tuple[Bound | None, Bound | None] = (None, None)

    @property
    def name(self) -> tuple[str, str]:
        """For a fixed order."""
        return (self.image.id, self.log_store.name if self.log_store else "")


def loss_bounds(line: Line, scope: Scope, quantile: Fraction) -> tuple[Bound | None, Bound | None]:
    """Upper and lower bound on what `line` loses; the upper None where nothing bounds it, the lower None
    where the loss grows for ever.

    `quantile` 1 is the worst instant. For an image it is exact; a log's bound is taken for every instant.
    """
    if line.log is None:
        # After a corruption the server still runs: an image on its way then still arrives.
        least = line.image.age_at_least(quantile, arrives=scope is Scope.CORRUPTION)
        return line.image.age_for(quantile), least
    if line.synced:
        words = "nothing: a commit waits until a store that survives has it"
        acknowledged = Bound((Term(words, ZERO_DURATION, (line.log.level.span,)),))
        return (acknowledged if line.image.staleness else None), Bound(())
    upper, lower = line.delays
    if line.image.staleness is None:
        upper = None
    if scope is Scope.CORRUPTION or quantile < 1:
        lower = Bound(())
    return upper, lower
