"""HTTPS only: a statement of the bucket policy that denies plain HTTP to everybody; others' statements stay.

It is about what is below our prefixes: others in the same bucket may have other habits.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from typing import Any

from bkpc_grammar.bucket import Place
from bkpc_runtime.errors import PolicyBroken
from bkpc_runtime.settings.difference import Difference
from bkpc_runtime.settings.view import BucketView
from bkpc_runtime.settings.wanted import Wanted
from bkpc_runtime.stores.oss_settings import BucketSettings

NAME = "https only"


def look(bucket: BucketView, wanted: Wanted) -> Iterator[Difference]:
    if not wanted.https_only:
        return
    try:
        statements = _statements(bucket.policy())
    except ValueError:
        why = "it can't be added to: correct it in the console"
        yield Difference(NAME, "the bucket policy is not understood", "!", why)
        return
    missing = _missing(statements, wanted, _owner(bucket))
    if missing:
        yield Difference(
            NAME, f"plain HTTP denied on {', '.join(missing)}", "+", "a bucket policy that denies it is missing"
        )


def mend(bucket: BucketSettings, wanted: Wanted) -> None:
    text = bucket.policy()
    try:
        statements = _statements(text)
    except ValueError as problem:
        raise PolicyBroken(f"the policy of bucket `{wanted.bucket}` is not understood: {problem}") from problem
    missing = _missing(statements, wanted, _owner(bucket))
    if not missing:
        return
    policy: dict[str, Any] = json.loads(text) if text else {"Version": "1", "Statement": []}
    policy["Statement"].append(_denial(missing))
    bucket.put_policy(json.dumps(policy, ensure_ascii=False, indent=2))


def _owner(bucket: BucketView) -> str:
    found = bucket.info()
    return found.owner if found else ""


def _denial(names: list[str]) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": ["*"],
        "Action": ["oss:*"],
        "Resource": [f"acs:oss:*:*:{name}" for name in names],
        "Condition": {"Bool": {"acs:SecureTransport": ["false"]}},
    }


def _statements(text: str) -> list[dict[str, Any]]:
    """Raises ValueError where the text is no policy."""
    if not text:
        return []
    policy = json.loads(text)
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if not isinstance(statements, list) or not all(isinstance(one, dict) for one in statements):
        raise ValueError("it has no list of statements")
    return statements


def _missing(statements: list[dict[str, Any]], wanted: Wanted, owner: str) -> list[str]:
    """What is ours and can be reached over plain HTTP."""
    denials = [pattern for one in statements if _denies_http(one) for pattern in _many(one.get("Resource"))]
    denied = [named for one in denials if (named := _named(one, wanted.region, owner)) is not None]
    ours = []
    for place in wanted.places:
        ours += [] if place.prefix else [wanted.bucket]
        ours.append(Place(wanted.bucket, place.prefix).objects)
    return [name for name in dict.fromkeys(ours) if not any(fnmatch.fnmatchcase(name, one) for one in denied)]


def _denies_http(statement: dict[str, Any]) -> bool:
    """Whether it denies everything to everybody who comes over plain HTTP, whatever else."""
    if statement.get("Effect") != "Deny" or "*" not in _many(statement.get("Principal")):
        return False
    if not {"oss:*", "*"} & set(_many(statement.get("Action"))):
        return False
    condition = statement.get("Condition")
    if not isinstance(condition, dict) or set(condition) != {"Bool"} or not isinstance(condition["Bool"], dict):
        return False
    asked = {str(name).lower(): _many(value) for name, value in condition["Bool"].items()}
    return set(asked) == {"acs:securetransport"} and asked["acs:securetransport"] == ["false"]


def _named(pattern: str, region: str, owner: str) -> str | None:
    """`bucket/key` of `acs:oss:REGION:ACCOUNT:bucket/key`, as a pattern in which only `*` means more than itself.

    None where it is about the buckets of another region or account than ours.
    """
    parts = pattern.split(":", 4)
    if len(parts) < len(("acs", "oss", "region", "account", "name")) or parts[:2] != ["acs", "oss"]:
        return None
    if parts[2] not in ("*", f"oss-{region}") or parts[3] not in ("*", owner or "*"):
        return None
    # A `?` stands for one letter, so what it matches of our `…/*` is the letter `*` alone.
    return parts[4].replace("[", "[[]").replace("?", "[?]")


def _many(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values if one is not None]
