"""How databases that a failure leaves up go back with those of their group that it hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from msgspec import structs

from bkpc_compiler.estate.failures import Loss
from bkpc_compiler.feasibility.demand import Demand
from bkpc_compiler.feasibility.lines import Choice, Common, choose
from bkpc_compiler.feasibility.recovery_point import least_lost, lost_at_most
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


def in_common(setting: Setting, choices: Mapping[str, Choice]) -> dict[str, Choice]:
    """The choices, each with what the others of its group make of what is promised of its loss."""
    found = dict(choices)
    if not setting.grouped:
        return found
    known: dict[tuple[frozenset[str], Fraction], tuple[Fraction | None, Fraction | None]] = {}
    for name, choice in choices.items():
        group, promise = setting.grouped.get(name), choice.promise
        if group is None or promise is None or promise.rpo is None:
            continue
        members = group & choices.keys()
        if len(members) < 2:
            continue
        key = (group, promise.rpo_quantile)
        if key not in known:
            known[key] = _lost_in_common([choices[one] for one in sorted(members)], promise.rpo_quantile)
        most, least = known[key]
        within = promise.rpo.value.amount
        common = Common(most is not None and most <= within, least is not None and least <= within)
        found[name] = structs.replace(choice, common=common)
    return found


def _lost_in_common(members: Sequence[Choice], share: Fraction) -> tuple[Fraction | None, Fraction | None]:
    """Seconds that the point which all have is old at most, where all have a log, and at least; None: not known."""
    lines = [one.line for one in members]
    most = [lost_at_most(line, share) if line is not None and line.log is not None else None for line in lines]
    least = [one.least_lost(share) for one, line in zip(members, lines, strict=True) if line is not None]
    return _largest(most), _largest(least)


def _largest(amounts: Sequence[Fraction | None]) -> Fraction | None:
    known = [one for one in amounts if one is not None]
    return max(known) if known and len(known) == len(amounts) else None


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
