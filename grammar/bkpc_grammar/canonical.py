"""Canonical bytes of a plan, its digest, and reading one back with every check."""

from __future__ import annotations

import hashlib

import msgspec

from bkpc_grammar.plan import SCHEMA_VERSION, Plan


class PlanRejected(Exception):
    """A document that is not a plan this version may act on; the message says why and what to do."""


def canonical_bytes(plan: Plan) -> bytes:
    """UTF-8 JSON, keys sorted, two-space indentation, one final newline."""
    encoded = msgspec.json.encode(plan, order="sorted")
    return msgspec.json.format(encoded, indent=2) + b"\n"


def digest_of(plan: Plan) -> str:
    """SHA-256 of the canonical bytes with an empty `digest`."""
    header = msgspec.structs.replace(plan.header, digest="")
    return hashlib.sha256(canonical_bytes(msgspec.structs.replace(plan, header=header))).hexdigest()


def sealed(plan: Plan) -> Plan:
    """The plan with its digest filled in."""
    header = msgspec.structs.replace(plan.header, digest=digest_of(plan))
    return msgspec.structs.replace(plan, header=header)


def read_plan(document: bytes, name: str) -> Plan:
    """The plan in `document` (from a file called `name`).

    Raises:
        PlanRejected: not JSON, not of the schema, another schema version, or edited since it was compiled.
    """
    try:
        plan = msgspec.json.decode(document, type=Plan)
    except msgspec.ValidationError as problem:
        raise PlanRejected(f"{name} is not a plan of this version: {problem}; compile it again") from problem
    except msgspec.DecodeError as problem:
        raise PlanRejected(f"{name} is not a plan: {problem}") from problem
    if plan.header.schema_version != SCHEMA_VERSION:
        raise PlanRejected(
            f"{name} has schema version {plan.header.schema_version}, this bkpc reads {SCHEMA_VERSION}; "
            "compile the policy again with this version"
        )
    if plan.header.digest != digest_of(plan) or document != canonical_bytes(plan):
        raise PlanRejected(
            f"{name} was changed after it was compiled: its digest does not fit its content; "
            "change the policy and run `bkpc compile` again"
        )
    return plan
