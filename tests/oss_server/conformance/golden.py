"""The golden signatures of the v2 SDK's unit tests, as an oracle for the server's own signature code."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.oss_server.accounts import Account, Key, Keys
from tests.oss_server.asked import Asked
from tests.oss_server.authentication import signer
from tests.oss_server.refusal import Refusal

VERSIONS = frozenset({"V1", "V4"})


def judgements(path: Path) -> dict[str, str]:
    """Per test whose signings were written down: empty when the server accepts them all, else why not."""
    found: dict[str, str] = {}
    for one in json.loads(path.read_text()):
        problem = _problem(one)
        found[one["test"]] = found.get(one["test"]) or problem
    return found


def _moment(at: float, headers: dict[str, str], query: dict[str, str]) -> datetime:
    """When it was signed; V1 says so in its Date, or by when it expires."""
    if "Expires" in query:
        return datetime.fromtimestamp(int(query["Expires"]) - 1, UTC)
    if headers.get("authorization", "").startswith("OSS "):
        return parsedate_to_datetime(headers.get("x-oss-date") or headers["date"])
    return datetime.fromtimestamp(at, UTC)


def _problem(signed: dict[str, Any]) -> str:
    headers = {name.lower(): value for name, value in signed["headers"].items()}
    query = dict(parse_qsl(urlsplit(signed["url"]).query, keep_blank_values=True))
    asked = Asked(signed["method"], signed["bucket"], signed["key"], query, headers)
    keys, at = Keys(), _moment(signed["at"], headers, query)
    keys.known[signed["id"]] = Key(signed["id"], signed["secret"], Account("1"), signed["token"])
    try:
        signer(asked, keys, signed["region"] or "", VERSIONS, at)
    except Refusal as refusal:
        return f"the server's own code refuses what the SDK signed: {refusal}"
    return ""
