"""The estate as SVG, drawn by Graphviz' `dot`."""

from __future__ import annotations

import subprocess

from bkpc_compiler.backends.graph.dot import graph_dot
from bkpc_grammar.plan import Plan


class NoGraphviz(Exception):
    """`dot` is not there, or could not draw; the message says what to do."""


def graph_svg(plan: Plan) -> str:
    """The picture that `dot -Tsvg` makes of `graph_dot`.

    Raises:
        NoGraphviz: `dot` is not installed, or failed.
    """
    try:
        drawn = subprocess.run(["dot", "-Tsvg"], input=graph_dot(plan).encode(), capture_output=True, check=True)
    except FileNotFoundError:
        raise NoGraphviz(
            "SVG is drawn by `dot`, which is not installed; it is in the package graphviz "
            "(apt-get install graphviz, brew install graphviz); --format dot and mermaid need nothing"
        ) from None
    except subprocess.CalledProcessError as problem:
        raise NoGraphviz(f"`dot` could not draw the estate: {problem.stderr.decode().strip()}") from problem
    return drawn.stdout.decode()
