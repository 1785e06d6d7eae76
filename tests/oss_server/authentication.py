"""Which signature a request carries, and whose it is."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from datetime import datetime

from tests.oss_server.accounts import Account, Keys
from tests.oss_server.asked import Asked
from tests.oss_server.refusal import Refusal, access_denied
from tests.oss_server.signature import ALGORITHM, Claim, claim_in_header, claim_in_url, signature_v4
from tests.oss_server.signature_old import claim_v1, claim_v2, signature_v1, signature_v2


def signer(asked: Asked, keys: Keys, region: str, versions: Collection[str], now: datetime) -> Account | None:
    """The account that signed the request, None when nobody did; refused as OSS does when the signature is wrong."""
    version = _version(asked)
    if not version:
        return None
    if version not in versions:
        text = "The authorization mechanism you have provided is not supported. Please use Signature Version 4."
        raise Refusal(400, "InvalidRequest", text, ec="0002-00000228")
    claim = _claim(version, asked, region, now)
    key = keys.find(claim.key_id, claim.token, now)
    compute = {"V4": signature_v4, "V2": signature_v2, "V1": signature_v1}[version]
    expected, signed = compute(asked, claim, key.secret)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        text = "The request signature we calculated does not match the signature you provided."
        details = {"OSSAccessKeyId": claim.key_id, "SignatureProvided": claim.signature, "StringToSign": signed}
        raise Refusal(403, "SignatureDoesNotMatch", text, ec="0002-00000040", details=details)
    return key.account


def _version(asked: Asked) -> str:
    text, query = asked.headers.get("authorization", ""), asked.query
    if text:
        version = {ALGORITHM: "V4", "OSS2": "V2", "OSS": "V1"}.get(text.split(" ")[0], "")
        if not version:
            raise access_denied("OSS authentication requires a valid Authorization.")
        return version
    if query.get("x-oss-signature-version"):
        return "V4" if query["x-oss-signature-version"] == ALGORITHM else "V2"
    return "V1" if "OSSAccessKeyId" in query else ""


def _claim(version: str, asked: Asked, region: str, now: datetime) -> Claim:
    if version == "V4":
        read = claim_in_header if "authorization" in asked.headers else claim_in_url
        return read(asked, region, now)
    return claim_v2(asked, now) if version == "V2" else claim_v1(asked, now)
