"""What OSS and the network answer, in the words of `errors.py`. No message repeats a response's body."""

from __future__ import annotations

import re
from typing import Any

from bkpc_runtime.errors import (
    ObjectFrozen,
    ObjectMissing,
    StoreDenied,
    StoreFailed,
    StoreFull,
    StoreLocked,
    StoreUnable,
    StoreUnreachable,
    StoreUntrusted,
)
from bkpc_runtime.stores.moving import trickled, wrapped

_CODES: dict[str, tuple[type[StoreFailed], str, str]] = {
    "NoSuchBucket": (
        StoreUnreachable,
        "the bucket does not exist there",
        "`bkpc apply` makes it; or correct its name or endpoint",
    ),
    "NoSuchKey": (ObjectMissing, "the object does not exist", ""),
    "NoSuchUpload": (
        ObjectMissing,
        "the upload was dropped while it was under way",
        "run it again; where it stays so, a lifecycle rule or another plan drops unfinished uploads too soon",
    ),
    "InvalidPart": (
        StoreFailed,
        "parts of the upload were replaced while it was under way",
        "run it again, in one place",
    ),
    "SignatureDoesNotMatch": (StoreDenied, "the key secret or the region is wrong", "check the store's credentials"),
    "InvalidAccessKeyId": (StoreDenied, "the key id is unknown or disabled", "check the store's credentials"),
    "InvalidSecurityToken": (StoreDenied, "the STS token is not valid", "renew the temporary credentials"),
    "SecurityTokenExpired": (StoreDenied, "the STS token has expired", "renew the temporary credentials"),
    "RequestTimeTooSkewed": (StoreDenied, "this machine's clock differs from the service's", "set the clock (NTP)"),
    "UserDisable": (StoreDenied, "the account is disabled", "usually an overdue bill: see the provider's console"),
    "FileImmutable": (StoreLocked, "the bucket's retention policy protects the object", "wait until it lapses"),
    "WORMConfigurationLocked": (StoreFailed, "the bucket has a retention policy already", "run it again"),
    "InvalidObjectState": (
        ObjectFrozen,
        "the object is in a class that must thaw before it can be read",
        "`bkpc restore` asks for what it reads, and waits; for manifests that froze `bkpc apply` does",
    ),
}
NOT_OF_OSS, UNREADABLE, WITHOUT_SUM, NOT_SENT, NOT_POSSIBLE = -101, -102, -103, -104, -105
"""In place of an HTTP status: an answer that says nothing of what was asked, or nothing asked (`oss_answers.py`)."""
_DISCOUNTED = {
    NOT_OF_OSS: "something on the way, or at the endpoint, is not OSS (a proxy, the login page of a network, a rule "
    "of the bucket that redirects to an origin): have it let requests to OSS through, or correct the endpoint",
    UNREADABLE: "run it again; where it stays so, something on the way changes answers (a proxy): find it",
    WITHOUT_SUM: "something on the way changes answers (a proxy), or the endpoint is not OSS: find it, or correct it",
}
_OF_OURS = {
    NOT_SENT: "look at the store's credentials, and set them anew from where the key was made",
    NOT_POSSIBLE: "mend what it names: a bundle of certificates is what REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE says",
}
_AGAIN = {"NoSuchUpload", "InvalidPart"}
"""What another try begins anew."""
_FULL = re.compile(r"quota|capacity|insufficientstorage", re.IGNORECASE)
_BROKEN = "the connection failed: "
_BOUND = re.compile(r"timeout=([0-9.]+)")
_MILLISECONDS = re.compile(r"[0-9]{1,9}")
_BUSY_CODES = {"QpsLimitExceeded", "TooManyRequests", "DownloadTrafficRateLimitExceeded"}
_SPOILED = "InvalidDigest"
_TRANSIENT_CODES = {"RequestTimeout", _SPOILED, *_BUSY_CODES}


def failure(problem: Any, store: str, key: str, region: str, action: str) -> StoreFailed:
    """`problem` is an `oss2.exceptions.OssError`; `store` says name, bucket and endpoint; `region` is signed for,
    `action` was asked for."""
    where = f"store {store}" + (f" at {key}" if key else "")
    if problem.status == -2:
        return _of_the_network(where, problem.exception)
    if problem.status in _DISCOUNTED:
        asked = f" (request {problem.request_id})" if problem.request_id else ""
        return StoreUnreachable(f"{where}: {problem.message}{asked}", help=_DISCOUNTED[problem.status], retryable=True)
    if problem.status in _OF_OURS:
        return StoreFailed(f"{where}: {problem.message}", help=_OF_OURS[problem.status])
    request = f" (OSS {problem.code or problem.status}, request {problem.request_id or 'unknown'})"
    if elsewhere := _elsewhere(problem, region):
        return StoreUnreachable(f"{where}: {elsewhere[0]}{request}", help=elsewhere[1])
    if problem.code == "AccessDenied":
        way_out = (
            f"where its role is to (`compile --target iam`), grant it `{action}`; the bucket's policy may deny it, too"
        )
        return StoreDenied(f"{where}: the key may not do {action}{request}", help=way_out)
    if problem.code in _CODES:
        kind, what, way_out = _CODES[problem.code]
        return kind(f"{where}: {what}{request}", help=way_out, retryable=problem.code in _AGAIN)
    if _FULL.search(problem.code) or problem.status == 507:
        return StoreFull(f"{where}: its quota is used up{request}", help="raise the quota or expire backups")
    if problem.status == 404:
        return ObjectMissing(f"{where}: the object does not exist{request}")
    if problem.status == 403:
        return StoreDenied(f"{where}: refused{request}", help="check the key's permissions and the bucket's policy")
    if problem.code == _SPOILED or problem.status == -3:
        return StoreUnreachable(
            f"{where}: what arrives is not what was sent, each time it was tried{request}",
            help="something between this machine and the service spoils bytes (a proxy, a network card): find it",
            retryable=True,
        )
    if is_transient(problem):
        return StoreUnable(
            f"{where}: the service is not able to answer{request}", help="run it again later", retryable=True
        )
    return StoreFailed(f"{where}: {problem.message or 'the request failed'}{request}")


def _of_the_network(where: str, problem: BaseException) -> StoreUnreachable:
    cause = network_cause(problem)
    if _is_untrusted(problem):
        return StoreUntrusted(
            f"{where}: its certificate is not accepted: {cause.removeprefix(_BROKEN)}",
            help="look at the endpoint and this machine's clock; where an authority of your own vouches for it, name "
            "its bundle of certificates in REQUESTS_CA_BUNDLE",
        )
    return StoreUnreachable(f"{where}: {cause}", help="check the endpoint and the network", retryable=True)


def _is_untrusted(problem: BaseException) -> bool:
    """One that breaks off in the middle of a handshake is not: another try may succeed."""
    import requests

    return isinstance(problem, requests.exceptions.SSLError) and "EOF" not in str(problem)


def _elsewhere(problem: Any, region: str) -> tuple[str, str] | None:
    """What is said, and the way out, where the bucket is of another region than what was asked."""
    endpoint = getattr(problem, "details", {}).get("Endpoint")
    if problem.code == "AccessDenied" and endpoint:
        return "the bucket lies in another region", f"its endpoint is {endpoint}: correct the policy"
    if problem.code == "InvalidArgument" and "signing region" in problem.message.lower():
        way_out = (
            "write the bucket's own region as that of the store's site, or one of its endpoints; "
            "a region is written without `oss-` and `-internal`"
        )
        return f"requests are signed for region `{region}`, which is not the bucket's", way_out
    return None


def is_immutable(problem: StoreFailed) -> bool:
    """Whether the bucket's retention policy refused to remove or replace an object."""
    return getattr(problem.__cause__, "code", "") == "FileImmutable"


def lacks_permission(problem: BaseException | None) -> bool:
    """Whether the key is good and may not do what was asked: RAM, the bucket's policy or its ACL say so."""
    if not isinstance(problem, StoreDenied):
        return False
    return getattr(problem.__cause__, "code", "") == "AccessDenied" or lacks_permission(problem.__cause__)


def is_transient(problem: Any) -> bool:
    """Whether the same request may succeed a moment later."""
    if problem.status == -2:
        import requests

        return not isinstance(problem.exception, requests.exceptions.InvalidURL) and not _is_untrusted(
            problem.exception
        )
    if problem.status == -3 or problem.status in _DISCOUNTED:  # -3: the checksum differs, bytes were spoiled
        return True
    if problem.status == 507 or _FULL.search(problem.code):
        return False
    return problem.status in (408, 429) or problem.status >= 500 or problem.code in _TRANSIENT_CODES


def is_expired(problem: Any) -> bool:
    """Whether another key may do what this one could until now."""
    return problem.code in ("SecurityTokenExpired", "InvalidSecurityToken")


def is_busy(problem: Any) -> bool:
    """Whether the service refuses because too much is asked of it: then asking soon again makes it worse."""
    return problem.status in (429, 503) or problem.code in _BUSY_CODES


def asked_pause(problem: Any) -> float:
    """Seconds the service asks to wait when it throttles (`x-oss-qos-delay-time`, milliseconds)."""
    asked = str(problem.headers.get("x-oss-qos-delay-time", ""))
    return int(asked) / 1000 if _MILLISECONDS.fullmatch(asked) else 0.0


def network_cause(problem: BaseException) -> str:
    """The innermost reason of a failed request, without its URL."""
    kind = type(problem).__name__
    if slow := trickled(problem):
        return f"the connection is {slow}"
    if "Timeout" in kind:
        bound = _BOUND.search(str(problem))
        return f"no answer in time ({float(bound[1]):.0f} s)" if bound else "no answer in time"
    seen: BaseException = problem
    while inner := wrapped(seen):
        seen = inner
    text = re.sub(r"^.*?(?=\[Errno|\[SSL|Failed to|certificate)", "", str(seen)) or kind
    return f"{_BROKEN}{text}"
