"""The estate in Graphviz' language: regions and sites as clusters, flows as edges."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.backends import words
from bkpc_compiler.backends.alike import drawn
from bkpc_compiler.backends.estate import Crowd, Flow, Link, Region, Site, View, estate_view
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
    """The whole estate of a plan as one `digraph`; of a large one databases that are alike as one."""
    return dot_of(drawn(estate_view(plan)))


def dot_of(view: View) -> str:
    """The estate of a view."""
    labels = _Labels(view)
    lines = [
        _HEAD,
        *([f"  label={quoted(*view.note)} labelloc=t labeljust=l fontsize=14 newrank=true"] if view.note else []),
        *(line for region in view.regions for line in _region(region)),
        *(_link(link, labels) for link in view.links),
        *(_flow(flow, labels) for flow in view.flows),
        *_needs(view),
        "}",
    ]
    return "\n".join(lines) + "\n"


class _Labels:
    """How edges are labelled. In a large estate one between two sites does not say where they stand: all of them would
    be one long chain. Then its label is put where there is room."""

    def __init__(self, view: View) -> None:
        self._large = bool(view.note)
        self._site: dict[str, str] = {}
        for site in (site for region in view.regions for site in region.sites):
            self._site[f"site {site.name}"] = site.name
            self._site |= {f"database {name}": site.name for name in site.drawn}
            self._site |= {f"store {one.name}": site.name for one in site.stores}

    def of(self, source: str, target: str, *lines: str) -> str:
        between = self._large and self._site.get(source) != self._site.get(target)
        return f"constraint=false xlabel={quoted(*lines)}" if between else f"label={quoted(*lines)}"


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
    for crowd in site.crowds:
        label = quoted(*crowd_lines(crowd))
        yield f'  {quoted(f"database {crowd.name}")} [shape=cylinder peripheries=2 fillcolor="#dbeafe" label={label}]'
    for store in site.stores:
        label = quoted(store.name, *store_lines(store.kind, store.storage_class, store.thaw_ms), store.location)
        yield f'  {quoted(f"store {store.name}")} [shape=folder fillcolor="#dcfce7" label={label}]'
    yield "}"


def crowd_lines(crowd: Crowd) -> tuple[str, ...]:
    """How many there are, which, how large together, and how many wait for others of them."""
    inside = (f"{crowd.needing:,} need another of them",) if crowd.needing else ()
    return (f"{len(crowd.databases):,} databases", crowd.name, words.size(crowd.size_bytes), *inside)


def store_lines(kind: str, storage_class: str | None, thaw_ms: int) -> tuple[str, ...]:
    """What to know of a store at a glance."""
    what = f"{kind}, {storage_class}" if storage_class else kind
    return (what, f"thaws {words.span(thaw_ms)}") if thaw_ms else (what,)


def _link(link: Link, labels: _Labels) -> str:
    source, target = f"site {link.source}", f"site {link.target}"
    label = labels.of(source, target, f"link {words.rate(link.capacity)}", f"usable {words.rate(link.usable)}")
    clusters = f"ltail={quoted(f'cluster {source}')} lhead={quoted(f'cluster {target}')}"
    direction = "both" if link.both_ways else "forward"
    return f'  {quoted(source)} -> {quoted(target)} [{clusters} dir={direction} penwidth=3 color="#6b7280" {label}]'


def _flow(flow: Flow, labels: _Labels) -> str:
    source = f"store {flow.source_store}" if flow.source_store else f"database {flow.database}"
    target = f"store {flow.store}"
    style = 'color="#b45309"' if flow.continuous else 'color="#1d4ed8"'
    return f"  {quoted(source)} -> {quoted(target)} [{style} {labels.of(source, target, *flow.label)}]"


def _needs(view: View) -> Iterator[str]:
    for database, needed, count in view.needs_counted:
        ends = f"{quoted(f'database {database}')} -> {quoted(f'database {needed}')}"
        label = quoted("needs" if count == 1 else f"needs, {count:,} times")
        yield f'  {ends} [style=dashed color="#6b7280" constraint=false {"x" if view.note else ""}label={label}]'
