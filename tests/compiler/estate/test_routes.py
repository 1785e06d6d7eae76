"""The one route between two sites: fewest hops, then widest, then by name."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import networkx
from hypothesis import given
from hypothesis import strategies as st

from bkpc_compiler.estate.routes import Route, Routes
from bkpc_compiler.program.model import Link
from bkpc_grammar.quantities import rate
from tests.compiler.builders import link, program

SITES = tuple("abcdefgh")
ENDS = st.tuples(st.sampled_from(SITES), st.sampled_from(SITES)).filter(lambda one: one[0] != one[1])
LINKS = st.lists(
    st.builds(
        lambda ends, speed, both: replace(link(ends[0], ends[1], rate(speed, "Gbit")), both_ways=both),
        ENDS,
        st.sampled_from((1, 2, 3)),
        st.booleans(),
    ),
    max_size=24,
)


def best_of_all(links: list[Link], source: str, target: str, lost: set[str]) -> Route | None:
    """By listing every shortest path."""
    graph: networkx.MultiDiGraph[str] = networkx.MultiDiGraph()
    graph.add_nodes_from(site for site in SITES if site not in lost)
    for one in links:
        if not lost & {one.source, one.target}:
            graph.add_edge(one.source, one.target, link=one)
            if one.both_ways:
                graph.add_edge(one.target, one.source, link=one)
    try:
        paths = list(networkx.all_shortest_paths(graph, source, target))
    except networkx.NetworkXNoPath:
        return None
    routes = [
        Route(
            tuple(
                min(
                    (edge["link"] for edge in graph[one][next_].values()),
                    key=lambda found: (-found.bandwidth.value.amount, found.name),
                )
                for one, next_ in pairwise(path)
            )
        )
        for path in paths
    ]
    return min(routes, key=lambda route: (-route.narrowest, [one.name for one in route.links]))


@given(LINKS, ENDS, st.sets(st.sampled_from(SITES), max_size=3))
def test_it_is_the_best_of_all_shortest(links: list[Link], ends: tuple[str, str], lost: set[str]) -> None:
    source, target = ends
    lost -= {source, target}
    found = Routes(program(dict.fromkeys(SITES, "r"), (), {}, links=tuple(links))).between(
        source, target, tuple(sorted(lost))
    )
    expected = best_of_all(links, source, target, lost)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert [(one.name, one.bandwidth.value) for one in found.links] == [
            (one.name, one.bandwidth.value) for one in expected.links
        ]


@given(LINKS, ENDS)
def test_a_direct_link_is_what_is_found_hop_by_hop(links: list[Link], ends: tuple[str, str]) -> None:
    routes = Routes(program(dict.fromkeys(SITES, "r"), (), {}, links=tuple(links)))
    assert routes.between(*ends) == routes._find(*ends, ())


def test_a_grid_has_more_shortest_ways_than_can_be_listed() -> None:
    """20 hops there and 20 down: 137,846,528,820 ways; the wide one goes down first."""
    names = {(x, y): f"s{x:02}{y:02}" for x in range(21) for y in range(21)}
    made = []
    for (x, y), name in names.items():
        if y < 20:
            made.append(link(name, names[x, y + 1], rate(2 if x == 0 else 1, "Gbit")))
        if x < 20:
            made.append(link(name, names[x + 1, y], rate(2 if y == 20 else 1, "Gbit")))
    found = Routes(program(dict.fromkeys(names.values(), "r"), (), {}, links=tuple(made))).between("s0000", "s2020")
    assert found is not None
    assert [one.target for one in found.links] == [f"s00{y:02}" for y in range(1, 21)] + [
        f"s{x:02}20" for x in range(1, 21)
    ]


def test_within_a_site_there_are_no_links_and_without_links_no_route() -> None:
    made = (link("a", "b", rate(1, "Gbit")), link("b", "c", rate(1, "Gbit")))
    routes = Routes(program(dict.fromkeys(SITES, "r"), (), {}, links=made))
    assert routes.between("a", "a") == Route(())
    found = routes.between("a", "c")
    assert found is not None
    assert [one.name for one in found.links] == ["a -- b", "b -- c"]
    assert routes.between("a", "d") is None
