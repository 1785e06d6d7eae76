"""Keys that a machine or pod is lent and that expire: of an ECS instance's RAM role, or of a pod's on ACK (RRSA).

Both answer a small HTTP request. What is lent is asked for again some minutes before it expires; while that fails and
the old key still holds, the old one is used.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bkpc_grammar.address import never_leaves
from bkpc_runtime.errors import BadUsage, Refused, StoreDenied, StoreFailed, StoreUnreachable
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey, can_be_sent

log = logging.getLogger(__name__)

METADATA = "http://100.100.100.200"
"""Where an ECS instance asks about itself."""
STS = "https://sts.aliyuncs.com"
RRSA = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
"""What ack-pod-identity-webhook sets in a pod that may take a role."""
AHEAD = 300.0
"""Seconds before its end in which a key is no longer begun with, half of what it lives at most: an upload signs each
part anew."""
_AGAIN = 30.0
"""Seconds after a renewal that failed, while the old key holds; and that a key counts as good at least, however this
machine's clock goes: OSS knows better."""
_PATIENCE = 10.0
_CODE = re.compile(r"[A-Za-z0-9.]{1,80}")
_HELD = "21600"
_LASTS = "3600"
"""Seconds that a pod's key is asked for: what every role allows."""


@dataclass(frozen=True, slots=True)
class Lent:
    """A key and when it ends, in seconds since 1970."""

    key: AccessKey
    ends: float


class Renewed:
    """The key that `ask` lends, asked for again in time; safe to share between threads.

    One thread asks at a time. While the old key holds, the others go on with it, and a renewal that failed is tried
    again after a while: no request waits for a service that is away. Where OSS calls a key expired before its time (a
    clock that goes wrong, a role that was changed) `drop` has another asked for.
    """

    def __init__(self, ask: Callable[[], Lent], clock: Callable[[], float] = time.time) -> None:
        self._ask, self._clock = ask, clock
        self._lent: Lent | None = None
        self._next = 0.0
        self._asking, self._known = threading.Lock(), threading.Lock()

    def __call__(self) -> AccessKey:
        held, due = self._held()
        if held is None:
            with self._asking:
                held, _ = self._held()  # by the thread that was waited for
                return held or self._renewed()
        if due and self._asking.acquire(blocking=False):
            try:
                return self._renewed()
            except StoreFailed as problem:
                log.warning("the key that is held is used: %s", problem)
                with self._known:
                    self._next = self._clock() + _AGAIN
            finally:
                self._asking.release()
        return held

    def drop(self, key: AccessKey) -> None:
        """What was lent is good no more, unless it is another by now."""
        with self._known:
            if self._lent is not None and self._lent.key == key:
                self._lent = None

    def _held(self) -> tuple[AccessKey | None, bool]:
        """The key that still holds, and whether another is to be asked for."""
        with self._known:
            now = self._clock()
            if self._lent is None or now >= self._lent.ends:
                return None, True
            return self._lent.key, now > self._next

    def _renewed(self) -> AccessKey:
        lent = self._ask()
        with self._known:
            now = self._clock()
            lasts = max(lent.ends - now, _AGAIN)
            self._lent, self._next = Lent(lent.key, now + lasts), now + max(lasts - AHEAD, lasts / 2)
        return lent.key


_renewed: dict[tuple[str, ...], Renewed] = {}
"""By store and by what is asked, for the whole process: a store is opened for every job and every look at it."""
_renewed_lock = threading.Lock()


def _shared(asked: tuple[str, ...], ask: Callable[[], Lent]) -> Renewed:
    with _renewed_lock:
        return _renewed.setdefault(asked, Renewed(ask))


def role_keys(store: str, role: str, environ: Mapping[str, str]) -> Renewed:
    """Of the pod where it has one (RRSA), else of the instance; `role` names the instance's, or is empty: its only one.

    The same for whoever asks the same for a store: it is asked for once, and renewed in time.

    Raises:
        BadUsage: the pod's variables are there, but not all.
        Refused: the pod's token would be sent over plain HTTP.
    """
    given = [name for name in RRSA if environ.get(name)]
    if not given:
        metadata = environ.get("BKPC_METADATA_ENDPOINT", METADATA)
        return _shared((store, role, metadata), lambda: of_instance(store, role, metadata))
    missing = [name for name in RRSA if name not in given]
    if missing:
        raise BadUsage(
            f"store `{store}`: this pod has {given[0]} but no {missing[0]}, so no role can be taken",
            help="let ack-pod-identity-webhook set them: annotate the namespace and the service account",
        )
    for name in RRSA[:2]:
        if not can_be_sent(environ[name]):
            raise BadUsage(
                f"store `{store}`: {name} has letters that no such name has, so no role can be taken",
                help="let ack-pod-identity-webhook set it, or export it anew",
            )
    arn, provider, file = (environ[name] for name in RRSA)
    sts = environ.get("ALIBABA_CLOUD_STS_ENDPOINT", STS)
    url = sts if "://" in sts else f"https://{sts}"
    _refuse_plain(store, url)
    return _shared((store, arn, provider, file, url), lambda: of_pod(store, arn, provider, Path(file), url))


def _refuse_plain(store: str, url: str) -> None:
    try:
        parts = urlsplit(url) if can_be_sent(url) else urlsplit("")
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadUsage(f"store `{store}`: ALIBABA_CLOUD_STS_ENDPOINT is no URL", help="export it as https://HOST")
    if parts.scheme == "http" and not never_leaves(parts.hostname):
        raise Refused(
            f"store `{store}`: ALIBABA_CLOUD_STS_ENDPOINT would have the pod's token go over plain HTTP",
            help=f"export ALIBABA_CLOUD_STS_ENDPOINT=https://{parts.netloc}",
        )


def of_instance(store: str, role: str, metadata: str) -> Lent:
    """What the metadata service lends, in its hardened mode (a token first).

    Raises:
        StoreDenied: there is no such role.
        StoreUnreachable: there is no such service, or it is away.
    """
    import requests

    path = "/latest/meta-data/ram/security-credentials/"
    try:
        with requests.Session() as session:
            session.trust_env = False  # never through a proxy

            def said(method: str, path: str, headers: dict[str, str]) -> requests.Response:
                answer = session.request(
                    method, metadata + path, headers=headers, timeout=_PATIENCE, allow_redirects=False
                )
                if answer.status_code != 200:  # a redirection is no answer either
                    raise requests.HTTPError(response=answer)
                return answer

            headers = {"X-aliyun-ecs-metadata-token-ttl-seconds": _HELD}
            token = {"X-aliyun-ecs-metadata-token": said("PUT", "/latest/api/token", headers).text}
            name = role or said("GET", path, token).text.strip()
            return _lent(said("GET", path + name, token).json())
    except (requests.RequestException, ValueError) as problem:
        named = f" `{role}`" if role else ""
        if _is_refused(problem):
            what = f"store `{store}`: this machine has no RAM role{named} to take"
            way_out = "attach a role to the ECS instance, or name variables: `credentials env KEY_ID, KEY_SECRET`"
        else:
            what = f"store `{store}`: RAM role{named} could not be taken, since {metadata} lends nothing"
            way_out = (
                "on an ECS instance look whether it can be reached from here; elsewhere name variables: "
                "`credentials env KEY_ID, KEY_SECRET`"
            )
        raise _failure(problem, what, way_out) from None


def of_pod(store: str, arn: str, provider: str, token: Path, sts: str) -> Lent:
    """What STS lends for the pod's own token; the token is read anew, since it is rotated.

    Raises:
        StoreDenied: the token can't be read, or STS refuses it.
        StoreUnreachable: STS is away.
    """
    import requests

    what, way_out = f"store `{store}`: role {arn} could not be taken", "check the role's trust policy"
    # As Alibaba's own libraries ask; the token in the body, since proxies write URLs down.
    call = {
        "Action": "AssumeRoleWithOIDC",
        "Version": "2015-04-01",
        "Format": "JSON",
        "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    asked = {
        "RoleArn": arn,
        "OIDCProviderArn": provider,
        "OIDCToken": _pods_own(token, what),
        "RoleSessionName": "bkpc",
        "DurationSeconds": _LASTS,
    }
    try:
        answer = requests.post(sts, params=call, data=asked, timeout=_PATIENCE, allow_redirects=False)
        said: Any = answer.json() if answer.status_code < 500 else None
        if answer.status_code != 200:
            raise _Refused(said.get("Code") if isinstance(said, dict) else None, answer.status_code)
        return _lent(said.get("Credentials") if isinstance(said, dict) else None)
    except (requests.RequestException, ValueError) as problem:
        raise _failure(problem, what, way_out) from None


def _pods_own(token: Path, what: str) -> str:
    try:
        said = token.read_bytes().decode("ascii", "replace").strip()
        why = "" if can_be_sent(said) else f"{token} holds no token"
    except OSError as problem:
        said, why = "", str(problem)
    if why:
        raise StoreDenied(f"{what}: {why}", help="look whether the pod's OIDC token file is mounted")
    return said


class _Refused(ValueError):
    """STS has answered with an error."""

    def __init__(self, code: object, status: int) -> None:
        named = isinstance(code, str) and _CODE.fullmatch(code)
        super().__init__(f"STS says {code if named else status}")
        self.status, self.throttled = status, named and "Throttling" in str(code)


def _lent(said: Any) -> Lent:
    """Raises ValueError where the answer lends no key."""
    if not isinstance(said, dict):
        raise ValueError("no key")
    key, secret, token, ends = (
        said.get(name) for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration")
    )
    if not all(isinstance(one, str) and can_be_sent(one) for one in (key, secret, token, ends)):
        raise ValueError("no key")
    until = datetime.fromisoformat(str(ends))
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return Lent(AccessKey(str(key), Secret(str(secret)), Secret(str(token))), until.timestamp())


def _failure(problem: Exception, what: str, way_out: str) -> StoreFailed:
    """An answer that makes no sense, or none, may be another the next time; a refusal stays one."""
    if _is_refused(problem):
        return StoreDenied(f"{what}: {_why(problem)}", help=way_out)
    return StoreUnreachable(f"{what}: {_why(problem)}", help=way_out, retryable=True)


def _is_refused(problem: Exception) -> bool:
    status = getattr(problem, "status", getattr(getattr(problem, "response", None), "status_code", None))
    refused = status is not None and 400 <= status < 500 and status not in (408, 429)
    return refused and not getattr(problem, "throttled", False)


def _why(problem: Exception) -> str:
    """Without what was sent: a request's own words may repeat a token."""
    if isinstance(problem, _Refused):
        return str(problem)
    answer = getattr(problem, "response", None)
    if answer is not None:
        return f"the service answers {answer.status_code}"
    return "no answer in time" if "Timeout" in type(problem).__name__ else "no usable answer"
