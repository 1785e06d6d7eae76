"""Signature V4 of OSS (`OSS4-HMAC-SHA256`), header form, checked independently of the SDK."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from tests.oss_server.refusal import Refusal

_AUTHORIZATION = re.compile(
    r"OSS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/oss/aliyun_v4_request, ?"
    r"(?:AdditionalHeaders=([^,]+), ?)?Signature=([0-9a-f]{64})(?:, ?AdditionalHeaders=(.+))?"
)
_SKEW = timedelta(minutes=15)
_ALWAYS_SIGNED = ("content-type", "content-md5")


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a request that are signed; header names in lower case."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


def check_signature(asked: Asked, secrets: Mapping[str, str], region: str, now: datetime) -> None:
    """Raises a `Refusal` with OSS's code when the request isn't signed by a known key for this region and time."""
    text = asked.headers.get("authorization")
    if text is None:
        raise Refusal(403, "AccessDenied", "You have no right to access this object because of bucket acl.")
    found = _AUTHORIZATION.fullmatch(text)
    if not found:
        raise Refusal(400, "InvalidArgument", "Authorization header is invalid: signature version 4 is a must.")
    key_id, date, signed_region, before, signature, behind = found.groups()
    if key_id not in secrets:
        raise Refusal(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records.")
    _check_time(asked.headers.get("x-oss-date", ""), date, now)
    if signed_region != region:
        raise Refusal(400, "InvalidArgument", f"Invalid signing region in Authorization header: {signed_region}.")
    additional = sorted((before or behind or "").split(";")) if before or behind else []
    expected = _signature(asked, secrets[key_id], region, date, additional)
    if not hmac.compare_digest(expected, signature):
        raise Refusal(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )


def _check_time(stamp: str, date: str, now: datetime) -> None:
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(403, "AccessDenied", "x-oss-date is missing or malformed.") from None
    if abs(now - at) > _SKEW or not stamp.startswith(date):
        text = "The difference between the request time and the current time is too large."
        raise Refusal(403, "RequestTimeTooSkewed", text)


def _signature(asked: Asked, secret: str, region: str, date: str, additional: list[str]) -> str:
    request = hashlib.sha256(_canonical(asked, additional).encode()).hexdigest()
    scope = f"{date}/{region}/oss/aliyun_v4_request"
    signed = f"OSS4-HMAC-SHA256\n{asked.headers['x-oss-date']}\n{scope}\n{request}"
    key = f"aliyun_v4{secret}".encode()
    for step in scope.split("/"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()


def _canonical(asked: Asked, additional: list[str]) -> str:
    query = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in asked.query.items())
    headers = sorted(
        (name, value.strip())
        for name, value in asked.headers.items()
        if name.startswith("x-oss-") or name in _ALWAYS_SIGNED or name in additional
    )
    path = f"/{asked.bucket}/{asked.key}" if asked.bucket else "/"
    return "\n".join(
        (
            asked.method,
            quote(path, safe="/-_.~"),
            "&".join(f"{name}={value}" if value else name for name, value in query),
            "".join(f"{name}:{value}\n" for name, value in headers),
            ";".join(additional),
            asked.headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
        )
    )
