"""A large estate, ready to draw: databases of a site that are kept alike are one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bkpc_compiler.backends.estate import Crowd, Flow, Region, Site, View

MANY = 40
"""Databases from which on those that are alike are drawn as one."""
_SCHEDULES = 2
"""Schedules in a flow's label."""

Kept = tuple[tuple[str, str | None, str], ...]
"""What is done with a database: of what kind, from which store, into which."""


def drawn(view: View) -> View:
    """The same, or where there are many, with those that are alike drawn as one, which its note says."""
    number = sum(len(site.databases) for region in view.regions for site in region.sites)
    if number <= MANY:
        return view
    kept = _kept(view.flows)
    crowd_of: dict[str, str] = {}
    regions = tuple(
        Region(region.name, tuple(_crowded(site, kept, view.needs, crowd_of) for site in region.sites))
        for region in view.regions
    )
    return View(
        regions,
        view.links,
        tuple(_together(view.flows, crowd_of)),
        tuple((crowd_of.get(one, one), crowd_of.get(other, other)) for one, other in view.needs),
        note_of(number),
    )


def note_of(databases: int) -> tuple[str, ...]:
    """What is said of so many; nothing where each is drawn."""
    if databases <= MANY:
        return ()
    return (
        f"{databases:,} databases: those of a site that go to the same stores are drawn as one.",
        "--database NAME draws one with what it needs, --site NAME those of a site.",
    )


def _kept(flows: Iterable[Flow]) -> dict[str, Kept]:
    found: dict[str, set[tuple[str, str | None, str]]] = {}
    for one in flows:
        found.setdefault(one.database, set()).add((one.kind, one.source_store, one.store))
    return {name: tuple(sorted(its, key=str)) for name, its in found.items()}


def _crowded(site: Site, kept: dict[str, Kept], needs: Sequence[tuple[str, str]], crowd_of: dict[str, str]) -> Site:
    groups: dict[Kept, list[str]] = {}
    for one in site.databases:
        groups.setdefault(kept.get(one.name, ()), []).append(one.name)
    sizes = {one.name: one.size_bytes for one in site.databases}
    crowds = []
    for names in groups.values():
        if len(names) > 1:
            its = set(names)
            needing = {one for one, needed in needs if one in its and needed in its}
            title = f"{names[0]} and {len(names) - 1:,} more"
            crowd = Crowd(title, tuple(names), sum(sizes[one] for one in names), len(needing))
            crowds.append(crowd)
            crowd_of |= dict.fromkeys(names, crowd.name)
    alone = tuple(one for one in site.databases if one.name not in crowd_of)
    return replace(site, databases=alone, crowds=tuple(crowds))


def _together(flows: Iterable[Flow], crowd_of: dict[str, str]) -> list[Flow]:
    """Of what is moved the same way for a crowd, one flow with their number."""
    found: dict[tuple[str, str, str | None, str], list[Flow]] = {}
    for one in flows:
        found.setdefault((crowd_of.get(one.database, one.database), one.kind, one.source_store, one.store), []).append(
            one
        )
    return [
        its[0]
        if len(its) == 1
        else replace(its[0], database=name, schedule=_schedules(its), rate=_reserved(its), number=len(its))
        for (name, *_), its in found.items()
    ]


def _schedules(flows: list[Flow]) -> str:
    told = sorted({one.schedule for one in flows})
    return ", ".join(told) if len(told) <= _SCHEDULES else f"on {len(told)} schedules"


def _reserved(flows: list[Flow]) -> int | None:
    """All together of what never stops; of what has its turns the most that one takes."""
    rates = [one.rate for one in flows if one.rate is not None]
    if not rates:
        return None
    return sum(rates) if flows[0].continuous else max(rates)
