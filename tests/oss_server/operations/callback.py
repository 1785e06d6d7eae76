"""Upload callbacks: after a put or a complete the server posts to a URL of the client's and hands on its answer."""

from __future__ import annotations

import base64
import json
import re
import urllib.request
from typing import Any

from tests.oss_server.answer import Answer
from tests.oss_server.refusal import Refusal, invalid_argument
from tests.oss_server.service import Call

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_PATIENCE = 5.0


def called_back(call: Call, answer: Answer, size: int) -> Answer:
    """The answer itself when no callback was asked for; 203 CallbackFailed when the post fails."""
    callback = _decoded(call, "callback")
    if not callback:
        return answer
    variables = {str(name): str(value) for name, value in _decoded(call, "callback-var").items()}
    facts = {
        "bucket": call.asked.bucket,
        "object": call.asked.key,
        "etag": answer.headers.get("ETag", "").strip('"'),
        "size": str(size),
        "mimeType": call.asked.headers.get("content-type", ""),
        "reqId": call.request_id,
        **variables,
    }
    body = _VARIABLE.sub(lambda found: facts.get(found[1], ""), str(callback.get("callbackBody", "")))
    kind = str(callback.get("callbackBodyType") or "application/x-www-form-urlencoded")
    try:
        given = _posted(str(callback.get("callbackUrl", "")), body.encode(), kind)
    except (OSError, ValueError) as problem:
        text = f"Error status : -1. {problem}"
        raise Refusal(203, "CallbackFailed", text, ec="0007-00000203") from None
    kept = {name: value for name, value in answer.headers.items() if name != "Content-Type"}
    return Answer(200, {**kept, "Content-Type": "application/json"}, (given,), len(given))


def _posted(url: str, body: bytes, kind: str) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise ValueError("the callback's URL is not one of HTTP")
    request = urllib.request.Request(url, body, {"Content-Type": kind})  # noqa: S310 (checked above)
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
        return bytes(answer.read(3 * 1024 * 1024))


def _decoded(call: Call, name: str) -> dict[str, Any]:
    text = call.asked.headers.get(f"x-oss-{name}") or call.asked.query.get(name, "")
    if not text:
        return {}
    try:
        document = json.loads(base64.b64decode(text))
    except ValueError:
        raise invalid_argument("The callback configuration is not JSON in base64.", name, text) from None
    return document if isinstance(document, dict) else {}
