"""What each scope takes and leaves, and which way bytes go."""

from __future__ import annotations

import pytest

from bkpc_compiler.estate.failures import loss_of, survives
from bkpc_compiler.estate.resources import Ways
from bkpc_compiler.estate.routes import Routes
from bkpc_compiler.program.model import Program, Scope, Store
from bkpc_grammar.quantities import duration, rate
from tests.compiler import builders as build

LOCKED = build.policy(lock=duration(30, "d"), detect=duration(1, "d"))


def estate(*stores: Store, address: str = "orders:3306") -> Program:
    return build.program(
        {"a": "east", "b": "east", "c": "west"},
        stores,
        {build.database("orders", "a", address=address): LOCKED},
    )


def left(program: Program, scope: Scope) -> set[str]:
    (orders,) = program.databases
    loss = loss_of(program, orders, scope)
    return {store.name for store in program.stores if survives(store, loss, LOCKED)}


def test_a_host_takes_a_directory_only_where_the_database_is_local() -> None:
    stores = (build.store("disk", "a", kind="directory"), build.store("bucket", "a"))
    assert left(estate(*stores), Scope.HOST) == {"bucket", "disk"}
    for address in [
        "127.0.0.1:3306",
        "Localhost:3306",
        "0.0.0.0:3306",
        "[0:0:0:0:0:0:0:1]:3306",
        "[::1]",
        "/run/mysqld.sock",
    ]:
        assert left(estate(*stores, address=address), Scope.HOST) == {"bucket"}
    assert left(estate(*stores, address="localhost-db.prod:3306"), Scope.HOST) == {"bucket", "disk"}


def test_a_site_leaves_zone_redundant_stores_and_a_region_does_not() -> None:
    stores = (
        build.store("plain", "a"),
        build.store("zrs", "a", redundancy="zrs"),
        build.store("next", "b"),
        build.store("far", "c"),
    )
    assert left(estate(*stores), Scope.SITE) == {"zrs", "next", "far"}
    assert left(estate(*stores), Scope.REGION) == {"far"}


def test_an_intruder_leaves_only_what_is_locked() -> None:
    stores = (build.store("bucket", "a"), build.store("disk", "a", kind="directory"))
    assert left(estate(*stores), Scope.INTRUDER) == {"bucket"}


def test_databases_on_one_machine_go_down_together() -> None:
    tier = build.policy()
    one = build.database("one", "a", address="db:3306")
    two = build.database("two", "a", address="db:3307")
    other = build.database("other", "a")
    program = build.program({"a": "east"}, (), {one: tier, two: tier, other: tier})
    assert loss_of(program, two, Scope.HOST).databases == ("one", "two")


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("DB1:3306", "db1.:3307", True),
        ("[fe80::1]:3306", "[FE80:0::1]", True),
        ("localhost:3306", "[::1]", True),
        ("/run/a.sock", "ip6-localhost", True),
        ("db1", "db2", False),
        ("localhost", "localhost-db.prod", False),
    ],
)
def test_a_machine_has_many_spellings(one: str, other: str, together: bool) -> None:
    tier = build.policy()
    first = build.database("one", "a", address=one)
    program = build.program({"a": "east"}, (), {first: tier, build.database("two", "a", address=other): tier})
    assert loss_of(program, first, Scope.HOST).databases == (("one", "two") if together else ("one",))


def test_two_sites_share_no_machine() -> None:
    """`mysql` is the name of a service within a cluster: each site has its own."""
    tier = build.policy()
    here, there = (build.database(name, site, address="mysql:3306") for name, site in (("one", "a"), ("two", "b")))
    program = build.program({"a": "east", "b": "east"}, (), {here: tier, there: tier})
    assert loss_of(program, here, Scope.HOST).databases == ("one",)
    ways = Ways(program, Routes(program))
    assert ways.dumps_of(here) != ways.dumps_of(there)


def test_routes_take_fewest_hops_then_the_widest_link() -> None:
    links = (
        build.link("a", "c", rate(1, "Mbit")),
        build.link("a", "c", rate(2, "Mbit")),
        build.link("a", "b", rate(1, "Gbit")),
        build.link("b", "c", rate(1, "Gbit")),
    )
    program = build.program({"a": "x", "b": "x", "c": "x", "d": "x"}, (), {}, links=links)
    routes = Routes(program)
    route = routes.between("a", "c")
    assert route is not None
    assert route.links == (links[1],)
    assert routes.between("a", "d") is None
    here = routes.between("a", "a")
    assert here is not None
    assert here.links == ()
