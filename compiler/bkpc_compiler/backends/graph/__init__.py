"""The estate as a picture: Graphviz DOT, Mermaid, and SVG drawn by Graphviz."""

from bkpc_compiler.backends.graph.dot import graph_dot
from bkpc_compiler.backends.graph.mermaid import graph_mermaid
from bkpc_compiler.backends.graph.svg import NoGraphviz, graph_svg

__all__ = ["NoGraphviz", "graph_dot", "graph_mermaid", "graph_svg"]
