"""What comes back counts only when OSS has said it, and when it can be read.

A proxy, a login page or a portal of a network answers, too, and with 200: taken for OSS, it would have stored a backup
that is nowhere. Redirections are never followed: a PUT would arrive elsewhere as a GET, with our key's token. Beside
`oss_calls.py` the only file that imports oss2.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Collection
from typing import Any, TypeVar
from urllib.parse import urlsplit
from xml.etree import ElementTree

import oss2
import requests

from bkpc_runtime import leaving
from bkpc_runtime.stores.oss_connection import SteadyAdapter
from bkpc_runtime.stores.oss_failures import NOT_OF_OSS, NOT_POSSIBLE, NOT_SENT, UNREADABLE, WITHOUT_SUM
from bkpc_runtime.stores.patience import Patience

T = TypeVar("T")
_SUCCESS, _REDIRECTED, _REFUSED, _FAILED = 200, 300, 400, 500
_BUSY = (408, 429)
_LONGEST = 200
_LITTLE = 256 * 1024
_DECIMAL = re.compile(r"[0-9]{1,20}")
_CANNOT_BE_WRITTEN = "a request can't be written: a key or a name in it has a line break, or letters that none can have"
_UNREADABLE = (ElementTree.ParseError, RuntimeError, ValueError, LookupError, AttributeError, TypeError)
"""What oss2 raises of a document that is none, or is cut short, or lacks what it should have."""


class _Asked(threading.local):
    """What this thread has asked for last, as RAM calls it, and whether anything has been answered since."""

    action = ""
    answered = False


_asked = _Asked()


def asked_for() -> str:
    """What this thread has asked of the service last: the action that RAM allows or denies."""
    return _asked.action


def _action(method: str, asked: Collection[str]) -> str:
    """Of a request for an object, or for what a bucket holds; those for its settings are named where they are made."""
    if "uploadId" in asked:
        return {"GET": "oss:ListParts", "DELETE": "oss:AbortMultipartUpload"}.get(method, "oss:PutObject")
    if "uploads" in asked:
        return "oss:ListMultipartUploads" if method == "GET" else "oss:PutObject"
    for name, action in (("list-type", "ListObjects"), ("delete", "DeleteObject"), ("restore", "RestoreObject")):
        if name in asked:
            return f"oss:{action}"
    return {"PUT": "oss:PutObject", "DELETE": "oss:DeleteObject"}.get(method, "oss:GetObject")


class Discounted(oss2.exceptions.OssError):  # type: ignore[misc]  # oss2 carries no types
    """An answer that says nothing of what was asked; `status` is one of `oss_failures.py`."""

    def __init__(self, status: int, what: str, request_id: str = "") -> None:
        super().__init__(status, {"x-oss-request-id": request_id}, "", {"Message": what})


class OssSession(oss2.Session):  # type: ignore[misc]
    """Follows no redirection, and takes nothing for an answer that OSS did not give."""

    def __init__(self, pool_size: int, patience: Patience) -> None:
        super().__init__(pool_size, SteadyAdapter(pool_size, patience.trickle))
        self._patience = patience
        self.session.hooks["response"].append(_counts)

    def do_request(self, req: Any, timeout: Any) -> Any:
        _asked.action = _action(req.method, req.params or ())
        timeout = (self._patience.connect, self._answer(req))  # requests takes both, whatever oss2 calls it
        if leaving.is_told():
            timeout = (min(timeout[0], leaving.ONE), min(timeout[1], leaving.ONE))
        if leaving.is_over():
            raise Discounted(NOT_POSSIBLE, "nothing is sent any more: bkpc was told to stop")
        try:
            answer = self.session.request(
                req.method,
                req.url,
                data=req.data,
                params=req.params,
                headers=req.headers,
                stream=True,
                timeout=timeout,
                proxies=req.proxies,
                allow_redirects=False,
            )
        except (requests.exceptions.InvalidHeader, UnicodeEncodeError):
            # Their own words repeat what can't be written, which may be a secret.
            raise Discounted(NOT_SENT, _CANNOT_BE_WRITTEN) from None
        except requests.RequestException as problem:
            raise oss2.exceptions.RequestError(problem) from problem
        except OSError as problem:  # of this machine: a bundle of certificates that is not there, a disk
            raise Discounted(NOT_POSSIBLE, f"this machine can't send a request: {problem}") from problem
        return oss2.http.Response(answer)

    def _answer(self, req: Any) -> float:
        """A dead connection is to be noticed before a log lags; what puts an upload together may take its time, and so
        may what a proxy on a slow link has taken in and not passed on yet."""
        size = len(req.data or b"")
        if (req.method == "POST" and "uploadId" in (req.params or ())) or size > _LITTLE:
            return self._patience.answer
        return min(self._patience.quick * (1 + size / _LITTLE), self._patience.answer)


def _counts(answer: requests.Response, **_: Any) -> None:
    """Called before requests looks where a redirection leads.

    Raises:
        OssError: it does not.
    """
    _asked.answered = True
    what = _not_of_oss(answer)
    if what:
        answer.close()
        raise Discounted(NOT_OF_OSS, what)


def _not_of_oss(answer: requests.Response) -> str:
    """Why it counts for nothing; empty where it does. A gateway of OSS that is busy or broken may give no id."""
    status, request = answer.status_code, answer.headers.get("x-oss-request-id", "")
    if _REDIRECTED <= status < _REFUSED:
        return f"redirected (HTTP {status}) to {_place(answer.headers.get('Location', ''))}, where nothing is sent"
    if status < _FAILED and status not in _BUSY and not request:
        return f"what answers (HTTP {status}) is not OSS: it gives no x-oss-request-id"
    return ""


def _place(location: str) -> str:
    """Where a redirection points, without what may be a secret: what follows a `?`, and a user with a password."""
    try:
        parts = urlsplit(location)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "no place"
    host = f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else ""
    place = "".join(char for char in host + parts.path if char.isprintable())[:_LONGEST]
    return place or "no place"


def answered(work: Callable[[Any], T], bucket: Any) -> T:
    """`work(bucket)`; an answer that breaks off while oss2 reads it, or makes no sense, is as good as none.

    What goes wrong before anything is answered is ours: a request that can't be written, or a mistake in bkpc.
    """
    _asked.answered = False
    try:
        return work(bucket)
    except requests.RequestException as problem:
        raise oss2.exceptions.RequestError(problem) from problem
    except UnicodeEncodeError:
        raise Discounted(NOT_SENT, _CANNOT_BE_WRITTEN) from None
    except _UNREADABLE as problem:
        if not _asked.answered:
            raise
        raise Discounted(UNREADABLE, f"the answer makes no sense: {_lacking(problem)}") from problem


def _lacking(problem: Exception) -> str:
    if isinstance(problem, json.JSONDecodeError):
        return "it is no JSON"
    return "it is no XML" if isinstance(problem, ElementTree.ParseError) else "it lacks what it should have"


def told_crc(answer: Any) -> int | None:
    """The CRC-64 that the service has computed; None where it says none, as of objects that were copied within it."""
    found = answer.headers.get("x-oss-hash-crc64ecma", "")
    return int(found) if _DECIMAL.fullmatch(found) else None


def spoiled(answer: Any, ours: int) -> bool:
    """Whether the service has computed another CRC-64 than we: bytes were spoiled on the way."""
    return told_crc(answer) not in (None, ours)


def with_sum(answer: Any) -> Any:
    """The answer to what was written: OSS tells the CRC-64 of what it has stored, always.

    Raises:
        OssError: it tells none.
    """
    if told_crc(answer) is None:
        raise Discounted(WITHOUT_SUM, "the answer tells no CRC-64 of what was stored", answer.request_id)
    return answer


def unless_spoiled(answer: Any, ours: int) -> Any:
    """The answer to what was written, when OSS has stored what was sent.

    Raises:
        OssError: it tells another CRC-64 than ours, or none.
    """
    if spoiled(with_sum(answer), ours):
        what = f"CRC-64 {told_crc(answer)} at the service, {ours} here"
        raise oss2.exceptions.InconsistentError(what, answer.request_id)
    return answer
