"""Only what OSS itself says counts: no proxy, no login page, no document that is none, and nobody is followed."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bkpc_runtime.errors import StoreFailed, StoreUnreachable
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.oss_calls import OssCalls
from bkpc_runtime.stores.oss_settings import BucketSettings
from bkpc_runtime.stores.oss_upload import ONE_REQUEST
from bkpc_runtime.stores.patience import Patience
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.faults import Fault

BODY = secrets.token_bytes(ONE_REQUEST + 5)
SHORT = Patience(total=0.05, first=0.001, longest=0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path) as server:
        server.bucket()
        yield server
        assert server.problems == []


class Elsewhere(BaseHTTPRequestHandler):
    """Says yes to everything, and writes down what it was sent."""

    seen: list[str]

    def _said(self) -> None:
        self.seen.append(f"{self.command} {self.headers}")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self._said()

    def do_HEAD(self) -> None:
        self._said()

    def do_PUT(self) -> None:
        self._said()

    def do_POST(self) -> None:
        self._said()

    def do_DELETE(self) -> None:
        self._said()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """Where a redirection leads, and what arrives there."""
    seen: list[str] = []
    monkeypatch.setattr(Elsewhere, "seen", seen, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as other:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{other.server_port}", seen
        other.shutdown()


def opened(server: OssServer, patience: Patience = SHORT) -> OssStore:
    key = server.lend()
    access = AccessKey(key.id, Secret(key.secret), Secret(key.token))
    return OssStore("far", "backup", server.endpoint, REGION, "", lambda: access, patience)


def settings_of(server: OssServer, patience: Patience = SHORT) -> BucketSettings:
    access = AccessKey(KEY_ID, Secret(KEY_SECRET))
    calls = OssCalls("`far`", "backup", server.endpoint, REGION, lambda: access, path_style=False, patience=patience)
    return BucketSettings("far", "backup", calls, patience)


def uploaded(store: OssStore, *, resumes: bool = False) -> object:
    with store.writer("large", len(BODY), resumes=resumes) as writer:
        writer.write(BODY)
        return writer.commit()


CALLS: dict[str, Callable[[OssStore], object]] = {
    "put": lambda store: store.put("b", b"x"),
    "upload": uploaded,
    "resumed": lambda store: uploaded(store, resumes=True),
    "get": lambda store: store.get("a"),
    "head": lambda store: store.head("a"),
    "list": lambda store: list(store.list("")),
    "folders": lambda store: list(store.folders("")),
    "delete": lambda store: store.delete("a"),
    "delete_many": lambda store: store.delete_many(["a"]),
    "sweep": lambda store: store.sweep(0),
    "thaw": lambda store: store.thaw(store.head("a") or pytest.fail("gone"), 1, "Standard"),
}


@pytest.mark.parametrize("call", CALLS)
def test_nobody_is_followed(server: OssServer, elsewhere: tuple[str, list[str]], call: str) -> None:
    place, seen = elsewhere
    store = opened(server)
    store.put("a", b"1")
    for status in (301, 302, 303, 307, 308):
        server.faults.rules.clear()
        server.fault("foreign", status=status, headers={"Location": f"{place}/login?token=hush"})
        with pytest.raises(StoreUnreachable, match=rf"far.*redirected \(HTTP {status}\) to {place}/login,") as raised:
            CALLS[call](store)
        assert raised.value.retryable
        assert "login page" in raised.value.help
        assert "hush" not in str(raised.value)
    assert seen == []


@pytest.mark.parametrize("location", ["", "/login", "http://me:hush@[x", "//h:99999/", "\x01\u202e"])
def test_a_redirection_of_oss_to_anywhere_is_told(server: OssServer, location: str) -> None:
    """As a bucket's own rules for missing objects have it."""
    server.fault("status", status=302, code="Found", headers={"Location": location})
    with pytest.raises(StoreUnreachable, match=r"redirected \(HTTP 302\)") as raised:
        opened(server).get("a")
    assert "rule of the bucket" in raised.value.help
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("call", CALLS)
def test_what_somebody_else_says_is_no_answer(server: OssServer, call: str) -> None:
    """Nor that an object is not there: who asks would go on without it."""
    store = opened(server)
    store.put("a", b"1")
    for status in (200, 204, 400, 403, 404, 416):
        server.faults.rules.clear()
        server.fault("foreign", status=status)
        with pytest.raises(StoreUnreachable, match=rf"far.*what answers \(HTTP {status}\) is not OSS") as raised:
            CALLS[call](store)
        assert raised.value.retryable


PASSING = (
    Fault("foreign", status=200),
    Fault("babble"),
    Fault("foreign", status=302, headers={"Location": "/-/requests"}),
)


@pytest.mark.parametrize("call", CALLS)
def test_where_it_passes_the_next_try_does_it(server: OssServer, call: str) -> None:
    store = opened(server, Patience(total=5.0, first=0.001, longest=0.01))
    store.put("a", b"1")
    for fault in PASSING:
        for nth in range(1, 4):
            server.faults.rules = [replace(fault, nth=nth, times=1)]
            CALLS[call](store)
    server.faults.rules.clear()
    assert [one.key for one in store.list("")] == {
        "put": ["a", "b"],
        "upload": ["a", "large"],
        "resumed": ["a", "large"],
        "delete": [],
        "delete_many": [],
    }.get(call, ["a"])


@pytest.mark.parametrize(
    ("match", "work"), [("PUT", CALLS["put"]), ("PUT.*partNumber", uploaded), ("POST.*uploadId", uploaded)]
)
def test_what_was_stored_is_told_with_its_sum(
    server: OssServer, monkeypatch: pytest.MonkeyPatch, match: str, work: Callable[[OssStore], object]
) -> None:
    """Something on the way that takes headers out."""
    from tests.oss_server.connection import Handler

    true = Handler._carried_out

    def without(handler: Handler, call: Any) -> Any:
        answer = true(handler, call)
        if handler.command == match.partition(".")[0] and match.partition("*")[2] in handler.path:
            answer.headers.pop("x-oss-hash-crc64ecma", None)
        return answer

    monkeypatch.setattr(Handler, "_carried_out", without)
    if match.startswith("POST"):  # what lies there is looked at: it is whole
        work(opened(server))
        assert opened(server).get("large") == BODY
        return
    with pytest.raises(StoreUnreachable, match="tells no CRC-64 of what was stored"):
        work(opened(server))


SETTINGS: dict[str, Callable[[BucketSettings], object]] = {
    "info": lambda one: one.info(),
    "encryption": lambda one: one.encryption(),
    "public": lambda one: one.blocks_public_access(),
    "lifecycle": lambda one: one.lifecycle(),
    "retention": lambda one: one.retention(),
    "policy": lambda one: one.policy(),
}


@pytest.mark.parametrize("call", SETTINGS)
def test_settings_that_make_no_sense_are_asked_for_again(server: OssServer, call: str) -> None:
    patient = settings_of(server, Patience(total=5.0, first=0.001, longest=0.01))
    patient.encrypt("AES256")
    patient.begin_retention(1)
    patient.block_public_access()
    rule = b"<Rule><ID>a</ID><Prefix>x</Prefix><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule>"
    patient.put_lifecycle(b"<LifecycleConfiguration>%s</LifecycleConfiguration>" % rule, overlaps=False)
    patient.put_policy('{"Version": "1", "Statement": []}')
    wanted = SETTINGS[call](patient)
    assert wanted
    kind = "corrupt" if call == "policy" else "babble"
    server.fault(kind, times=2)  # type: ignore[arg-type]
    assert SETTINGS[call](patient) == wanted
    server.fault(kind)  # type: ignore[arg-type]
    with pytest.raises(StoreUnreachable, match=r"far.*makes no sense: it is no (XML|JSON)") as raised:
        SETTINGS[call](settings_of(server))
    assert raised.value.retryable


@pytest.mark.parametrize("call", ["list", "upload", "resumed", "delete_many", "sweep"])
@pytest.mark.parametrize(("kind", "after"), [("corrupt", 1), ("corrupt", 60), ("babble", 0)])
def test_a_document_that_is_none_is_told_in_words(server: OssServer, call: str, kind: Any, after: int) -> None:
    store = opened(server)
    store.put("a", b"1")
    server.fault(kind, match="list-type|uploads|delete", after=after)
    with pytest.raises(StoreUnreachable, match="makes no sense") as raised:
        CALLS[call](store)
    assert raised.value.retryable


@pytest.mark.parametrize("match", ["uploadId=[^&]*$", "lifecycle"])
def test_a_document_that_was_spoiled_on_the_way_is_sent_again(server: OssServer, match: str) -> None:
    server.fault("garble", match=match, times=1)
    if match == "lifecycle":
        rule = (
            b"<Rule><ID>a</ID><Prefix>x</Prefix><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule>"
        )
        settings_of(server).put_lifecycle(b"<LifecycleConfiguration>%s</LifecycleConfiguration>" % rule, overlaps=False)
    else:
        uploaded(opened(server))
        assert opened(server).get("large") == BODY
    assert server.faults.rules == []


@pytest.mark.parametrize("spoilt", ["日本", "one\r\nline", "one\n line", "\udc80"])
@pytest.mark.parametrize("part", ["id", "secret", "token"])
def test_a_key_that_can_not_be_sent_is_told_at_once_and_not_shown(server: OssServer, part: str, spoilt: str) -> None:
    """Whoever gives the key should have refused it."""
    given = {"id": "hush", "secret": "hush", "token": "hush"} | {part: f"hush{spoilt}hush"}
    access = AccessKey(given["id"], Secret(given["secret"]), Secret(given["token"]))
    store = OssStore("far", "backup", server.endpoint, REGION, "", lambda: access)  # patient: not tried again
    with pytest.raises(StoreFailed) as raised:
        store.put("a", b"1")
    assert "hush" not in f"{raised.value} {raised.value.help}"
    assert "makes no sense" not in str(raised.value)
    assert not raised.value.retryable


def test_a_mistake_of_ours_is_not_laid_on_the_service(server: OssServer) -> None:
    calls = OssCalls("`far`", "backup", server.endpoint, REGION, lambda: AccessKey(KEY_ID, Secret(KEY_SECRET)), False)
    with pytest.raises(AttributeError):
        calls.do("", lambda bucket: bucket.no_such_request(), SHORT)
