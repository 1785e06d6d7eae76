"""The HTTP side: requests in, faults where a test asked for them, answers out."""

from __future__ import annotations

import base64
import contextlib
import io
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.oss_server import operations
from tests.oss_server.disk import BucketOnDisk
from tests.oss_server.operations import Answer
from tests.oss_server.refusal import Refusal
from tests.oss_server.signature import Asked, check_signature

KEY_ID, KEY_SECRET = "LTAI5tTestKeyForLoopback", "a-secret-of-a-throwaway-server"
REGION = "cn-hangzhou"
_LARGEST_CHUNKED = 1024 * 1024


@dataclass(slots=True)
class Faults:
    """What shall go wrong next."""

    failures: list[Refusal] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    lost_answers: list[str] = field(default_factory=list)
    full: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class OssServer:
    """Serves buckets kept below `root` on a port of 127.0.0.1, until closed; also a context manager.

    `requests` holds a line per request, as `PUT bucket/key?partNumber=1&uploadId=…`; `ahead` sets its clock.
    """

    def __init__(self, root: Path, port: int = 0, secrets_of: dict[str, str] | None = None) -> None:
        self.root, self.region = root, REGION
        self.secrets_of = {KEY_ID: KEY_SECRET} if secrets_of is None else secrets_of
        self.faults, self.requests = Faults(), list[str]()
        self.ahead = timedelta()
        root.mkdir(parents=True, exist_ok=True)
        self.buckets = {path.name: BucketOnDisk(path) for path in root.iterdir() if path.is_dir()}
        self._http = _Listener(("127.0.0.1", port), _Handler)
        self._http.oss = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def bucket(self, name: str = "backup") -> str:
        """Makes the bucket when it isn't there; gives its name."""
        self.buckets.setdefault(name, BucketOnDisk(self.root / name))
        return name

    def fail_next(self, count: int, status: int, code: str = "InternalError", **headers: str) -> None:
        """Refuse the next `count` requests; headers with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.failures += [Refusal(status, code, "A fault that a test asked for.", named)] * count

    def break_body_after(self, *sizes: int) -> None:
        """Close the connection of the next object read after so many bytes, and of the ones that follow it."""
        self.faults.breaks += sizes

    def lose_answer(self, method: str) -> None:
        """Do what the next request with `method` asks, then close the connection instead of answering."""
        self.faults.lost_answers.append(method)

    @property
    def full(self) -> bool:
        """Whether puts are refused for want of space."""
        return self.faults.full

    @full.setter
    def full(self, value: bool) -> None:
        self.faults.full = value

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def __enter__(self) -> OssServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    oss: OssServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "OssServerForTests"
    disable_nagle_algorithm = True
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet: `OssServer.requests` is the log."""

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    @property
    def _oss(self) -> OssServer:
        assert isinstance(self.server, _Listener)
        return self.server.oss

    def _serve(self) -> None:
        self._left = int(self.headers.get("Content-Length") or 0)
        self._id = secrets.token_hex(12).upper()
        try:
            asked = self._asked()
            answer = self._answered(asked)
            self._drain()
        except Refusal as refusal:
            self._drain()
            self._refuse(refusal)
            return
        if self._loses(asked.method):
            self.close_connection = True
            return
        self._send(answer)

    def _asked(self) -> Asked:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path.lstrip("/")).partition("/")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self._oss.requests.append(f"{self.command} {bucket}/{key}" + (f"?{parts.query}" if parts.query else ""))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Asked(self.command, bucket, key, query, headers)

    def _answered(self, asked: Asked) -> Answer:
        oss, faults = self._oss, self._oss.faults
        check_signature(asked, oss.secrets_of, oss.region, datetime.now(UTC) + oss.ahead)
        with faults.lock:
            if faults.failures:
                raise faults.failures.pop(0)
        bucket = oss.buckets.get(asked.bucket)
        if bucket is None:
            raise Refusal(404, "NoSuchBucket", "The specified bucket does not exist.")
        if not asked.key:
            return operations.ask_bucket(asked, bucket)
        if asked.method == "PUT":
            if faults.full:
                raise Refusal(403, "QuotaExceeded", "The bucket's storage capacity is used up.")
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = io.BytesIO(self._dechunked())
                return operations.put(asked, bucket, body.read, len(body.getvalue()))
            if "Content-Length" not in self.headers:
                raise Refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
            return operations.put(asked, bucket, self._read, self._left)
        if asked.method == "POST":
            return operations.post(asked, bucket, self._read(self._left))
        return operations.delete(asked, bucket) if asked.method == "DELETE" else operations.get(asked, bucket)

    def _read(self, size: int) -> bytes:
        chunk = self.rfile.read(size)
        self._left -= len(chunk)
        return chunk

    def _dechunked(self) -> bytes:
        """A body whose length wasn't told: the SDK sends empty objects so."""
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
            if len(body) > _LARGEST_CHUNKED:
                raise ConnectionError("a chunked body is kept in memory here, and this one is too large")
        self.rfile.readline()
        return body

    def _drain(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
        while self._left and self._read(min(self._left, 256 * 1024)):
            pass

    def _loses(self, method: str) -> bool:
        with self._oss.faults.lock:
            lost = method in self._oss.faults.lost_answers
            if lost:
                self._oss.faults.lost_answers.remove(method)
            return lost

    def _refuse(self, refusal: Refusal) -> None:
        body = refusal.body(self._id)
        headers = {"Content-Type": "application/xml", **refusal.headers}
        if self.command == "HEAD":
            headers["x-oss-err"] = base64.b64encode(body).decode()
        self._send(Answer(refusal.status, headers, iter((body,)), len(body)))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {"x-oss-request-id": self._id, **answer.headers}.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(answer.size))
        self.end_headers()
        if self.command != "HEAD":
            for chunk in self._broken(answer):
                self.wfile.write(chunk)

    def _broken(self, answer: Answer) -> Iterator[bytes]:
        reads_object = self.command == "GET" and "x-oss-object-type" in answer.headers
        breaks = self._oss.faults.breaks
        limit = breaks.pop(0) if reads_object and breaks else None
        for chunk in answer.body:
            if limit is not None and len(chunk) >= limit:
                yield chunk[:limit]
                self.close_connection = True
                return
            limit = None if limit is None else limit - len(chunk)
            yield chunk


@contextlib.contextmanager
def serving(root: Path, port: int) -> Iterator[OssServer]:
    """A server with one bucket, for the command line."""
    with OssServer(root, port) as server:
        server.bucket()
        yield server
