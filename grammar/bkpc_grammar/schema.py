"""The JSON Schemas (draft 2020-12) of a plan and of measured figures, made from the typed models.

`python -m bkpc_grammar.schema` renews `plan.schema.json` and `facts.schema.json`; tests hold them to the models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from bkpc_grammar.facts import Facts
from bkpc_grammar.plan import Plan

PATH = Path(__file__).with_name("plan.schema.json")
FACTS_PATH = Path(__file__).with_name("facts.schema.json")


def plan_schema() -> bytes:
    """The schema's bytes: every object closed, every property described."""
    return _schema(Plan, "bkpc plan")


def facts_schema() -> bytes:
    """The same for the document that `--facts` reads."""
    return _schema(Facts, "bkpc facts")


def _schema(model: type[msgspec.Struct], title: str) -> bytes:
    (root,), parts = msgspec.json.schema_components((model,), ref_template="#/$defs/{name}")
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **root,
        "$defs": parts,
    }
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


if __name__ == "__main__":
    PATH.write_bytes(plan_schema())
    FACTS_PATH.write_bytes(facts_schema())
