"""Keys that a machine or pod is lent and that expire: of an ECS instance's RAM role, or of a pod's on ACK (RRSA).

Both answer a small HTTP request. What is lent is asked for again some minutes before it expires; while that fails and
the old key still holds, the old one is used.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bkpc_runtime.errors import BadUsage, StoreDenied
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey

METADATA = "http://100.100.100.200"
"""Where an ECS instance asks about itself."""
STS = "https://sts.aliyuncs.com"
RRSA = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
"""What ack-pod-identity-webhook sets in a pod that may take a role."""
AHEAD = 300.0
"""Seconds before its end in which a key is no longer begun with: an upload signs each part anew."""
_PATIENCE = 10.0
_HELD = "21600"


@dataclass(frozen=True, slots=True)
class Lent:
    """A key and when it ends, in seconds since 1970."""

    key: AccessKey
    ends: float


class Renewed:
    """The key that `ask` lends, asked for again in time; safe to share between threads."""

    def __init__(self, ask: Callable[[], Lent], clock: Callable[[], float] = time.time) -> None:
        self._ask, self._clock = ask, clock
        self._lent: Lent | None = None
        self._lock = threading.Lock()

    def __call__(self) -> AccessKey:
        with self._lock:
            now = self._clock()
            if self._lent is None or now > self._lent.ends - AHEAD:
                try:
                    self._lent = self._ask()
                except StoreDenied:
                    if self._lent is None or now >= self._lent.ends:
                        raise
            return self._lent.key


def role_keys(store: str, role: str, environ: Mapping[str, str]) -> Renewed:
    """Of the pod where it has one (RRSA), else of the instance; `role` names the instance's, or is empty: its only one.

    Raises:
        BadUsage: the pod's variables are there, but not all.
    """
    given = [name for name in RRSA if environ.get(name)]
    if not given:
        metadata = environ.get("BKPC_METADATA_ENDPOINT", METADATA)
        return Renewed(lambda: of_instance(store, role, metadata))
    missing = [name for name in RRSA if name not in given]
    if missing:
        raise BadUsage(
            f"store `{store}`: this pod has {given[0]} but no {missing[0]}, so no role can be taken",
            help="let ack-pod-identity-webhook set them: annotate the namespace and the service account",
        )
    arn, provider, file = (environ[name] for name in RRSA)
    sts = environ.get("ALIBABA_CLOUD_STS_ENDPOINT", STS)
    url = sts if "://" in sts else f"https://{sts}"
    return Renewed(lambda: of_pod(store, arn, provider, Path(file), url))


def of_instance(store: str, role: str, metadata: str) -> Lent:
    """What the metadata service lends, in its hardened mode (a token first).

    Raises:
        StoreDenied: there is no such service or role.
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
                answer.raise_for_status()
                return answer

            headers = {"X-aliyun-ecs-metadata-token-ttl-seconds": _HELD}
            token = {"X-aliyun-ecs-metadata-token": said("PUT", "/latest/api/token", headers).text}
            name = role or said("GET", path, token).text.strip()
            lent = said("GET", path + name, token).json()
        return _lent(lent["AccessKeyId"], lent["AccessKeySecret"], lent["SecurityToken"], lent["Expiration"])
    except (requests.RequestException, KeyError, ValueError) as problem:
        raise StoreDenied(
            f"store `{store}`: this machine has no RAM role{f' `{role}`' if role else ''} to take: {_why(problem)}",
            help="attach a role to the ECS instance, or name variables: `credentials env KEY_ID, KEY_SECRET`",
        ) from None


def of_pod(store: str, arn: str, provider: str, token: Path, sts: str) -> Lent:
    """What STS lends for the pod's own token; the token is read anew, since it is rotated.

    Raises:
        StoreDenied: the token can't be read, or STS refuses it.
    """
    import requests

    try:
        asked = {
            "Action": "AssumeRoleWithOIDC",
            "Version": "2015-04-01",
            "Format": "JSON",
            "RoleArn": arn,
            "OIDCProviderArn": provider,
            "OIDCToken": token.read_text(encoding="utf-8").strip(),
            "RoleSessionName": "bkpc",
        }
        answer = requests.post(sts, data=asked, timeout=_PATIENCE, allow_redirects=False)
        said: dict[str, Any] = answer.json()
        if answer.status_code != 200:
            raise ValueError(f"STS says {said.get('Code', answer.status_code)}")
        lent = said["Credentials"]
        return _lent(lent["AccessKeyId"], lent["AccessKeySecret"], lent["SecurityToken"], lent["Expiration"])
    except (OSError, KeyError, ValueError) as problem:
        raise StoreDenied(
            f"store `{store}`: role {arn} could not be taken: {_why(problem)}",
            help="check the role's trust policy, and that the pod's OIDC token file is mounted",
        ) from None


def _lent(key: str, secret: str, token: str, ends: str) -> Lent:
    return Lent(AccessKey(key, Secret(secret), Secret(token)), datetime.fromisoformat(ends).timestamp())


def _why(problem: Exception) -> str:
    """Without what was sent: a request's own words may repeat a token."""
    if isinstance(problem, ValueError) and str(problem).startswith("STS says"):
        return str(problem)
    if isinstance(problem, FileNotFoundError | PermissionError):
        return str(problem)
    answer = getattr(problem, "response", None)
    if answer is not None:
        return f"the service answers {answer.status_code}"
    return "no answer in time" if "Timeout" in type(problem).__name__ else "no usable answer"
