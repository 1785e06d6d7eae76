"""What holds up a way back besides its own thaw: the thaws of all others, and of its group.

A group looks for its point in common when all that it reads has thawed, if any of its log must: until then none of its
members begins. See docs/feasibility.md.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from bkpc_compiler.feasibility.bounds import Term
from bkpc_compiler.feasibility.recovery_time import Recovery, longest_thaw
from bkpc_compiler.feasibility.thaw import DAY, asked_of, thaw_days
from bkpc_compiler.feasibility.working import Joining, Queueing
from bkpc_grammar.quantities import Duration

if TYPE_CHECKING:
    from bkpc_compiler.feasibility.together import Outage


def behind_its_thaw(outage: Outage, recovery: Recovery) -> Recovery:
    """The recovery, its thaw behind what all recoveries ask: one after the other, and of the class's quota."""
    if not recovery.line.frozen:
        return recovery
    queue: tuple[Term, ...] = (outage.asking,) if outage.asking else ()
    days, asked = thaw_days(asked_of(recovery.database, recovery.line), outage.thawed)
    if asked is not None and asked.storage.quota is not None:
        quota = asked.storage.quota
        words = f"behind the thaw quota of `{asked.store.name}`"
        working = Queueing(recovery, asked.storage.name)
        queue += (Term(words, Duration(Fraction(days * DAY)), (quota.span,), quota.origin, working),)
    return recovery.behind(queue) if queue else recovery


def behind_its_group(outage: Outage, recovery: Recovery) -> Recovery:
    """The same, and behind the thaw of all that its group reads, where any of its log must thaw."""
    name = recovery.database.name
    own = outage.thawing[name]
    last = _last_to_thaw([outage.thawing[one] for one in _group(outage, name)])
    wait = last.thawed - own.begins if last else 0
    if last is None or wait <= 0:
        return own
    longest = longest_thaw((*last.line.image.stores, *last.line.log_stores))
    assert longest is not None
    words = f"until what its group reads has thawed, that of `{last.database.name}` last: it looks for its point then"
    takes = Duration(Fraction(wait, 1000))
    return own.behind((Term(words, takes, (longest.span,), longest.origin, Joining(last, own.begins)),))


def _group(outage: Outage, name: str) -> list[str]:
    """Those that come back to one point with `name`, itself included; what nothing bounds the plan does not bring
    back."""
    grouped = outage.setting.grouped.get(name, frozenset())
    return sorted(one for one in grouped & outage.thawing.keys() if outage.thawing[one].most is not None)


def _last_to_thaw(group: list[Recovery]) -> Recovery | None:
    """None where it looks for its point at once: no log of it must thaw, or it goes back alone."""
    if len(group) < 2 or not any(longest_thaw(one.line.log_stores) for one in group):
        return None
    return max((one for one in group if one.line.frozen), key=lambda one: one.thawed)
