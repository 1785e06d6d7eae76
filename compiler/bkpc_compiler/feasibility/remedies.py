"""What would help: each remedy is tried on the program and told only where it works."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bkpc_compiler.estate.failures import survives
from bkpc_compiler.feasibility.recovery_time import thaw_of
from bkpc_compiler.feasibility.verdict import Analysis, Answer, Verdict, analyse
from bkpc_compiler.program.model import Given, HotLevel, Policy, Program, Scope, Store
from bkpc_grammar.quantities import Duration, duration

FLUSHES = ("5s", "1s")
"""Flush periods tried, longest first."""


def rpo_remedy(analysis: Analysis, answer: Answer) -> str:
    """The hot level that would prove the RPO, and the RPO that is proved as it stands."""
    told = []
    if answer.promise.scope is Scope.INTRUDER and not answer.choice.lines:
        return "`lock …` longer than `detect`, with copies in an object store: only those outlive an intruder"
    for text, program in _hot_levels(analysis.program, answer):
        if _verdict_in(program, answer) is Verdict.PROVED:
            told.append(f"`{text}` in policy `{answer.protection.policy.name}` would prove it")
            break
    return _joined(told, answer, "rpo")


def rto_remedy(analysis: Analysis, answer: Answer) -> str:
    """A store without thaw that would prove the RTO, and the RTO that is proved as it stands."""
    told = []
    for text, program in _warm_stores(analysis.program, answer):
        if _verdict_in(program, answer) is Verdict.PROVED:
            told.append(f"{text} would prove it")
            break
    return _joined(told, answer, "rto")


def _joined(told: list[str], answer: Answer, kind: str) -> str:
    if answer.upper is not None and answer.choice.kept_long_enough:
        told.append(f"as it stands, `{kind} {_unit(answer.upper.total)}` would be proved")
    if not told:
        told.append(_longest_part(answer))
    return "; ".join(told)


def _longest_part(answer: Answer) -> str:
    """Where to begin, when nothing that was tried is enough by itself."""
    bound = answer.lower or answer.upper
    if bound is None:
        return "send images to a store that outlives this failure"
    longest = max(bound.terms, key=lambda term: term.duration.amount)
    part = f"{longest.duration.human()} {longest.label.partition(', ')[0]}"
    return f"no one change that was tried proves it; begin with the longest part: {part}"


def _unit(bound: Duration) -> str:
    """A literal of the language that is no less than `bound`."""
    return bound.human().replace(" ", "")


def _verdict_in(program: Program, answer: Answer) -> Verdict | None:
    for other in analyse(program).answers:
        same = (other.database.name, other.promise.scope, other.kind)
        if same == (answer.database.name, answer.promise.scope, answer.kind):
            return other.verdict
    return None


def _with_policy(program: Program, answer: Answer, policy: Policy) -> Program:
    protections = tuple(
        replace(one, policy=policy) if one.database == answer.database.name else one for one in program.protections
    )
    return replace(program, protections=protections)


def _hot_levels(program: Program, answer: Answer) -> Iterator[tuple[str, Program]]:
    """The log added to one surviving store that needs no thaw; its own site's stores first."""
    policy = answer.protection.policy
    stores = [
        store
        for store in program.stores
        if survives(store, answer.choice.loss, answer.database, policy) and thaw_of(store) is None
    ]
    stores.sort(key=lambda store: (store.site != answer.database.site, store.name))
    for store in stores:
        for written in FLUSHES:
            flush = duration(written[:-1], "s")
            level = HotLevel(
                stores=(Given(store.name, policy.span),),
                flush=Given(flush, policy.span),
                sync=False,
                quorum=1,
                on_outage=None,
                degrade_after=None,
                span=policy.span,
            )
            better = replace(policy, hot=(level,))
            yield f"hot to {store.name} every {written}", _with_policy(program, answer, better)


def _warm_stores(program: Program, answer: Answer) -> Iterator[tuple[str, Program]]:
    """Copies sent to a store without thaw instead; or, failing that, the same store without thaw."""
    line = answer.choice.line
    if line is None or thaw_of(line.image.store) is None:
        return
    cold = line.image.store
    policy = answer.protection.policy
    for store in program.stores:
        if thaw_of(store) is None and survives(store, answer.choice.loss, answer.database, policy):
            yield (
                f"copies in `{store.name}` instead of `{cold.name}`",
                _with_policy(program, answer, _moved(policy, cold.name, store.name)),
            )
    stores = tuple(_thawed(store) if store.name == cold.name else store for store in program.stores)
    yield f"a class of `{cold.name}` that needs no thaw", replace(program, stores=stores)


def _moved(policy: Policy, old: str, new: str) -> Policy:
    def stores(given: tuple[Given[str], ...]) -> tuple[Given[str], ...]:
        return tuple(replace(one, value=new) if one.value == old else one for one in given)

    return replace(
        policy,
        images=tuple(replace(level, stores=stores(level.stores)) for level in policy.images),
        cold=tuple(replace(level, stores=stores(level.stores)) for level in policy.cold),
    )


def _thawed(store: Store) -> Store:
    assert store.storage_class is not None
    return replace(
        store, storage_class=replace(store.storage_class, value=replace(store.storage_class.value, thaw=None))
    )
