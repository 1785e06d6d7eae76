"""How databases that a failure leaves up go back with those of their group that it hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from msgspec import structs

from bkpc_compiler.estate.failures import Loss
from bkpc_compiler.feasibility.demand import Demand
from bkpc_compiler.feasibility.lines import Choice, choose
from bkpc_compiler.feasibility.recovery_point import least_lost
from bkpc_compiler.feasibility.recovery_time import Left, Setting
from bkpc_compiler.program.model import Given, Policy, Promise, Protection, Scope
from bkpc_grammar.quantities import Duration


def promised(policy: Policy, loss: Loss) -> Promise | None:
    return next((one for one in policy.promises if one.scope is loss.scope), None)


def along_with(
    setting: Setting, demand: Demand, left: Left, loss: Loss, protection: Protection, hit: Sequence[Protection]
) -> Choice:
    """How one that is up goes back with those of its group that are `hit`: on a line that keeps what is promised of
    them, the least loss first; nobody acts on it before all of them are noticed."""
    policies = tuple({id(one.policy): one.policy for one in hit}.values())
    again = replace(protection, policy=_noticed_with(setting, protection.policy, policies))
    promises = [promise for one in policies if (promise := promised(one, loss)) is not None]
    promises.sort(key=lambda one: (one.rpo is None, one.rpo.value.amount if one.rpo else 0))
    found = [choose(setting, demand, left, again, promises[0] if promises else None, loss)]
    while len(found) < len(promises) and not found[-1].kept:
        found.append(choose(setting, demand, left, again, promises[len(found)], loss))
    return structs.replace(found[-1] if found[-1].kept else found[0], own_policy=protection.policy)


def _noticed_with(setting: Setting, policy: Policy, others: Sequence[Policy]) -> Policy:
    """`policy`, acted on when the last of `others` is noticed: the same for all that ask for the same."""
    key = (id(policy), *map(id, others))
    if key not in setting.joint:
        setting.joint[key] = replace(
            policy,
            detect=_longest([one.detect for one in others]),
            activate=_longest([one.activate for one in (policy, *others)]),
        )
    return setting.joint[key]


def _longest(given: Sequence[Given[Duration] | None]) -> Given[Duration] | None:
    return max((one for one in given if one is not None), key=lambda one: one.value.amount, default=None)


def loses(choice: Choice) -> bool:
    """Whether the worst instant costs the database something, whatever the plan."""
    if choice.loss.scope is Scope.CORRUPTION:
        return choice.setting.patience_of(choice.policy).respond > 0
    least = [least_lost(line, choice.felt_as, Fraction(1)) for line in choice.readable]
    return all(one is None or one.total.amount > 0 for one in least)
