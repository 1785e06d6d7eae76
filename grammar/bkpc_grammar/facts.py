"""Measured figures: the document that `--facts` reads and whoever measures writes.

A figure is a whole number of its unit. Who writes one rounds it against the promise: sizes, times and what
arrives (`writes`, `burst`) up; what can be carried (`bandwidth`, `reads`, `restores`, …) down.
`python -m bkpc_grammar.schema` writes the JSON Schema from this model.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FACTS_VERSION = 1
TOLERANCE_PERCENT = 20
"""How far a declared figure may be off, where the document doesn't say."""
OLDEST_DAYS = 90
"""How old a figure may be, where the document doesn't say."""

Unit = Literal["bytes", "bytes_per_second", "milliseconds", "count"]
Name = Annotated[str, Meta(min_length=1, max_length=200, description="a name given in the policy files")]


class FactsRejected(Exception):
    """A document that is not one of measured figures; the message names the file and the place in it."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="about"):
    """What every measured figure says."""

    unit: Annotated[Unit, Meta(description="of `value`; the one that the figure has")]
    value: Annotated[int, Meta(ge=0, le=10**18, description="the figure, rounded against the promise")]
    measured_at: Annotated[date, Meta(description="the day it was measured: YYYY-MM-DD")]
    source: Annotated[
        str,
        Meta(min_length=1, max_length=200, description="what measured it: `backup 2026-11-20 full`"),
    ]
    samples: Annotated[int, Meta(ge=1, description="how many measurements it is the worst of")] = 1


class DatabaseFact(Fact, frozen=True, tag="database"):
    """A figure of a database."""

    name: Name
    figure: Literal["size", "writes", "burst", "restores", "replays", "dumps", "changes", "verifies", "tables"]


class StoreFact(Fact, frozen=True, tag="store"):
    """A figure of a store."""

    name: Name
    figure: Literal["reads", "writes"]


class LinkFact(Fact, frozen=True, tag="link"):
    """A figure of a link."""

    name: Annotated[str, Meta(min_length=1, max_length=410, description="`A -- B` (or `B -- A`), or `A -> B`")]
    figure: Literal["bandwidth", "latency"]


class RegionFact(Fact, frozen=True, tag="region"):
    """What an account may move to and from its buckets in a region."""

    name: Name
    figure: Literal["reads", "writes"]


class ClassFact(Fact, frozen=True, tag="class"):
    """A figure of a storage class."""

    name: Name
    figure: Literal["thaw"]


class StandbyFact(Fact, frozen=True, tag="standby"):
    """A figure of the place where a database is rebuilt."""

    name: Annotated[Name, Meta(description="the database")]
    site: Annotated[Name, Meta(description="the site of the standby")]
    figure: Literal["provision"]


AnyFact = DatabaseFact | StoreFact | LinkFact | RegionFact | ClassFact | StandbyFact


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The document."""

    schema_version: Annotated[int, Meta(description="version of this schema")]
    facts: Annotated[tuple[AnyFact, ...], Meta(description="at most one per thing and figure")]
    tolerance_percent: Annotated[
        int, Meta(ge=0, le=1000, description="how far a declared figure may be from the measured one, of the declared")
    ] = TOLERANCE_PERCENT
    oldest_days: Annotated[int, Meta(ge=0, le=36500, description="older figures are told, where today is known")] = (
        OLDEST_DAYS
    )


UNITS: dict[str, Unit] = {
    "size": "bytes",
    "burst": "bytes",
    "writes": "bytes_per_second",
    "restores": "bytes_per_second",
    "replays": "bytes_per_second",
    "dumps": "bytes_per_second",
    "changes": "bytes_per_second",
    "verifies": "milliseconds",
    "tables": "count",
    "reads": "bytes_per_second",
    "bandwidth": "bytes_per_second",
    "latency": "milliseconds",
    "thaw": "milliseconds",
    "provision": "milliseconds",
}
"""The unit of each figure."""

_MAY_BE_NOTHING = frozenset({"burst", "changes", "verifies", "latency", "thaw", "provision"})


def read_facts(document: bytes, name: str) -> Facts:
    """The measured figures in `document` (from a file called `name`).

    Raises:
        FactsRejected: not JSON, not of the schema, another schema version, two figures for one thing, a unit
            that is not the figure's, nothing where that can't be, or text that can't be shown.
    """
    try:
        facts = msgspec.json.decode(document, type=Facts)
    except msgspec.ValidationError as problem:
        raise FactsRejected(f"{name} is not a document of measured figures: {problem}") from problem
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise FactsRejected(f"{name} is not JSON: {problem}") from problem
    if facts.schema_version != FACTS_VERSION:
        raise FactsRejected(
            f"{name} has schema version {facts.schema_version}, this bkpc reads {FACTS_VERSION} - at `$.schema_version`"
        )
    for words, place in _contradictions(facts):
        raise FactsRejected(f"{name} is not a document of measured figures: {words} - at `{place}`")
    return facts


def _contradictions(facts: Facts) -> Iterator[tuple[str, str]]:
    """What no type says: in words, and where."""
    first: dict[tuple[str, ...], int] = {}
    for number, fact in enumerate(facts.facts):
        place = f"$.facts[{number}]"
        if fact.unit != UNITS[fact.figure]:
            yield f"`{fact.figure}` is in `{UNITS[fact.figure]}`, not `{fact.unit}`", f"{place}.unit"
        quiet = isinstance(fact, DatabaseFact) and fact.figure == "writes"
        if not fact.value and not quiet and fact.figure not in _MAY_BE_NOTHING:
            yield f"`{fact.figure}` can't be nothing", f"{place}.value"
        for field in ("name", "source"):
            if not str(getattr(fact, field)).isprintable():
                yield "this text has characters that can't be shown", f"{place}.{field}"
        key = (about(fact), one_spelling(fact), site_of(fact), fact.figure)
        if key in first:
            yield f"`{fact.figure}` of the same {key[0]} as `$.facts[{first[key]}]`", place
        first.setdefault(key, number)


def about(fact: AnyFact) -> str:
    """`database`, `store`, `link`, `region`, `class` or `standby`."""
    return str(fact.__struct_config__.tag)


def one_spelling(fact: AnyFact) -> str:
    """Its name; of a link that leads both ways, which may be told from either end, the same from both."""
    return link_both_ways(fact.name) if isinstance(fact, LinkFact) else fact.name


def link_both_ways(name: str) -> str:
    """`b -- a` as `a -- b`; a link that leads one way as it is."""
    source, both, target = name.partition(" -- ")
    return f"{min(source, target)} -- {max(source, target)}" if both else name


def site_of(fact: AnyFact) -> str:
    """The site of a standby; empty for all else."""
    return fact.site if isinstance(fact, StandbyFact) else ""
