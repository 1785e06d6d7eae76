"""The second opinion on every plan: nothing is promised twice, every deadline is met, and nothing is left out.

Shares no code with the planner. What a resource gives, what a flow passes, what a log needs and what goes on beside
a recovery is worked out again from the program; when jobs meet, from the instants of a calendar instead of intervals
in a cycle. What it finds is a fault of the planner, never of a policy.
"""

from __future__ import annotations

from bkpc_compiler.planning.verified.booking import Booking
from bkpc_compiler.planning.verified.estate import Estate
from bkpc_compiler.planning.verified.holdings import Holdings, faulty_capacities, unknown
from bkpc_compiler.planning.verified.log import slow
from bkpc_compiler.planning.verified.recoveries import Recoveries, disordered
from bkpc_compiler.planning.verified.servers import at_once
from bkpc_compiler.planning.verified.slots import late
from bkpc_compiler.program.model import Program
from bkpc_grammar.plan import Plan

SHOWN = 5


class PlanUnsound(Exception):
    """The planner's plan fails its check: a fault of bkpc."""


def verified(plan: Plan, program: Program) -> Plan:
    """`plan`, if nothing is wrong with it as a plan for `program`.

    Raises:
        PlanUnsound: what is left out, promised twice, or late.
    """
    found = faults(plan, program)
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise PlanUnsound("; ".join(found[:SHOWN]) + more)
    return plan


def faults(plan: Plan, program: Program) -> list[str]:
    """Everything that is wrong with `plan`, sorted; each names who, which resource, and when."""
    estate = Estate(program, {one.name: one.usable for one in plan.resources})
    nameless = sorted({*unknown(plan, estate)})
    if nameless:
        return nameless
    holdings = Holdings(plan, estate)
    booking = Booking(plan, estate)
    return sorted(
        {
            *faulty_capacities(plan, estate),
            *holdings.faults,
            *late(plan, estate, booking.calendar),
            *slow(plan, estate, holdings.flows),
            *booking.overbooked(),
            *at_once(plan, estate, booking.calendar),
            *disordered(plan, estate),
            *Recoveries(plan, estate, holdings.flows, booking).overbooked(),
        }
    )
