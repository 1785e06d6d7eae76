"""Routes between sites: fewest hops, then widest, then by name. Fixed, so that a plan is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from bkpc_compiler.once import once
from bkpc_compiler.program.model import Link, Program
from bkpc_compiler.source import Span
from bkpc_grammar.quantities import ZERO_DURATION, Duration


@dataclass(frozen=True)
class Route:
    """The links crossed, in order; none within a site."""

    links: tuple[Link, ...]

    @once
    def latency(self) -> Duration:
        return sum((link.latency.value for link in self.links), start=ZERO_DURATION)

    @property
    def narrowest(self) -> Fraction:
        """Bytes per second of the narrowest link; of a route without links, nothing sensible."""
        return min(link.bandwidth.value.amount for link in self.links)


HOME = Route(())
"""Within a site."""


class Routes:
    """The one route between each two sites of a program."""

    def __init__(self, program: Program) -> None:
        self._known: dict[tuple[str, str, tuple[str, ...]], Route | None] = {}
        self._program = program
        self._around: dict[Span, Route | None] = {}
        self._onward: dict[str, dict[str, Link]] = {}  # from a site to each next one, by the widest link
        for link in program.links:
            self._add(link.source, link.target, link)
            if link.both_ways:
                self._add(link.target, link.source, link)

    def _add(self, source: str, target: str, link: Link) -> None:
        onward = self._onward.setdefault(source, {})
        onward[target] = min(onward.get(target, link), link, key=_widest)

    def between(self, source: str, target: str, lost: tuple[str, ...] = ()) -> Route | None:
        """The route from site `source` to site `target` around `lost` sites; None where no links lead there."""
        if source == target:
            return HOME
        key = (source, target, lost)
        if key not in self._known:
            direct = self._onward.get(source, {}).get(target)  # one hop is the fewest there is
            self._known[key] = Route((direct,)) if direct else self._find(source, target, lost)
        return self._known[key]

    def wider_around(self, link: Link) -> Route | None:
        """The way that the ends of `link` would have without it, where that is wider: fewest hops come first."""
        if link.span not in self._around:
            others = replace(self._program, links=tuple(one for one in self._program.links if one.span != link.span))
            around = Routes(others).between(link.source, link.target)
            wider = around is not None and around.narrowest > link.bandwidth.value.amount
            self._around[link.span] = around if wider else None
        return self._around[link.span]

    def _find(self, source: str, target: str, lost: tuple[str, ...]) -> Route | None:
        """There may be more shortest ways than anybody can list: they are told apart hop by hop."""
        rings = self._rings(source, target, frozenset(lost) - {source, target})
        if not rings:
            return None
        widest: list[dict[str, Fraction | None]] = [{target: None}]  # the rest of the way, from each site of a ring
        for ring in reversed(rings[:-1]):
            ways = {site: [_narrower(link, rest) for link, _, rest in self._hops(site, widest[-1])] for site in ring}
            widest.append({site: max(found) for site, found in ways.items() if found})
        narrowest = widest.pop()[source]
        assert narrowest is not None
        site, links = source, []
        while widest:
            hops = self._hops(site, widest.pop())
            wide = [(link, there) for link, there, rest in hops if _narrower(link, rest) >= narrowest]
            link, site = min(wide, key=lambda hop: hop[0].name)
            links.append(link)
        return Route(tuple(links))

    def _hops(self, site: str, widest: dict[str, Fraction | None]) -> list[tuple[Link, str, Fraction | None]]:
        """The links from `site` into the next ring, where they lead, and the widest rest of the way from there."""
        return [(link, there, widest[there]) for there, link in self._onward.get(site, {}).items() if there in widest]

    def _rings(self, source: str, target: str, lost: frozenset[str]) -> list[set[str]]:
        """The sites no hop, one hop, two hops … from `source`, up to `target`; none where it is not reached."""
        rings = [{source}]
        seen = {source, *lost}
        while rings[-1] and target not in rings[-1]:
            ring = {there for site in rings[-1] for there in self._onward.get(site, ()) if there not in seen}
            seen |= ring
            rings.append(ring)
        return [*rings[:-1], {target}] if rings[-1] else []


def _widest(link: Link) -> tuple[Fraction, str]:
    return (-link.bandwidth.value.amount, link.name)


def _narrower(link: Link, rest: Fraction | None) -> Fraction:
    """Of a way that begins with `link` and goes on as wide as `rest`; None: it ends there."""
    own = link.bandwidth.value.amount
    return own if rest is None else min(own, rest)
