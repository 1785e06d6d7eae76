"""Changes of structure that may prove a promise: a log where there was none, a store that need not thaw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bkpc_compiler.estate.failures import survives
from bkpc_compiler.estate.routes import Route
from bkpc_compiler.feasibility.thaw import thaw_of
from bkpc_compiler.feasibility.verdict import Answer
from bkpc_compiler.program.model import Given, HotLevel, Link, Policy, Program, Store
from bkpc_grammar.quantities import duration

FLUSHES = ("5s", "1s")
"""Flush periods tried, longest first."""


def _with_policy(program: Program, answer: Answer, policy: Policy) -> Program:
    protections = tuple(
        replace(one, policy=policy) if one.database == answer.database.name else one for one in program.protections
    )
    return replace(program, protections=protections)


def hot_levels(program: Program, answer: Answer) -> Iterator[tuple[str, Program]]:
    """The log added to one surviving store that needs no thaw; its own site's stores first."""
    policy = answer.protection.policy
    stores = [
        store for store in program.stores if survives(store, answer.choice.loss, policy) and thaw_of(store) is None
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
            yield (
                f"`hot to {store.name} every {written}` in policy `{policy.name}`",
                _with_policy(program, answer, better),
            )


def warm_stores(program: Program, answer: Answer) -> Iterator[tuple[str, Program]]:
    """Copies sent to a store without thaw instead; or, failing that, the same store without thaw."""
    line = answer.choice.line
    if line is None or thaw_of(line.image.store) is None:
        return
    cold = line.image.store
    policy = answer.protection.policy
    for store in program.stores:
        if thaw_of(store) is None and survives(store, answer.choice.loss, policy):
            yield (
                f"copies in `{store.name}` instead of `{cold.name}`",
                _with_policy(program, answer, _moved(policy, cold.name, store.name)),
            )
    stores = tuple(_thawed(store) if store.name == cold.name else store for store in program.stores)
    yield f"a class of `{cold.name}` that needs no thaw", replace(program, stores=stores)


def wider_ways(program: Program, answer: Answer) -> Iterator[tuple[str, Program]]:
    """A thin link left out that is taken before a wider way around it."""
    for link, _ in thin_links(program, answer):
        others = tuple(one for one in program.links if one is not link)
        yield f"no link {link.name}, so that its traffic takes the wider way around", replace(program, links=others)


def thin_links(program: Program, answer: Answer) -> Iterator[tuple[Link, Route]]:
    """Links that a bound takes time from, or for which no image is ever whole, and the wider way around each."""
    spans = {span for one in (answer.lower, answer.upper) if one for term in one.terms for span in term.spans}
    spans |= {one.span for job in answer.choice.hopeless for one in job.resources if one.firm and one.span}
    for link in program.links:
        around = answer.choice.setting.ways.routes.wider_around(link) if link.bandwidth.span in spans else None
        if around is not None:
            yield link, around


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
