"""Events on a webhook: delivered where it can be, never in the way, and nothing of the URL is told."""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bkpc_runtime import events, webhook
from bkpc_runtime.commands.event_stream import VARIABLE
from bkpc_runtime.commands.outcome import reported, say
from bkpc_runtime.secret import Secret
from tests.oss_server.certificate import tls_context
from tests.runtime.test_events import TEXT, told

SECRET = "T0-a-token-nobody-should-see"


class Hook(ThreadingHTTPServer):
    """Answers with `answers`, the last one for ever; 0: not at all until the test ends."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers: list[int] = [200]
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/{SECRET}?key={SECRET}"

    def names(self) -> list[str]:
        return [event["event"] for _, _, event in self.asked]


class _Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Hook)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if not answer:
            self.server.over.wait(60)
            return
        self.send_response(answer)
        if answer == 302:
            self.send_header("Location", f"/elsewhere/{SECRET}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening_hook() -> Iterator[Hook]:
    with Hook() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            serving.join()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setattr(webhook, "_FIRST_PAUSE", 0.02)
    with listening_hook() as server:
        monkeypatch.setenv(VARIABLE, server.url)
        yield server


def command(does: Callable[[], None] = lambda: None) -> Callable[[argparse.Namespace], int]:
    @reported
    def run(_: argparse.Namespace) -> int:
        with events.step("orders/full", "backup.full", "orders") as step:
            step.moved(1)
            say("for people")
            does()
        return 0

    return run


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("told_as", ["text", "json"])
def test_the_same_objects_are_posted_in_order(hook: Hook, told_as: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = argparse.Namespace(told_as=told_as, plan="plan.json")
    assert command()(arguments) == 0
    out, err = capsys.readouterr()
    assert err == "for people\n"
    assert hook.names() == ["hello", "begun", "ended", "result"]
    path, headers, _ = hook.asked[0]
    assert path == f"/hook/{SECRET}?key={SECRET}"
    assert (headers["Content-Type"], headers["Bkpc-Events"]) == ("application/json", "1")
    if told_as == "json":
        assert [event for _, _, event in hook.asked] == [
            one for one in told(out) if one["event"] not in {"said", "progress"}
        ]
    else:
        assert out == ""


def test_what_fails_is_tried_again_and_order_stays(hook: Hook) -> None:
    hook.answers = [500, 503, 429, 200]
    command(lambda: until(lambda: len(hook.asked) >= 5))(TEXT)
    assert hook.names() == ["hello"] * 4 + ["begun", "ended", "result"]


def test_what_is_told_at_the_end_is_tried_once_more(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    hook.answers = [200, 200, 503, 200, 503, 503, 200]
    assert command(lambda: until(lambda: len(hook.asked) >= 2))(TEXT) == 0
    assert hook.names() == ["hello", "begun", "ended", "ended", "result", "result"]
    assert caplog.text.count("is not delivered: it answers 503") == 1


@pytest.mark.parametrize(("answer", "why"), [(302, "is not followed"), (404, "it answers 404")])
def test_a_redirect_is_not_followed_and_what_is_refused_not_repeated(
    hook: Hook, answer: int, why: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.answers = [answer]
    assert command()(TEXT) == 0
    assert hook.names() == ["hello", "begun", "ended", "result"]
    assert {path for path, _, _ in hook.asked} == {f"/hook/{SECRET}?key={SECRET}"}
    assert caplog.text.count(why) == 4
    assert SECRET not in caplog.text + "".join(capsys.readouterr())


def test_one_that_hangs_is_in_nobodys_way(
    hook: Hook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhook, "_WAITING", 5)
    monkeypatch.setattr(webhook, "_AT_THE_END", 0.3)
    hook.answers = [0]
    took: list[float] = []

    def many() -> None:
        until(lambda: len(hook.asked) == 1)
        began = time.monotonic()
        for number in range(2000):
            events.tell(events.Warning(severity="warning", text=f"{number}"))
        took.append(time.monotonic() - began)

    began = time.monotonic()
    assert command(many)(TEXT) == 0
    assert took[0] < 2
    assert time.monotonic() - began < 10
    assert "were not delivered in time" in caplog.text
    assert SECRET not in caplog.text


def test_what_is_left_out_is_counted(
    hook: Hook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhook, "_WAITING", 5)
    monkeypatch.setattr(webhook, "_TIMEOUT", 3.0)  # longer than fifty events take on a busy machine
    monkeypatch.setattr(webhook, "_AT_THE_END", 60.0)
    hook.answers = [0, 200]

    def many() -> None:
        until(lambda: len(hook.asked) == 1)
        for number in range(50):
            events.tell(events.Warning(severity="warning", text=f"{number}"))
        until(lambda: "events were left out" in caplog.text)

    assert command(many)(TEXT) == 0
    assert "timed out" in caplog.text or len(hook.asked) >= 2
    assert "webhook: 46 events were left out: 5 wait already" in caplog.text
    assert hook.names()[-2:] == ["ended", "result"]


def test_nobody_answers_there(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(webhook, "_FIRST_PAUSE", 0.01)
    with Hook() as gone:
        url = gone.url
    monkeypatch.setenv(VARIABLE, url)
    assert command()(TEXT) == 0
    assert "Connection refused" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"http://example.org/{SECRET}", "it is not https"),
        (f"http://127.0.0.1.example.org/{SECRET}", "it is not https"),
        (f"file:///{SECRET}", "it is no URL"),
        (f"https://user:{SECRET}@example.org/", "it names a user"),
        (f"https://example.org:{SECRET}/", "it is no URL"),
        (f"https://example.org/{SECRET}\r\nHost: other", "it holds characters that no URL has"),
        (SECRET, "it is no URL"),
    ],
)
def test_a_url_that_is_none_is_said_and_the_work_done(
    url: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, url)
    assert command()(TEXT) == 0
    err = capsys.readouterr().err
    assert err.startswith(f"warning: no events are sent, BKPC_WEBHOOK can't be used: {why}")
    assert err.endswith("for people\n")
    assert SECRET not in err


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_must_be_trusted(
    hook: Hook, trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    context, authority = tls_context(tmp_path, ["localhost"])
    hook.socket = context.wrap_socket(hook.socket, server_side=True)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    monkeypatch.setenv(VARIABLE, hook.url.replace("http://127.0.0.1", "https://localhost"))
    assert command()(TEXT) == 0
    assert hook.names() == (["hello", "begun", "ended", "result"] if trusted else [])
    assert caplog.text.count("certificate verify failed") == (0 if trusted else 4)
    assert SECRET not in caplog.text


def test_https_and_this_machine_are_fine() -> None:
    for url in ("https://example.org/x", "http://localhost:1/x", "http://[::1]:8080", "http://127.8.9.1/x?y=z"):
        webhook.place_of(Secret(url))
