"""The estate as a Mermaid flowchart, which forges draw inside Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.backends import words
from bkpc_compiler.backends.alike import drawn
from bkpc_compiler.backends.estate import Flow, Link, Region, Site, View, estate_view
from bkpc_compiler.backends.graph.dot import crowd_lines, store_lines
from bkpc_grammar.plan import Plan

_ENTITIES = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\n": " "}


def graph_mermaid(plan: Plan) -> str:
    """The whole estate of a plan as one `flowchart`; of a large one databases that are alike as one."""
    return mermaid_of(drawn(estate_view(plan)))


def mermaid_of(view: View) -> str:
    """The estate of a view."""
    known = _Ids(view)
    lines = [
        *(["---", f"title: {quoted(' '.join(view.note))}", "---"] if view.note else []),
        "flowchart LR",
        *(line for number, region in enumerate(view.regions, 1) for line in _region(known, region, number)),
        *(_link(known, link) for link in view.links),
        *(_flow(known, flow) for flow in view.flows),
        *_needs(known, view),
    ]
    return "\n".join(lines) + "\n"


def quoted(*lines: str) -> str:
    """A Mermaid text of several lines; what a name holds can't end it."""
    return '"' + "<br/>".join("".join(_ENTITIES.get(sign, sign) for sign in line) for line in lines) + '"'


class _Ids:
    """Identifiers that Mermaid takes, whatever the names."""

    def __init__(self, view: View) -> None:
        sites = [site for region in view.regions for site in region.sites]
        names = {
            "site": sorted(site.name for site in sites),
            "database": sorted(name for site in sites for name in site.drawn),
            "store": sorted(one.name for site in sites for one in site.stores),
        }
        self._known = {
            (kind, name): f"{kind}{number}" for kind, all_ in names.items() for number, name in enumerate(all_, 1)
        }

    def of(self, kind: str, name: str) -> str:
        return self._known[kind, name]


def _region(known: _Ids, region: Region, number: int) -> Iterator[str]:
    inner = [line for site in region.sites for line in _site(known, site)]
    if region.name is None:
        yield from (f"  {line}" for line in inner)
        return
    yield f"  subgraph region{number} [{quoted(f'region {region.name}')}]"
    yield from (f"    {line}" for line in inner)
    yield "  end"


def _site(known: _Ids, site: Site) -> Iterator[str]:
    yield f"subgraph {known.of('site', site.name)} [{quoted(f'site {site.name}')}]"
    for database in site.databases:
        yield f"  {known.of('database', database.name)}[({quoted(database.name, words.size(database.size_bytes))})]"
    for crowd in site.crowds:
        yield f"  {known.of('database', crowd.name)}[({quoted(*crowd_lines(crowd))})]"
    for store in site.stores:
        label = quoted(store.name, *store_lines(store.kind, store.storage_class, store.thaw_ms))
        yield f"  {known.of('store', store.name)}[/{label}/]"
    if not site.databases and not site.crowds and not site.stores:
        yield f"  {known.of('site', site.name)}empty[{quoted('no database or store of the plan')}]"
    yield "end"


def _link(known: _Ids, link: Link) -> str:
    arrow = "<==>" if link.both_ways else "==>"
    label = quoted(f"link {words.rate(link.capacity)}, usable {words.rate(link.usable)}")
    return f"  {known.of('site', link.source)} {arrow}|{label}| {known.of('site', link.target)}"


def _flow(known: _Ids, flow: Flow) -> str:
    source = ("store", flow.source_store) if flow.source_store else ("database", flow.database)
    return f"  {known.of(*source)} -->|{quoted(*flow.label)}| {known.of('store', flow.store)}"


def _needs(known: _Ids, view: View) -> Iterator[str]:
    for database, needed, count in view.needs_counted:
        arrow = "-. needs .->" if count == 1 else f"-. {quoted(f'needs, {count:,} times')} .->"
        yield f"  {known.of('database', database)} {arrow} {known.of('database', needed)}"
