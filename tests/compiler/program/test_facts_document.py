"""The document of measured figures: what is taken, and what is said of all else."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from bkpc_grammar.facts import UNITS, FactsRejected, read_facts
from bkpc_grammar.schema import FACTS_PATH, facts_schema
from tests.compiler.facts_made import document, fact, facts

GOOD = fact("database", "shop", "size", 5)


def test_defaults_are_those_the_pages_tell() -> None:
    found = facts(GOOD)
    assert (found.tolerance_percent, found.oldest_days, found.facts[0].samples) == (20, 90, 1)
    assert str(found.facts[0].measured_at) == "2026-11-20"


def test_the_schema_is_that_of_the_model() -> None:
    assert FACTS_PATH.read_bytes() == facts_schema(), "python -m bkpc_grammar.schema"


@pytest.mark.parametrize(
    "made",
    [
        GOOD,
        fact("store", "near", "reads", 1),
        fact("link", "a -- b", "latency", 0),
        fact("region", "cn-hangzhou", "writes", 10**9),
        fact("class", "archive", "thaw", 60_000, samples=3),
        fact("standby", "shop", "provision", 0, site="b"),
        fact("database", "shop", "writes", 0),
        fact("database", "订单", "burst", 0, source="备份"),
    ],
)
def test_what_the_schema_takes_is_read(made: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(document(made)), json.loads(FACTS_PATH.read_bytes()))
    assert facts(made).facts[0].value == made["value"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": 5.5}, "Expected `int`, got `float` - at `$.facts[1].value`"),
        ({"value": "5"}, "Expected `int`, got `str` - at `$.facts[1].value`"),
        ({"value": True}, "Expected `int`, got `bool` - at `$.facts[1].value`"),
        ({"value": -1}, "Expected `int` >= 0 - at `$.facts[1].value`"),
        ({"value": 10**19}, "at `$.facts[1].value`"),
        ({"value": 0}, "`size` can't be nothing - at `$.facts[1].value`"),
        ({"unit": "bytes_per_second"}, "`size` is in `bytes`, not `bytes_per_second` - at `$.facts[1].unit`"),
        ({"about": "databse"}, "Invalid value 'databse' - at `$.facts[1].about`"),
        ({"figure": "thaw"}, "Invalid enum value 'thaw' - at `$.facts[1].figure`"),
        ({"measured_at": "2026-02-30"}, "at `$.facts[1].measured_at`"),
        ({"measured_at": 20261120}, "at `$.facts[1].measured_at`"),
        ({"source": ""}, "at `$.facts[1].source`"),
        ({"source": "a\x1b[31m"}, "characters that can't be shown - at `$.facts[1].source`"),
        ({"name": "a\nb"}, "characters that can't be shown - at `$.facts[1].name`"),
        ({"site": "b"}, "unknown field `site` - at `$.facts[1]`"),
        ({"samples": 0}, "at `$.facts[1].samples`"),
        ({"name": "shop"}, "`size` of the same database as `$.facts[0]` - at `$.facts[1]`"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(change: dict[str, Any], says: str) -> None:
    with pytest.raises(FactsRejected) as caught:
        facts(GOOD, {**GOOD, "name": "other", **change})
    assert str(caught.value).startswith("facts.json is not a document of measured figures: ")
    assert str(caught.value).endswith(says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "facts.json is not JSON: "),
        (b"\xff\xfe", "facts.json is not JSON: "),
        (b"{}", "missing required field `schema_version`"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"schema_version": 2, "facts": []}', "has schema version 2, this bkpc reads 1 - at `$.schema_version`"),
        (b'{"schema_version": 1, "facts": [], "tolerance_percent": -1}', "at `$.tolerance_percent`"),
    ],
)
def test_other_documents_are_refused(text: bytes, says: str) -> None:
    with pytest.raises(FactsRejected, match=r"facts\.json") as caught:
        read_facts(text, "facts.json")
    assert says in str(caught.value)


@pytest.mark.parametrize(("figure", "unit"), UNITS.items())
def test_every_figure_has_a_place_in_the_schema(figure: str, unit: str) -> None:
    text = FACTS_PATH.read_text()
    assert f'"{figure}"' in text
    assert f'"{unit}"' in text
