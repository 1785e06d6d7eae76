"""Canonical bytes of a plan, its digest, and reading one back with every check."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from bkpc_grammar.plan import SCHEMA_VERSION, Plan


class PlanRejected(Exception):
    """A document that is not a plan this version may act on; the message says why and what to do."""


def canonical_pieces(plan: Plan) -> Iterator[bytes]:
    """UTF-8 JSON, keys sorted, two-space indentation, one final newline; each entry of a list of the plan a piece.

    Of a large estate the whole is hundreds of MiB, which a digest or a file need not have at once.
    """
    between = b"{\n"
    for name in sorted(plan.__struct_fields__):
        value = getattr(plan, name)
        yield between + b'  "' + name.encode() + b'": '
        between = b",\n"
        if isinstance(value, tuple) and value:
            yield from _listed(value)
        else:
            yield _indented(value, 2)
    yield b"\n}\n"


def _listed(values: tuple[object, ...]) -> Iterator[bytes]:
    between = b"[\n    "
    for one in values:
        yield between + _indented(one, 4)
        between = b",\n    "
    yield b"\n  ]"


def _indented(value: object, by: int) -> bytes:
    """As it stands in a document after `by` spaces; no string of JSON has a line break in it."""
    whole = msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2)
    return whole.replace(b"\n", b"\n" + b" " * by)


def canonical_bytes(plan: Plan) -> bytes:
    """All pieces of it."""
    return b"".join(canonical_pieces(plan))


def _is_canonical(document: bytes, plan: Plan) -> bool:
    """Whether `document` is the canonical bytes of `plan`."""
    at = 0
    for piece in canonical_pieces(plan):
        if not document.startswith(piece, at):
            return False
        at += len(piece)
    return at == len(document)


def digest_of(plan: Plan) -> str:
    """SHA-256 of the canonical bytes with an empty `digest`."""
    header = msgspec.structs.replace(plan.header, digest="")
    digest = hashlib.sha256()
    for piece in canonical_pieces(msgspec.structs.replace(plan, header=header)):
        digest.update(piece)
    return digest.hexdigest()


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
    if plan.header.digest != digest_of(plan) or not _is_canonical(document, plan):
        raise PlanRejected(
            f"{name} was changed after it was compiled: its digest does not fit its content; "
            "change the policy and run `bkpc compile` again"
        )
    return plan
