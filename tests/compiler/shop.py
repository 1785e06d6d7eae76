"""The shop of `tests/cases/examples/shop`, built by hand."""

from __future__ import annotations

from bkpc_compiler.program.model import Program, Scope
from bkpc_grammar.quantities import duration, rate, size
from tests.compiler import builders as build


def payments() -> Program:
    """`payments.bkp`: every promise holds."""
    tier1 = build.policy(
        build.promise(Scope.CORRUPTION, duration(10), duration(2, "h")),
        build.promise(Scope.HOST, duration(10), duration(2, "h")),
        build.promise(Scope.SITE, duration(5, "min"), duration(4, "h")),
        build.promise(Scope.REGION, duration(5, "min"), duration(4, "h")),
        build.promise(Scope.INTRUDER, duration(3, "d"), duration(12, "h")),
        images=(build.full("near"),),
        hots=(build.hot("near", "far"),),
        colds=(build.cold("near", "far"),),
        lock=duration(30, "d"),
        detect=duration(5, "min"),
        activate=duration(10, "min"),
    )
    config = build.database(
        "config",
        "hangzhou",
        holds=size(2, "GiB"),
        writes=rate(50, "MiB", "h"),
        burst=size(64, "MiB"),
        standby="beijing",
    )
    accounts = build.database(
        "accounts", "hangzhou", holds=size(120, "GiB"), writes=rate(1, "GiB", "h"), burst=size(64, "MiB"),
        needs=("config",), standby="beijing",
    )  # fmt: skip
    orders = build.database("orders", "hangzhou", needs=("accounts", "config"), standby="beijing")
    gbit = rate(1, "Gbit")
    return build.program(
        {"hangzhou": "cn-hangzhou", "beijing": "cn-beijing"},
        (
            build.store("near", "hangzhou", reads=rate(2, "Gbit"), writes=gbit),
            build.store("far", "beijing", reads=rate(2, "Gbit"), writes=gbit),
        ),
        {config: tier1, accounts: tier1, orders: tier1},
        links=(build.link("hangzhou", "beijing", gbit),),
        verification=duration(5, "min"),
    )


def broken() -> Program:
    """`broken.bkp`: the only copy elsewhere thaws for five hours, and no log leaves the site."""
    optimistic = build.policy(
        build.promise(Scope.SITE, duration(15, "min"), duration(1, "h")),
        images=(build.full("near"),),
        colds=(build.cold("near", "glacier"),),
    )
    orders = build.database("orders", "hangzhou", standby="beijing")
    gbit = rate(1, "Gbit")
    return build.program(
        {"hangzhou": "cn-hangzhou", "beijing": "cn-beijing"},
        (
            build.store("near", "hangzhou", reads=rate(2, "Gbit"), writes=gbit),
            build.store("glacier", "beijing", thaw=duration(5, "h")),
        ),
        {orders: optimistic},
        links=(build.link("hangzhou", "beijing", gbit),),
    )
