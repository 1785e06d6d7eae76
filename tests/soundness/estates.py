"""Random estates with policies: small, and about as good as what people promise needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from random import Random

from bkpc_compiler.program.model import Group, Program, Promise, Protection, Scope
from bkpc_grammar.quantities import Duration, duration
from tests.compiler.builders import given, here
from tests.soundness.ground import USUAL, Odds, random_database, random_ground
from tests.soundness.wishes import random_policy

Drawn = Callable[[str, Scope, str], Duration | None]
"""The objective of (database, scope, "rpo" or "rto"); None: nothing is promised."""


def random_program(random: Random, odds: Odds = USUAL) -> Program:
    """A program of one to four databases, each under a policy of its own."""
    ground = random_ground(random, odds)
    names = [f"d{number}" for number in range(random.choice((1, 1, 2, 2, 3, 4)))]
    sites = {name: random.choice(ground.sites).name for name in names}
    databases = tuple(random_database(random, name, sites, ground) for name in names)
    # The policies come after every database is known, so that promises look at where each is.
    protections = tuple(Protection(one.name, random_policy(random, one, ground, odds), here()) for one in databases)
    return Program(
        edition=1,
        files=(("test.bkp", "0" * 64),),
        sites=ground.sites,
        links=ground.links,
        stores=ground.stores,
        databases=databases,
        groups=_groups(random, protections, odds),
        policies=(),
        protections=protections,
        requirements=(),
        tests=(),
        retries=given(Fraction(1, 10)),
        headroom=given(random.choice((Fraction(1, 10), Fraction(1, 10), Fraction(1, 10), Fraction(0)))),
        verification=given(random.choice((duration(0), duration(1, "min"), duration(5, "min")))),
    )


def _groups(random: Random, protections: tuple[Protection, ...], odds: Odds) -> tuple[Group, ...]:
    """Now and then one, of databases with a log; one of them may have none."""
    logged = [one.database for one in protections if one.policy.hot]
    if len(logged) < 2 or random.random() >= odds.grouped:
        return ()
    members = random.sample(logged, random.randint(2, len(logged)))
    others = [one.database for one in protections if not one.policy.hot]
    if others and random.random() < 0.3:
        members[0] = random.choice(others)
    return (Group("pair", tuple(sorted(members)), here()),)


def with_objectives(program: Program, drawn: Drawn) -> Program:
    """`program` with what `drawn` gives in place of the objectives of every promise; without those of neither."""

    def again(database: str, one: Promise) -> Promise:
        rpo, rto = drawn(database, one.scope, "rpo"), drawn(database, one.scope, "rto")
        return replace(one, rpo=given(rpo) if rpo else None, rto=given(rto) if rto else None)

    protections = []
    for one in program.protections:
        promises = tuple(again(one.database, promise) for promise in one.policy.promises)
        kept = tuple(promise for promise in promises if promise.rpo or promise.rto)
        protections.append(replace(one, policy=replace(one.policy, promises=kept)))
    return replace(program, protections=tuple(protections))
