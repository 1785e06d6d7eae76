"""Events sent to a URL, one POST each: from a queue that never holds up what is told, and never fails it.

The URL is a secret: whoever knows it may write there. It comes from the environment, and is nowhere printed.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import logging
import queue
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from bkpc_runtime import events
from bkpc_runtime.secret import Secret

log = logging.getLogger(__name__)
_WAITING = 1000
"""Events that may wait; more are left out, and counted."""
_ATTEMPTS = 7
_TIMEOUT = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_AT_THE_END = 10.0
"""Seconds that a command waits at its end for what still waits."""
_TRY_AGAIN = {408, 425, 429}
_LEFT_OUT = (events.Progress, events.Said)
"""What nobody acts on."""


class NoWebhook(ValueError):
    """The URL is none that events are sent to; the message holds nothing of it."""


@dataclass(frozen=True, slots=True)
class _Place:
    host: str
    port: int | None
    encrypted: bool
    path: Secret


def place_of(url: Secret) -> _Place:
    """Where a URL leads.

    Raises:
        NoWebhook: it is no https URL (http to this machine itself), or holds what is none of a URL's.
    """
    text = url.reveal()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise NoWebhook("it holds characters that no URL has")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NoWebhook("it is no URL") from None
    if not host:
        raise NoWebhook("it is no URL")
    if parts.username is not None or parts.password is not None:
        raise NoWebhook("it names a user: a secret goes into its path or query")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(host)):
        raise NoWebhook("it is not https (http leads to this machine alone)")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Place(host, port, parts.scheme == "https", Secret(path))


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextlib.contextmanager
def sending(url: Secret) -> Iterator[None]:
    """What is told while the block runs is sent; at its end what still waits is waited for, a few seconds."""
    hook = _Webhook(place_of(url))
    try:
        with events.listening(hook.hear):
            yield
    finally:
        hook.close()


class _Failed(Exception):
    """One try; `again`: another may do."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


class _Webhook:
    """A queue, and the thread that empties it."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self._waiting: queue.Queue[events.Event | None] = queue.Queue(_WAITING)
        self._ending, self._given_up = threading.Event(), threading.Event()
        self._lost = self._lost_said = 0
        self._context = ssl.create_default_context() if place.encrypted else None
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def hear(self, event: events.Event) -> None:
        if isinstance(event, _LEFT_OUT) or threading.current_thread() is self._thread:
            return  # what the webhook's own thread says of its failures would only fail too
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        until = time.monotonic() + _AT_THE_END
        self._ending.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=_AT_THE_END)
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            self._given_up.set()
            log.warning("webhook: about %d events were not delivered in time", self._waiting.qsize())

    def _run(self) -> None:
        while (event := self._waiting.get()) is not None and not self._given_up.is_set():
            try:
                self._deliver(event)
            except _Failed as problem:
                log.warning("webhook: an event (%s) is not delivered: %s", events.as_fields(event)["event"], problem)
            if lost := self._lost - self._lost_said:
                self._lost_said += lost
                log.warning("webhook: %d events were left out: %d wait already", lost, _WAITING)

    def _deliver(self, event: events.Event) -> None:
        body = json.dumps(events.as_fields(event)).encode()
        pause, last = _FIRST_PAUSE, False
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._post(body)
            except _Failed as problem:
                if not problem.again or attempt == _ATTEMPTS or last:
                    raise
                last = self._ending.wait(pause)
                if last:  # the end of a command is when most is told: once more, but not at once
                    self._given_up.wait(_FIRST_PAUSE)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return None

    def _post(self, body: bytes) -> None:
        place = self._place
        connection = (
            http.client.HTTPSConnection(place.host, place.port, timeout=_TIMEOUT, context=self._context)
            if place.encrypted
            else http.client.HTTPConnection(place.host, place.port, timeout=_TIMEOUT)
        )
        headers = {"Content-Type": "application/json", "Bkpc-Events": str(events.VERSION), "User-Agent": "bkpc"}
        try:
            connection.request("POST", place.path.reveal(), body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as problem:
            # Of no more than its kind: texts of exceptions may hold parts of the URL.
            raise _Failed(getattr(problem, "strerror", None) or type(problem).__name__, again=True) from None
        finally:
            connection.close()
        if 300 <= status < 400:
            raise _Failed(f"it answers {status}, and where it redirects to is not followed", again=False)
        if status >= 400:
            raise _Failed(f"it answers {status}", again=status >= 500 or status in _TRY_AGAIN)
