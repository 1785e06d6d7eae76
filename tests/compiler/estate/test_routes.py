"""The route is the same whether it was seen at once or found in the graph."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bkpc_compiler.estate.routes import Routes
from bkpc_grammar.quantities import rate
from tests.compiler.builders import link, program

SITES = ("a", "b", "c", "d")
LINKS = st.lists(
    st.tuples(st.sampled_from(SITES), st.sampled_from(SITES), st.sampled_from((1, 10))).filter(
        lambda one: one[0] != one[1]
    ),
    unique_by=lambda one: frozenset(one[:2]),
)


@given(LINKS, st.sampled_from(SITES), st.sampled_from(SITES))
def test_a_direct_link_is_the_graphs_answer(links: list[tuple[str, str, int]], source: str, target: str) -> None:
    made = tuple(link(one, other, rate(speed, "Gbit")) for one, other, speed in links)
    routes = Routes(program(dict.fromkeys(SITES, "r"), (), {}, links=made))
    if source == target:
        assert routes.between(source, target) is not None
        return
    assert routes.between(source, target) == routes._find(source, target, ())


def test_a_way_over_another_site_is_found() -> None:
    made = (link("a", "b", rate(1, "Gbit")), link("b", "c", rate(1, "Gbit")))
    found = Routes(program(dict.fromkeys(SITES, "r"), (), {}, links=made)).between("a", "c")
    assert found is not None
    assert [one.name for one in found.links] == ["a -- b", "b -- c"]
    assert Routes(program(dict.fromkeys(SITES, "r"), (), {}, links=made)).between("a", "d") is None
