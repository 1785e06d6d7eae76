"""The picture of an estate that is too large to draw every database, and of parts of one."""

from __future__ import annotations

from dataclasses import replace

from bkpc_compiler.backends.alike import MANY, drawn, note_of
from bkpc_compiler.backends.estate import Flow, View, estate_view
from bkpc_compiler.backends.graph import graph_dot, graph_mermaid
from bkpc_compiler.backends.part import part_of
from tests.compiler.backends.made import made_plan
from tests.compiler.backends.test_large_report import FEW, MORE, planned

MOST_TEXT = 50_000
"""Characters that Mermaid draws, where nobody told it to draw more; of so many sites, whatever the databases."""


def sites(view: View) -> dict[str, tuple[list[str], list[tuple[str, ...]]]]:
    """By site: the databases that are drawn, and those of each crowd."""
    return {
        site.name: ([one.name for one in site.databases], [one.databases for one in site.crowds])
        for region in view.regions
        for site in region.sites
    }


def test_a_small_estate_is_drawn_as_it_is() -> None:
    view = estate_view(made_plan())
    assert drawn(view) is view
    assert note_of(MANY) == ()


def test_databases_that_are_kept_alike_are_one() -> None:
    view = drawn(estate_view(planned(MORE)))
    found = sites(view)
    assert found["s0"] == ([], [("db0", "db100", "db50")])
    assert found["s30"] == ([], [("db30", "db80")])
    assert {name for alone, crowds in found.values() for name in (*alone, *(one for its in crowds for one in its))} == {
        one.name for one in planned(MORE).estate.databases
    }
    (crowd,) = [crowd for region in view.regions for site in region.sites if site.name == "s0" for crowd in site.crowds]
    assert crowd.name == "db0 and 2 more"
    of = {one.name: one.size_bytes for one in planned(MORE).estate.databases}
    assert crowd.size_bytes == of["db0"] + of["db50"] + of["db100"]


def test_nothing_that_flows_is_left_out() -> None:
    whole = estate_view(planned(MORE))
    view = drawn(whole)
    assert sum(one.number for one in view.flows) == len(whole.flows)
    assert len(view.needs) == len(whole.needs)
    logs = [one for one in view.flows if one.continuous and one.database == "db0 and 2 more" and one.store == "near0"]
    each = [
        one.rate or 0
        for one in whole.flows
        if one.continuous and one.store == "near0" and one.database in ("db0", "db50", "db100")
    ]
    assert [(one.number, one.rate) for one in logs] == [(3, sum(each))]


def test_one_that_is_kept_otherwise_stays_apart() -> None:
    whole = estate_view(planned(MORE))
    other = tuple(
        replace(one, store="far0") if one.id == "db50/hot" and one.store == "near1" else one for one in whole.flows
    )
    alone, crowds = sites(drawn(replace(whole, flows=other)))["s0"]
    assert alone == ["db50"]
    assert crowds == [("db0", "db100")]


def test_what_has_its_turns_is_not_added_up() -> None:
    flow = Flow("a/full/near", "full image", "a", None, "near", "daily", 500, number=3)
    assert flow.label == ("3 × full image", "daily", "up to 500B/s each")
    assert replace(flow, kind="log").label[2] == "500B/s"


def test_the_picture_says_that_it_is_of_crowds_and_does_not_grow() -> None:
    for render in (graph_dot, graph_mermaid):
        few, more = render(planned(FEW)), render(planned(MORE))
        assert f"{MORE} databases: those of a site that go to the same stores are drawn as one." in more
        assert "drawn as one" not in render(made_plan())
        assert len(more) < 1.2 * len(few)
    assert len(graph_mermaid(planned(MORE))) < MOST_TEXT


def test_a_part_has_what_it_needs_and_no_more() -> None:
    view = estate_view(part_of(made_plan(), ["accounts"]))
    names = {one.name for region in view.regions for site in region.sites for one in site.databases}
    assert names == {"accounts", "config"}
    assert view.needs == (("accounts", "config"),)
    assert {one.database for one in view.flows} == names
    one = estate_view(part_of(planned(MORE), ["db0"]))
    assert sites(one)["s0"][0][0] == "db0"
    assert set(sites(one)) == {"s0", "s1"}
    assert [link.name for link in one.links] == ["s0 -- s1"]
