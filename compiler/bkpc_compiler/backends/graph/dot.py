"""The estate in Graphviz' language: regions and sites as clusters, flows as edges."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.backends import words
from bkpc_compiler.backends.estate import Flow, Link, Region, Site, View, estate_view
from bkpc_grammar.plan import Plan

_HEAD = """\
digraph estate {
  compound=true
  rankdir=LR
  nodesep=0.4
  ranksep=1.6
  fontname="Helvetica"
  node [fontname="Helvetica" fontsize=11 style=filled]
  edge [fontname="Helvetica" fontsize=9]"""


def graph_dot(plan: Plan) -> str:
    """The whole estate of a plan as one `digraph`."""
    view = estate_view(plan)
    lines = [
        _HEAD,
        *(line for region in view.regions for line in _region(region)),
        *(_link(link) for link in view.links),
        *(_flow(flow) for flow in view.flows),
        *_needs(view),
        "}",
    ]
    return "\n".join(lines) + "\n"


def quoted(*lines: str) -> str:
    """A DOT string of several lines; what a name holds can't end it."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines)
    return '"' + "\\n".join(escaped) + '"'


def _region(region: Region) -> Iterator[str]:
    inner = [line for site in region.sites for line in _site(site)]
    if region.name is None:
        yield from (f"  {line}" for line in inner)
        return
    yield f"  subgraph {quoted(f'cluster region {region.name}')} {{"
    yield f'    label={quoted(f"region {region.name}")} style="rounded,dashed" color="#6b7280"'
    yield from (f"    {line}" for line in inner)
    yield "  }"


def _site(site: Site) -> Iterator[str]:
    yield f"subgraph {quoted(f'cluster site {site.name}')} {{"
    yield f'  label={quoted(f"site {site.name}")} style="rounded,filled" color="#9ca3af" fillcolor="#f3f4f6"'
    yield f"  {quoted(f'site {site.name}')} [shape=point style=invis]"
    for database in site.databases:
        label = quoted(database.name, words.size(database.size_bytes), database.address)
        yield f'  {quoted(f"database {database.name}")} [shape=cylinder fillcolor="#dbeafe" label={label}]'
    for store in site.stores:
        label = quoted(store.name, *store_lines(store.kind, store.storage_class, store.thaw_ms), store.location)
        yield f'  {quoted(f"store {store.name}")} [shape=folder fillcolor="#dcfce7" label={label}]'
    yield "}"


def store_lines(kind: str, storage_class: str | None, thaw_ms: int) -> tuple[str, ...]:
    """What to know of a store at a glance."""
    what = f"{kind}, {storage_class}" if storage_class else kind
    return (what, f"thaws {words.span(thaw_ms)}") if thaw_ms else (what,)


def _link(link: Link) -> str:
    ends = f"{quoted(f'site {link.source}')} -> {quoted(f'site {link.target}')}"
    label = quoted(f"link {words.rate(link.capacity)}", f"usable {words.rate(link.usable)}")
    clusters = f"ltail={quoted(f'cluster site {link.source}')} lhead={quoted(f'cluster site {link.target}')}"
    direction = "both" if link.both_ways else "forward"
    return f'  {ends} [{clusters} dir={direction} penwidth=3 color="#6b7280" label={label}]'


def _flow(flow: Flow) -> str:
    source = f"store {flow.source_store}" if flow.source_store else f"database {flow.database}"
    style = 'color="#b45309"' if flow.continuous else 'color="#1d4ed8"'
    ends = f"{quoted(source)} -> {quoted(f'store {flow.store}')}"
    return f"  {ends} [{style} label={quoted(*flow.label)}]"


def _needs(view: View) -> Iterator[str]:
    for database, needed in view.needs:
        ends = f"{quoted(f'database {database}')} -> {quoted(f'database {needed}')}"
        yield f'  {ends} [style=dashed color="#6b7280" constraint=false label="needs"]'
