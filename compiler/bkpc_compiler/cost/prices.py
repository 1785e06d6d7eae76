"""Prices of storage classes: those that ship with `std/oss`, and a file of one's own in the same form.

Amounts are decimal strings of the document's currency, read as exact fractions.
"""

from __future__ import annotations

import json
import re
from datetime import date
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta

PRICES_VERSION = 1
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_LACKING, _UNKNOWN = re.compile("missing required field `(.*)`"), re.compile("unknown field `(.*)`")
_DECIMAL = 'a decimal number in quotes, such as "0.12"'
_FIELDS = {
    "schema_version": str(PRICES_VERSION),
    "currency": 'three capital letters in quotes, such as "CNY"',
    "classes": "a list of prices, [{...}, ...]",
    "class": "the name of a storage class in quotes",
    "redundancy": '"lrs" or "zrs"',
    "gib_month": f"{_DECIMAL}: for a GiB kept for 30 days",
    "put_10000": f"{_DECIMAL}: for 10,000 requests that write",
    "retrieved_gib": f"{_DECIMAL}: for a GiB read or thawed; or leave it out",
    "minimum_stay_days": "a whole number of days, from 0 to 3650",
    "minimum_size": f"a whole number of bytes, from 0 to {1 << 30}",
    "read_on": 'the day on which it was read in quotes, such as "2026-11-01"',
    "source": "in quotes where it was read, in 200 letters at most",
}
"""What belongs there."""
Amount = Annotated[str, Meta(pattern=rf"^{_AMOUNT.pattern}\Z", description="a decimal number of the currency")]


class PricesRejected(Exception):
    """A document that is none of prices; the message names the file and the place in it."""


class ClassPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"name": "class"}):
    """What one storage class costs in one kind of redundancy. A figure that is not known is left out."""

    name: str
    redundancy: Annotated[str, Meta(pattern="^(lrs|zrs)$")]
    gib_month: Annotated[Amount, Meta(description="for a GiB kept for 30 days")]
    put_10000: Annotated[Amount, Meta(description="for 10,000 requests that write")]
    retrieved_gib: Annotated[Amount | None, Meta(description="for a GiB read or thawed")] = None
    minimum_stay_days: Annotated[int, Meta(ge=0, le=3650)] = 0
    minimum_size: Annotated[int, Meta(ge=0, le=1 << 30, description="bytes that an object is billed as at least")] = 0
    read_on: date
    source: Annotated[str, Meta(min_length=1, max_length=200)]


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The document."""

    schema_version: int
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    classes: tuple[ClassPrice, ...]

    def of(self, storage_class: str, redundancy: str) -> ClassPrice | None:
        """The price of a class; None where the document has none."""
        return next((one for one in self.classes if (one.name, one.redundancy) == (storage_class, redundancy)), None)


def amount(text: str) -> Fraction:
    """Exactly what is written."""
    return Fraction(text)


@cache
def standard_prices() -> Prices:
    """Those that ship with `std/oss`."""
    return read_prices((files("bkpc_grammar") / "std" / "oss-prices.json").read_bytes(), "std/oss-prices.json")


def read_prices(document: bytes, name: str) -> Prices:
    """A document of prices.

    Raises:
        PricesRejected: it is none, of another version, or names a class twice.
    """
    try:
        found = msgspec.json.decode(document, type=Prices)
    except msgspec.DecodeError as problem:
        raise PricesRejected(f"{name}: {_explained(str(problem), document)}; docs/cost.md shows one") from problem
    if found.schema_version != PRICES_VERSION:
        raise PricesRejected(f"{name} is of version {found.schema_version}, this bkpc reads {PRICES_VERSION}")
    seen = set()
    for one in found.classes:
        if (one.name, one.redundancy) in seen:
            raise PricesRejected(f"{name} has two prices for {one.name} with {one.redundancy}")
        seen.add((one.name, one.redundancy))
    return found


def _explained(problem: str, document: bytes) -> str:
    """Where a document is wrong, and what belongs there, from the words of the library that reads it."""
    problem, _, at = problem.partition(" - at `$")
    place = at.rstrip("`").removeprefix(".")
    if found := _LACKING.search(problem):
        return f"{_owner(place)} lacks `{found[1]}`: write {_FIELDS[found[1]]}"
    if found := _UNKNOWN.search(problem):
        known = [one.encode_name for one in msgspec.structs.fields(ClassPrice if place else Prices)]
        return f"{_owner(place)} has `{found[1]}`, which says nothing; there is {', '.join(known)}"
    field = place.rpartition(".")[2]
    if field in _FIELDS:
        return f"`{place}` is not as it should be: write {_FIELDS[field]}"
    if place:
        return f'`{place}` is no price: write an object, {{"class": ..., ...}}'
    return (
        _no_json(document) or "it is no document of prices: write an object with schema_version, currency and classes"
    )


def _owner(place: str) -> str:
    return f"`{place}`" if place else "the document"


def _no_json(document: bytes) -> str:
    """Where it is none; empty where it is one."""
    try:
        json.loads(document)
    except json.JSONDecodeError as problem:
        return f"it is no JSON from line {problem.lineno}, column {problem.colno} on"
    except UnicodeDecodeError:
        return "it is no JSON: its letters are not UTF-8"
    return ""


def overridden(own: Prices) -> Prices:
    """`own`, and what it says nothing of where it is in the same currency from `std/oss`."""
    standard = standard_prices()
    others = [one for one in standard.classes if own.of(one.name, one.redundancy) is None]
    return msgspec.structs.replace(own, classes=(*own.classes, *(others if own.currency == standard.currency else ())))
