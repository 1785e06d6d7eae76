"""BKP2005 no-way: a level names a store that no links lead to."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.model import ColdLevel, HotLevel, ImageLevel


def no_way(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per store of a level and site that it cannot be reached from; no plan carries such a level."""
    program = analysis.program
    stores = {store.name: store for store in program.stores}
    databases = {database.name: database for database in program.databases}
    for protection in program.protections:
        policy = protection.policy
        levels: tuple[ImageLevel | HotLevel | ColdLevel, ...] = (*policy.images, *policy.hot, *policy.cold)
        own = databases[protection.database]
        for level in levels:
            source = stores[level.source.value] if isinstance(level, ColdLevel) else own
            for given in level.stores:
                target = stores[given.value]
                if analysis.routes.between(source.site, target.site) is None:
                    yield Diagnostic(
                        code="BKP2005",
                        name="no-way",
                        severity=Severity.ERROR,
                        message=f"no link leads from `{source.name}` at `{source.site}` to store `{target.name}`",
                        primary=Label(given.span, f"at `{target.site}`"),
                        secondary=(Label(source.span, f"at `{source.site}`"),),
                        help=f"declare it: `link {source.site} -- {target.site} {{ bandwidth … }}`",
                    )
