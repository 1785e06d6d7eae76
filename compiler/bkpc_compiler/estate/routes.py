"""Routes between sites: fewest hops, then widest, then by name. Fixed, so that a plan is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from bkpc_compiler.estate.graph import estate_graph, site_node
from bkpc_compiler.program.model import Link, Program
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import ZERO_DURATION, Duration

if TYPE_CHECKING:
    from bkpc_compiler.estate.graph import EstateGraph


@dataclass(frozen=True)
class Route:
    """The links crossed, in order; none within a site."""

    links: tuple[Link, ...]

    @cached_property
    def latency(self) -> Duration:
        return sum((link.latency.value for link in self.links), start=ZERO_DURATION)

    @property
    def narrowest(self) -> Fraction:
        """Bytes per second of the narrowest link; of a route without links, nothing sensible."""
        return min(link.bandwidth.value.amount for link in self.links)


class Routes:
    """The one route between each two sites of a program; the graph is built when first needed."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._graph: EstateGraph | None = None
        self._known: dict[tuple[str, str, tuple[str, ...]], Route | None] = {}
        self._around: dict[Span, Route | None] = {}
        self._links: dict[tuple[str, str], list[Link]] = {}
        for link in program.links:
            self._links.setdefault((link.source, link.target), []).append(link)
            if link.both_ways:
                self._links.setdefault((link.target, link.source), []).append(link)

    def between(self, source: str, target: str, lost: tuple[str, ...] = ()) -> Route | None:
        """The route from site `source` to site `target` around `lost` sites; None where no links lead there."""
        if source == target:
            return Route(())
        key = (source, target, lost)
        if key not in self._known:
            # One hop is the fewest there is: most estates never need the graph, nor the time to import it.
            self._known[key] = self._direct(source, target) or self._find(source, target, lost)
        return self._known[key]

    def wider_around(self, link: Link) -> Route | None:
        """The way that the ends of `link` would have without it, where that is wider: fewest hops come first."""
        if link.span not in self._around:
            others = replace(self._program, links=tuple(one for one in self._program.links if one.span != link.span))
            around = Routes(others).between(link.source, link.target)
            wider = around is not None and around.narrowest > link.bandwidth.value.amount
            self._around[link.span] = around if wider else None
        return self._around[link.span]

    def _direct(self, source: str, target: str) -> Route | None:
        links = self._links.get((source, target))
        return Route((min(links, key=_widest),)) if links else None

    def _find(self, source: str, target: str, lost: tuple[str, ...]) -> Route | None:
        import networkx

        sites = self._graph
        if sites is None:
            graph = estate_graph(self._program)
            sites = networkx.subgraph_view(graph, filter_node=lambda node: node.startswith("site:"))
            self._graph = sites
        if lost:
            gone = {site_node(one) for one in lost} - {site_node(source), site_node(target)}
            sites = networkx.subgraph_view(sites, filter_node=lambda node: node not in gone)
        try:
            paths = list(networkx.all_shortest_paths(sites, site_node(source), site_node(target)))
        except (networkx.NetworkXNoPath, networkx.NodeNotFound):
            return None
        routes = [self._widest_links(path) for path in paths]
        return min(routes, key=lambda route: (-route.narrowest, [link.name for link in route.links]))

    def _widest_links(self, path: list[str]) -> Route:
        assert self._graph is not None
        links = []
        for source, target in pairwise(path):
            parallel = [edge["link"] for edge in self._graph[source][target].values()]
            links.append(min(parallel, key=_widest))
        return Route(tuple(links))


def _widest(link: Link) -> tuple[Fraction, str]:
    return (-link.bandwidth.value.amount, link.name)
