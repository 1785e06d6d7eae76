"""Sites, links and needs, which a plan does not list, are found in what it has; names can't break a picture."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bkpc_compiler.backends.estate import estate_view
from bkpc_compiler.backends.graph import NoGraphviz, graph_dot, graph_mermaid, graph_svg
from bkpc_compiler.backends.graph.dot import quoted as in_dot
from bkpc_compiler.backends.graph.mermaid import quoted as in_mermaid
from bkpc_grammar import plan
from tests.compiler.backends.made import made_plan
from tests.compiler.one_file import planned


def with_resources(*names: str) -> plan.Plan:
    resources = tuple(plan.Resource(name=name, capacity=100, usable=90) for name in names)
    return msgspec.structs.replace(made_plan(), resources=resources)


def test_regions_hold_sites_and_sites_what_stands_in_them() -> None:
    view = estate_view(made_plan())
    found = [
        (region.name, site.name, [one.name for one in site.databases], [one.name for one in site.stores])
        for region in view.regions
        for site in region.sites
    ]
    assert found == [
        ("cn-beijing", "beijing", [], ["far", "vault"]),
        ("cn-hangzhou", "hangzhou", ["accounts", "config", "orders"], ["nas", "near"]),
    ]


def test_links_are_the_resources_that_are_links() -> None:
    view = estate_view(with_resources("link:a -- b-c", "link:b-c -> a", "store:near:writes"))
    assert [(one.source, one.target, one.both_ways) for one in view.links] == [("a", "b-c", True), ("b-c", "a", False)]
    assert [one.name for one in view.links] == ["a -- b-c", "b-c -> a"]


def test_a_site_that_only_a_link_names_is_drawn_outside_all_regions() -> None:
    view = estate_view(with_resources("link:hangzhou -- standby"))
    assert [region.name for region in view.regions] == ["cn-beijing", "cn-hangzhou", None]
    assert [site.name for site in view.regions[-1].sites] == ["standby"]
    assert "no database or store of the plan" in graph_mermaid(with_resources("link:hangzhou -- standby"))


def test_a_site_without_stores_is_in_the_region_whose_loss_takes_it() -> None:
    made = made_plan()
    site = made.recoveries[-1]
    region = msgspec.structs.replace(site, scope="region", lost="cn-hangzhou")
    estate = msgspec.structs.replace(made.estate, stores=made.estate.stores[:1])
    view = estate_view(msgspec.structs.replace(made, estate=estate, recoveries=(region,), resources=()))
    assert [(one.name, [site.name for site in one.sites]) for one in view.regions] == [
        ("cn-beijing", ["beijing"]),
        ("cn-hangzhou", ["hangzhou"]),
    ]


def test_needs_are_the_checks_that_checks_wait_for() -> None:
    assert estate_view(made_plan()).needs == (("accounts", "config"), ("orders", "accounts"), ("orders", "config"))


def test_flows_are_images_copies_and_log() -> None:
    flows = {(one.id, one.store): one for one in estate_view(made_plan()).flows}
    assert len(flows) == 13
    assert flows["orders/cold/far", "far"].label == ("copy of orders", "daily at 05:00 Asia/Shanghai", "55MB/s")
    assert flows["orders/full/nas", "nas"].label == ("full image", "weekly on Sunday at 10:00 Asia/Shanghai", "48MB/s")
    assert flows["orders/hot", "far"].label == ("log", "every 5s", "12MB/s")


@pytest.mark.parametrize(
    ("name", "dot", "mermaid"),
    [
        ('a"b', r'"a\"b"', '"a#quot;b"'),
        ("a\\", r'"a\\"', '"a\\"'),
        ("a\nb", '"a b"', '"a b"'),
        ("<b>`x`#1", '"<b>`x`#1"', '"#lt;b#gt;#96;x#96;#35;1"'),
    ],
)
def test_no_name_ends_its_quotes(name: str, dot: str, mermaid: str) -> None:
    assert in_dot(name) == dot
    assert in_mermaid(name) == mermaid


def test_the_same_text_twice() -> None:
    assert graph_dot(made_plan()) == graph_dot(made_plan())
    assert graph_mermaid(made_plan()) == graph_mermaid(made_plan())


def test_without_graphviz_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoGraphviz, match="apt-get install graphviz"):
        graph_svg(made_plan())


def test_copies_that_oss_makes_are_drawn() -> None:
    page = (Path(__file__).parents[3] / "docs" / "errors" / "BKP1012.md").read_text()
    plan = planned(page.partition("## Mended")[2].partition("```bkp\n")[2].partition("```")[0])
    (found,) = [one for one in estate_view(plan).flows if one.source_store]
    assert (found.source_store, found.store) == ("near", "far")
    assert found.label == ("copied by OSS", "in no bounded time")
