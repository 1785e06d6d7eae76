"""The JSON Schema of a plan (draft 2020-12), made from the typed model.

`python -m bkpc_grammar.schema` renews `plan.schema.json`; a test holds the two together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from bkpc_grammar.plan import Plan

PATH = Path(__file__).with_name("plan.schema.json")


def plan_schema() -> bytes:
    """The schema's bytes: every object closed, every property described."""
    (root,), parts = msgspec.json.schema_components((Plan,), ref_template="#/$defs/{name}")
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bkpc plan",
        **root,
        "$defs": parts,
    }
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


if __name__ == "__main__":
    PATH.write_bytes(plan_schema())
