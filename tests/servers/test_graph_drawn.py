"""The estate drawn by Graphviz itself."""

from __future__ import annotations

from xml.etree import ElementTree

from bkpc_compiler.backends.alike import drawn as drawn_view
from bkpc_compiler.backends.estate import estate_view
from bkpc_compiler.backends.graph import graph_svg
from tests.compiler.backends.made import made_plan
from tests.compiler.backends.test_large_report import MORE, planned
from tests.compiler.backends.test_pages import EVIL, evil_plan

SVG = "{http://www.w3.org/2000/svg}"


def drawn(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # noqa: S314 # drawn from a plan of our own


def classes(picture: str, name: str) -> int:
    return sum(one.get("class") == name for one in drawn(picture).iter(f"{SVG}g"))


def test_graphviz_draws_what_there_is() -> None:
    picture = graph_svg(made_plan())
    assert classes(picture, "cluster") == 2 + 2
    assert classes(picture, "edge") == 13 + 1 + 3
    texts = {one.text for one in drawn(picture).iter(f"{SVG}text")}
    assert {"region cn-beijing", "site hangzhou", "orders", "near", "link 125MB/s", "needs"} <= texts


def test_a_large_estate_is_drawn_in_full() -> None:
    view = drawn_view(estate_view(planned(MORE)))
    picture = graph_svg(planned(MORE))
    assert classes(picture, "cluster") == 10 + 50
    assert classes(picture, "edge") == len(view.flows) + len(view.links)
    texts = {one.text for one in drawn(picture).iter(f"{SVG}text")}
    assert {"3 databases", "db0 and 2 more", "3 × log"} <= texts


def test_no_name_breaks_it() -> None:
    picture = graph_svg(evil_plan())
    texts = {one.text for one in drawn(picture).iter(f"{SVG}text")}
    assert EVIL in texts
    assert not list(drawn(picture).iter(f"{SVG}script"))
