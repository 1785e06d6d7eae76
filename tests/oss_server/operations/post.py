"""PostObject: an upload by a form, allowed by a signed policy instead of a signed request."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from tests.oss_server.accounts import Account
from tests.oss_server.answer import Answer, text_answer
from tests.oss_server.asked import Body
from tests.oss_server.authorization import authorize, authorize_attributes
from tests.oss_server.clock import millis
from tests.oss_server.form import Form
from tests.oss_server.operations.attributes import attributes
from tests.oss_server.operations.callback import called_back
from tests.oss_server.operations.put import keep, received
from tests.oss_server.operations.retention import guard_write
from tests.oss_server.refusal import Refusal, access_denied, invalid_argument
from tests.oss_server.service import Call, done
from tests.oss_server.signature import ALGORITHM, SKEW, moment_of, too_skewed
from tests.oss_server.xml import document

_CREDENTIAL = re.compile(r"([^/]+)/(\d{8})/([^/]*)/oss/aliyun_v4_request")
_HEADERS = ("cache-control", "content-disposition", "content-encoding", "expires", "content-type")


def post_object(call: Call) -> Answer:
    """The file becomes the object `key` names; the answer is what `success_action_…` asks for."""
    form = Form(call.body, call.asked.headers.get("content-type", ""))
    fields = form.fields
    key = fields.get("key", "").replace("${filename}", form.filename)
    if not key or not form.has_file:
        missing = "file" if key else "key"
        raise Refusal(400, "IncorrectNumberOfFilesInPOSTRequest" if key else "InvalidArgument", f"No {missing}.")
    headers = {name: value for name, value in fields.items() if name in _HEADERS or name.startswith("x-oss-")}
    headers.setdefault("content-type", form.file_type or "application/octet-stream")
    asked = replace(call.asked, key=key, headers=headers)
    inner = Call(asked, call.body, call.service, _signer(call, fields), call.request_id)
    least, most = _allowed(inner, fields, key)
    authorize(inner, "oss:PutObject")
    authorize_attributes(inner)
    return _stored(inner, form, least, most)


def _stored(call: Call, form: Form, least: int, most: int) -> Answer:
    guard_write(call, call.asked.key)
    given = attributes(call)
    call.body = _FileOfForm(form)
    piece = received(call)
    if not least <= piece.size <= most:
        call.bucket.drop((piece,))
        code = "EntityTooSmall" if piece.size < least else "EntityTooLarge"
        raise Refusal(400, code, "Your proposed upload is outside the policy's content-length-range.")
    while form.read(65536):
        pass
    kept = keep(call, given, (piece,), piece.md5, piece.crc64, "Normal")
    etag = f'"{piece.md5}"'
    location = f"http://{call.asked.host}/{call.asked.bucket}/{quote(call.asked.key)}"
    headers = {"ETag": etag, "x-oss-hash-crc64ecma": str(piece.crc64), "Location": location} | kept.encryption()
    return called_back(call, _answer(call, form.fields, headers, etag), piece.size)


def _answer(call: Call, fields: Mapping[str, str], headers: dict[str, str], etag: str) -> Answer:
    if fields.get("success_action_redirect"):
        told = urlencode({"bucket": call.asked.bucket, "key": call.asked.key, "etag": etag})
        target = fields["success_action_redirect"]
        return done(303, headers | {"Location": f"{target}{'&' if '?' in target else '?'}{told}"})
    status = fields.get("success_action_status", "")
    if status == "201":
        content = {"Bucket": call.asked.bucket, "Location": headers["Location"], "Key": call.asked.key, "ETag": etag}
        answer = text_answer(document("PostResponse", content), headers)
        answer.status = 201
        return answer
    return done(200 if status == "200" else 204, headers)


class _FileOfForm(Body):
    """The file of a form, as a request's body."""

    def __init__(self, form: Form) -> None:
        self._form, self.size = form, None

    def read(self, most: int) -> bytes:
        return self._form.read(most)


def _signer(call: Call, fields: Mapping[str, str]) -> Account | None:
    """Whose signature of the policy it is; None where there is none."""
    policy, options = fields.get("policy", ""), call.service.options
    if fields.get("x-oss-signature-version") == ALGORITHM and "V4" in options.signatures:
        key_id, secret_scope = _scope(call, fields)
        token, given = fields.get("x-oss-security-token", ""), fields.get("x-oss-signature", "")
    elif "ossaccesskeyid" in fields and "V1" in options.signatures:
        key_id, secret_scope = fields["ossaccesskeyid"], ()
        token, given = fields.get("x-oss-security-token", ""), fields.get("signature", "")
    elif {"x-oss-signature-version", "ossaccesskeyid"} & fields.keys():
        text = "The authorization mechanism you have provided is not supported. Please use Signature Version 4."
        raise Refusal(400, "InvalidRequest", text, ec="0002-00000228")
    else:
        return None
    key = call.service.keys.find(key_id, token, call.service.clock.wall())
    if not hmac.compare_digest(_signature(key.secret, secret_scope, policy).encode(), given.encode()):
        text = "The request signature we calculated does not match the signature you provided."
        details = {"OSSAccessKeyId": key_id, "SignatureProvided": given, "StringToSign": policy}
        raise Refusal(403, "SignatureDoesNotMatch", text, ec="0002-00000040", details=details)
    return key.account


def _scope(call: Call, fields: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The key's id and what its secret is signed with, step by step."""
    found = _CREDENTIAL.fullmatch(fields.get("x-oss-credential", ""))
    stamp = fields.get("x-oss-date", "")
    at = moment_of(stamp, "%Y%m%dT%H%M%SZ")
    if not found or at is None or found[3] != call.service.region:
        raise invalid_argument("Invalid credential in the form.", ec="0002-00000222")
    if at - call.service.clock.wall() > SKEW or not stamp.startswith(found[2]):
        raise too_skewed()
    return found[1], (found[2], found[3], "oss", "aliyun_v4_request")


def _signature(secret: str, scope: tuple[str, ...], policy: str) -> str:
    """Of the policy as it stands in the form: V4 with a scope, else V1."""
    if not scope:
        return base64.b64encode(hmac.new(secret.encode(), policy.encode(), hashlib.sha1).digest()).decode()
    key = f"aliyun_v4{secret}".encode()
    for step in scope:
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return hmac.new(key, policy.encode(), hashlib.sha256).hexdigest()


def _allowed(call: Call, fields: Mapping[str, str], key: str) -> tuple[int, int]:
    """The sizes that the policy allows; refused where anything else of it doesn't hold."""
    sizes = (0, 5 * 1024**3)
    if call.account is None and "policy" not in fields:
        return sizes
    policy = _policy(fields.get("policy", ""))
    ends = moment_of(str(policy.get("expiration", "")), "%Y-%m-%dT%H:%M:%S.%fZ")
    ends = ends or moment_of(str(policy.get("expiration", "")), "%Y-%m-%dT%H:%M:%SZ")
    if ends is None or not isinstance(policy.get("conditions"), list):
        raise _bad("it needs `expiration` and `conditions`")
    if millis(ends) <= millis(call.service.clock.wall()):
        raise access_denied("Invalid according to Policy: Policy expired.")
    values = {**fields, "key": key, "bucket": call.asked.bucket}
    for condition in policy["conditions"]:
        rows = [["eq", f"${name}", value] for name, value in condition.items()] if isinstance(condition, dict) else []
        for row in rows or [condition]:
            sizes = _judged(row, values, sizes)
    return sizes


def _judged(row: Any, values: Mapping[str, str], sizes: tuple[int, int]) -> tuple[int, int]:
    if not isinstance(row, list) or len(row) != 3:
        raise _bad("a condition has three parts")
    how, name, wanted = row
    if how == "content-length-range":
        return max(sizes[0], int(name)), min(sizes[1], int(wanted))
    value = values.get(str(name).removeprefix("$").lower(), "")
    if how in ("in", "not-in"):
        holds = (value in wanted) == (how == "in")
    elif how in ("eq", "starts-with"):
        holds = value == wanted if how == "eq" else value.startswith(str(wanted))
    else:
        raise _bad(f"there is no condition {how}")
    if not holds:
        raise access_denied(f"Invalid according to Policy: Policy Condition failed: {json.dumps(row)}")
    return sizes


def _policy(text: str) -> dict[str, Any]:
    try:
        policy = json.loads(base64.b64decode(text, validate=True))
    except ValueError:
        raise _bad("it is not JSON in base64") from None
    if not isinstance(policy, dict):
        raise _bad("it is no object")
    return policy


def _bad(why: str) -> Refusal:
    return Refusal(400, "InvalidPolicyDocument", f"Invalid Policy: {why}.", ec="0002-00000301")
