"""The estate as a graph: sites, stores and databases are nodes; links, placement and needs are edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bkpc_compiler.program.model import Program

if TYPE_CHECKING:
    import networkx

    EstateGraph = networkx.MultiDiGraph[str]


def site_node(name: str) -> str:
    """The node of site `name`."""
    return f"site:{name}"


def estate_graph(program: Program) -> EstateGraph:
    """Every fact of `program` as a node or an edge; an edge's `kind` is link, at or needs.

    A link that works both ways is two edges carrying the same `Link`: its capacity is shared.
    """
    import networkx  # 0.2 s: only an estate with more than one site pays for it

    graph: EstateGraph = networkx.MultiDiGraph()
    graph.add_nodes_from((site_node(site.name), {"kind": "site"}) for site in program.sites)
    for link in program.links:
        graph.add_edge(site_node(link.source), site_node(link.target), kind="link", link=link)
        if link.both_ways:
            graph.add_edge(site_node(link.target), site_node(link.source), kind="link", link=link)
    for store in program.stores:
        graph.add_node(f"store:{store.name}", kind="store")
        graph.add_edge(f"store:{store.name}", site_node(store.site), kind="at")
    for database in program.databases:
        graph.add_node(f"database:{database.name}", kind="database")
        graph.add_edge(f"database:{database.name}", site_node(database.site), kind="at")
        for need in database.needs:
            graph.add_edge(f"database:{database.name}", f"database:{need.value}", kind="needs")
    return graph
