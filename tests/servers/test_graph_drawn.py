"""The estate drawn by Graphviz itself."""

from __future__ import annotations

from xml.etree import ElementTree

from bkpc_compiler.backends.graph import graph_svg
from tests.compiler.backends.made import made_plan
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


def test_no_name_breaks_it() -> None:
    picture = graph_svg(evil_plan())
    texts = {one.text for one in drawn(picture).iter(f"{SVG}text")}
    assert EVIL in texts
    assert not list(drawn(picture).iter(f"{SVG}script"))
