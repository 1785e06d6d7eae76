"""Signature V4 of OSS (`OSS4-HMAC-SHA256`), header and URL form, computed independently of the SDK."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from tests.oss_server.asked import Asked
from tests.oss_server.refusal import Refusal, access_denied, invalid_argument

ALGORITHM = "OSS4-HMAC-SHA256"
SKEW = timedelta(minutes=15)
LONGEST = 7 * 24 * 3600
_CREDENTIAL = r"([^/]+)/(\d{8})/([^/]*)/(oss)/aliyun_v4_request"
_AUTHORIZATION = re.compile(
    rf"OSS4-HMAC-SHA256 Credential={_CREDENTIAL}, ?"
    r"(?:AdditionalHeaders=([^,]+), ?)?Signature=([0-9a-f]{64})(?:, ?AdditionalHeaders=(.+))?"
)
_ALWAYS_SIGNED = ("content-type", "content-md5")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a signed request says of itself: who, for where, when, and the signature to compare."""

    key_id: str
    token: str
    signature: str
    stamp: str = ""
    region: str = ""
    additional: tuple[str, ...] = ()
    in_url: bool = False


def claim_in_header(asked: Asked, region: str, now: datetime) -> Claim:
    """Reads `Authorization`; refuses another region and a clock that differs by over 15 minutes."""
    found = _AUTHORIZATION.fullmatch(asked.headers["authorization"])
    if not found:
        raise invalid_argument("Authorization header is invalid.", ec="0002-00000225")
    key_id, date, signed_region, _, before, signature, behind = found.groups()
    if signed_region != region:
        raise invalid_argument("Invalid signing region in Authorization header.", ec="0002-00000226")
    stamp = asked.headers.get("x-oss-date", "")
    at = moment_of(stamp, "%Y%m%dT%H%M%SZ")
    if at is None:
        raise access_denied("x-oss-date is missing or malformed.")
    if abs(now - at) > SKEW or not stamp.startswith(date):
        raise too_skewed()
    additional = tuple(sorted((before or behind).split(";"))) if before or behind else ()
    return Claim(key_id, asked.headers.get("x-oss-security-token", ""), signature, stamp, region, additional)


def claim_in_url(asked: Asked, region: str, now: datetime) -> Claim:
    """Reads `x-oss-credential` and its companions; refuses what has expired or asks for more than seven days."""
    query = asked.query
    found = re.fullmatch(_CREDENTIAL, query.get("x-oss-credential", ""))
    stamp, lasts = query.get("x-oss-date", ""), query.get("x-oss-expires", "")
    at = moment_of(stamp, "%Y%m%dT%H%M%SZ")
    if not found or at is None or not lasts.isdigit():
        raise invalid_argument("Invalid credential in Query-string authentication.", ec="0002-00000222")
    key_id, date, signed_region, _ = found.groups()
    if signed_region != region:
        raise invalid_argument("The signing region in credential is invalid.", ec="0002-00000227")
    if not 1 <= int(lasts) <= LONGEST:
        raise invalid_argument("x-oss-expires must be between 1 and 604800 seconds.", "x-oss-expires", lasts)
    if at - now > SKEW or not stamp.startswith(date):
        raise too_skewed()
    if now > at + timedelta(seconds=int(lasts)):
        raise expired()
    additional = tuple(sorted(query.get("x-oss-additional-headers", "").split(";")))
    token, signature = query.get("x-oss-security-token", ""), query.get("x-oss-signature", "")
    return Claim(key_id, token, signature, stamp, region, tuple(filter(None, additional)), in_url=True)


def signature_v4(asked: Asked, claim: Claim, secret: str) -> tuple[str, str]:
    """The signature this request must carry, in hex, and the text it was made of."""
    request = hashlib.sha256(canonical(asked, claim).encode()).hexdigest()
    scope = f"{claim.stamp[:8]}/{claim.region}/oss/aliyun_v4_request"
    signed = f"{ALGORITHM}\n{claim.stamp}\n{scope}\n{request}"
    key = f"aliyun_v4{secret}".encode()
    for step in scope.split("/"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return hmac.new(key, signed.encode(), hashlib.sha256).hexdigest(), signed


def canonical(asked: Asked, claim: Claim) -> str:
    """The canonical request."""
    query = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in asked.query.items()
        if name != "x-oss-signature"
    )
    headers = sorted(
        (name, value.strip())
        for name, value in asked.headers.items()
        if name.startswith("x-oss-") or name in _ALWAYS_SIGNED or name in claim.additional
    )
    path = f"/{asked.bucket}/{asked.key}" if asked.bucket else "/"
    return "\n".join(
        (
            asked.method,
            quote(path, safe="/-_.~"),
            "&".join(f"{name}={value}" if value else name for name, value in query),
            "".join(f"{name}:{value}\n" for name, value in headers),
            ";".join(claim.additional),
            asked.headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
        )
    )


def moment_of(text: str, form: str) -> datetime | None:
    """A time in UTC, None when it doesn't have that form."""
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


def too_skewed() -> Refusal:
    text = "The difference between the request time and the current time is too large."
    return Refusal(403, "RequestTimeTooSkewed", text, ec="0002-00000504")


def expired() -> Refusal:
    return Refusal(403, "AccessDenied", "Request has expired.", ec="0002-00000069")
