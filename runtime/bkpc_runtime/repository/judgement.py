"""An image beside its predecessors: is it as large, as compressible and of the same schema as what came before?

What a bad deploy, a broken dump or an intruder who encrypts tables does shows in these figures. The policy's
percentages are the limits; where history allows, how much a database usually changes moves them, by half or double.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp, log
from statistics import median
from typing import Literal

from bkpc_runtime.repository.manifest import Manifest

Word = Literal["ok", "warn", "hold"]
_HISTORY = 8
"""With fewer changes from image to image, what is usual is not known."""
_SPREAD = 1.4826
"""From the median of distances to the standard deviation, of a normal distribution."""
_WARN_AT, _HOLD_AT = 6, 12
"""Standard deviations that are unusual, and very."""
_SMALL = 1 << 20
"""Bytes; differences and tables below say nothing."""
_ROUNDING = 1e-9
_LARGE_TABLE = 10
"""A table of a tenth of the database or more counts as much as the whole."""


_FEW = 100
"""A table of fewer rows than these may well be empty at times."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Totals:
    """The bytes of one image, before and after compression; `kind`: engine and kind, which alone are comparable.

    `rows`: of each table, as far as the image knows them. `schemas`: those that hold anything.
    """

    kind: tuple[str, str]
    plain: int
    stored: int
    rows: Mapping[str, int] = field(default_factory=dict)
    schemas: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Measure:
    """All that is compared of one image. `tables`: bytes of structure and rows of each; none of a physical image."""

    totals: Totals
    objects: frozenset[str]
    tables: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Judgement:
    word: Word
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares of change that are told and that hold an image; None: never."""

    warn: float | None
    hold: float | None


def measure_of(manifest: Manifest) -> Measure:
    """What is compared of an image."""
    objects = {
        f"{kind} {one.schema}.{name}"
        for one in manifest.inventory
        for kind, names in (
            ("table", one.tables), ("view", one.views), ("trigger", one.triggers), ("routine", one.routines),
            ("event", one.events),
        )
        for name in names
    }  # fmt: skip
    tables = {f"{one.schema}.{one.table}": one.sums.plain_size for one in manifest.parts if one.kind == "table"}
    return Measure(totals_of(manifest), frozenset(objects), tables)


def totals_of(manifest: Manifest) -> Totals:
    rows = {f"{schema}.{name}": count for schema, tables in manifest.rows.items() for name, count in tables.items()}
    schemas = (one.schema for one in manifest.inventory if one.tables or one.views or one.routines or one.events)
    kind = (manifest.engine, manifest.kind)
    return Totals(kind, manifest.plain_size, manifest.stored_size, rows, frozenset(schemas))


def judge(image: Measure, last: Measure | None, before: Sequence[Totals], limits: Limits) -> Judgement:
    """`before`: its predecessors of the same kind that are trusted, oldest first; `last`: all of the last of them."""
    if last is None or not before:
        return Judgement("ok", ("the first of its kind",))
    found = [*_of_totals(image.totals, before, limits), *_of_what_always_was(image.totals, before, limits)]
    if image.totals.kind[1] == "full":
        found += [*_of_schema(image, last, limits), *_of_tables(image, last, limits)]
    holds = any(word == "hold" for word, _ in found)
    return Judgement("hold" if holds else "warn" if found else "ok", tuple(reason for _, reason in found))


def _of_totals(image: Totals, before: Sequence[Totals], limits: Limits) -> Iterator[tuple[Word, str]]:
    last = before[-1]
    # An incremental image is as large as what has changed: its size says little.
    if image.kind[1] == "full" and abs(image.plain - last.plain) >= _SMALL:
        yield from _compared("its size", image.plain, [one.plain for one in before], limits)
    if min(image.plain, last.plain) >= _SMALL:
        ratios = [one.stored / one.plain for one in before if one.plain >= _SMALL]
        yield from _compared("what compression leaves of it", image.stored / image.plain, ratios, limits)


def _compared(what: str, value: float, before: Sequence[float], limits: Limits) -> Iterator[tuple[Word, str]]:
    """Against the last, and how it usually changes."""
    if not before[-1] or not value:
        share, usual, spread = (0.0 if value == before[-1] else 1.0), 0.0, None
    else:
        usual, spread = _usual(before)
        share = abs(value / (before[-1] * exp(usual)) - 1)
    word = _word(share, limits, spread)
    if word != "ok":
        more = "larger" if value > before[-1] else "smaller"
        yield word, f"{what} is {share:.0%} {more} than expected after {len(before)} images"


def _usual(before: Sequence[float]) -> tuple[float, float | None]:
    """How the logarithm usually changes from one to the next, and by how much that differs; None: not known."""
    changes = [log(after / one) for one, after in pairwise(before) if one and after]
    if len(changes) < _HISTORY:
        return 0.0, None
    middle = median(changes)
    return middle, _SPREAD * median(abs(one - middle) for one in changes)


def _word(share: float, limits: Limits, spread: float | None) -> Word:
    hold, warn = _moved(limits.hold, spread, _HOLD_AT), _moved(limits.warn, spread, _WARN_AT)
    share += _ROUNDING
    if hold is not None and share >= hold:
        return "hold"
    return "warn" if warn is not None and share >= warn else "ok"


def _moved(limit: float | None, spread: float | None, times: int) -> float | None:
    """The policy's percentage, or what is unusual for this database: from half of it to double."""
    if limit is None or spread is None:
        return limit
    return min(max(times * spread, limit / 2), 2 * limit)


def _of_schema(image: Measure, last: Measure, limits: Limits) -> Iterator[tuple[Word, str]]:
    missing = sorted(last.objects - image.objects)
    if missing:
        word = _word(len(missing) / len(last.objects), limits, None)
        if word != "ok":
            names = ", ".join(missing[:5]) + (" and more" if len(missing) > 5 else "")
            yield word, f"{len(missing)} of {len(last.objects)} objects are no longer there: {names}"


def _of_what_always_was(image: Totals, before: Sequence[Totals], limits: Limits) -> Iterator[tuple[Word, str]]:
    """Schemas that are gone and tables that are empty, where no predecessor was without them: what comes and goes is no
    news. Their share of the whole does not matter."""
    word: Word = "hold" if limits.hold is not None else "warn"
    for schema in sorted(frozenset.intersection(*(one.schemas for one in before)) - image.schemas):
        yield word, f"schema {schema} is no longer there, which all {len(before)} images before it have"
    known = [one.rows for one in before if one.rows]
    last = known[-1] if known else {}
    empty = [name for name in sorted(last) if not image.rows.get(name, 1)]
    emptied = [name for name in empty if min(one.get(name, 0) for one in known) >= _FEW]
    for name in emptied[:_NAMED]:
        yield word, f"table {name} is empty, {last[name]:,} rows are in the image before it"
    if len(emptied) > _NAMED:
        yield word, f"{len(emptied) - _NAMED} more tables are empty that never were"


def _of_tables(image: Measure, last: Measure, limits: Limits) -> Iterator[tuple[Word, str]]:
    """Tables that lost most of their rows. A small one is told and holds nothing: some are emptied every day."""
    for name, size in sorted(last.tables.items()):
        now = image.tables.get(name)
        if now is None or size < _SMALL or now >= size:
            continue
        word = _word(1 - now / size, limits, None)
        if word == "hold" and size * _LARGE_TABLE < last.totals.plain:
            word = "warn"
        if word != "ok":
            yield word, f"the rows of {name} are {1 - now / size:.0%} less"
