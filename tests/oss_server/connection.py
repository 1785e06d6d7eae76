"""One connection: requests in, faults where a test asked for them, answers out."""

from __future__ import annotations

import base64
import contextlib
import io
import socket
import struct
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import urlsplit

from tests.oss_server.answer import Answer
from tests.oss_server.asked import Body, understood
from tests.oss_server.authentication import signer
from tests.oss_server.authorization import authorize, authorize_attributes
from tests.oss_server.control import PREFIX, control
from tests.oss_server.faults import Fault, babbled, corrupted, cut
from tests.oss_server.operations.post import post_object
from tests.oss_server.operations.routes import makes_bucket, route, writes_a_name
from tests.oss_server.refusal import Refusal, elsewhere
from tests.oss_server.service import Call

if TYPE_CHECKING:
    from tests.oss_server.server import Listener, OssServer

_PAGE = b"<html><body>please log in</body></html>"
_RESET = struct.pack("ii", 1, 0)


class Handler(BaseHTTPRequestHandler):
    """Serves `OssServer`; one thread per connection."""

    protocol_version = "HTTP/1.1"
    server_version = "AliyunOSS"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = 60

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

    def do_OPTIONS(self) -> None:
        self._serve()

    @property
    def _oss(self) -> OssServer:
        return cast("Listener", self.server).oss

    def _serve(self) -> None:
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        length = self.headers.get("Content-Length")
        size = None if chunked or length is None else int(length)
        self._body = Body(cast("BinaryIO", self.rfile), size, chunked=chunked)
        self._struck: list[Fault] = []
        self._began = time.monotonic()
        self._call: Call | None = None
        if self.command in {"GET", "HEAD", "DELETE"} and size:
            # Some clients announce a body with these and send none: it isn't waited for.
            self.close_connection = True
            self._body = Body(io.BytesIO(), None, chunked=False)
        try:
            answer = self._answered()
            self._body.drain()
        except Refusal as refusal:
            answer = self._refused(refusal)
            with contextlib.suppress(ConnectionError):
                self._body.drain()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception:  # noqa: BLE001 (whatever it is, it must not pass for a fault that a test asked for)
            self._oss.problems.append(traceback.format_exc())
            text = "We encountered an internal error. Please try again."
            answer = self._refused(Refusal(500, "InternalError", text, ec="0000-00000500"))
            self.close_connection = True
        try:
            self._finish(answer)
        finally:
            answer.close()

    def _answered(self) -> Answer:
        parts = urlsplit(self.path)
        if parts.path.startswith(PREFIX):
            return control(self._oss, self.command, parts.path, self._body.all())
        oss = self._oss
        headers = {name.lower(): _text(value) for name, value in self.headers.items()}
        secure = oss.secure(self.connection)
        asked = understood(self.command, self.path, headers, oss.service.cnames(), secure=secure)
        line = f"{self.command} {asked.bucket}/{asked.key}" + (f"?{parts.query}" if parts.query else "")
        oss.requests.append(line)
        self._call = Call(asked, self._body, oss.service)
        self._struck = oss.faults.striking(line, self.command)
        self._strike_first()
        return self._foreign() or self._carried_out(self._call)

    def _foreign(self) -> Answer | None:
        """What something else on the way answers."""
        for fault in self._struck:
            if fault.kind == "foreign":
                self._call = None
                return Answer(fault.status, {"Content-Type": "text/html", **fault.headers}, (_PAGE,), len(_PAGE))
        return None

    def _carried_out(self, call: Call) -> Answer:
        oss, asked, options = self._oss, call.asked, call.service.options
        wait = oss.turnstile.wait(options.requests_per_second) if options.requests_per_second else 0.0
        if options.sequential_per_second and writes_a_name(asked) and asked.bucket in oss.buckets:
            names = oss.buckets[asked.bucket].keys
            wait = max(wait, oss.sequences.wait(asked.bucket, names, asked.key, options.sequential_per_second))
        if wait:
            headers = {"x-oss-qos-delay-time": str(int(wait * 1000) + 1)}
            raise Refusal(503, "QpsLimitExceeded", "Please reduce your request rate.", headers, ec="0012-00000001")
        if asked.bucket and not makes_bucket(asked):
            lies_in = call.bucket.settings.region
            if lies_in not in {"", call.service.region}:
                raise elsewhere(asked.bucket, lies_in)
        keys, now = call.service.keys, call.service.clock.wall()
        call.account = signer(asked, keys, call.service.region, options.signatures, now)
        self._strike_status()
        found = route(asked)
        if found.action:
            authorize(call, found.action)
            authorize_attributes(call)
        writes = asked.method == "PUT" and asked.key
        if (writes or found.operation is post_object) and oss.faults.full:
            text = "The bucket's storage capacity is used up."
            raise Refusal(403, "QuotaExceeded", text, ec="0016-00000901")
        return found.operation(call)

    def _strike_first(self) -> None:
        for fault in self._struck:
            if fault.kind == "delay":
                time.sleep(fault.seconds)
            if fault.kind == "interrupt":
                self._body.break_after(fault.after)
            if fault.kind == "garble":
                self._body.garble()
            if fault.kind == "refuse":
                raise ConnectionError("a fault that a test asked for")

    def _strike_status(self) -> None:
        for fault in self._struck:
            if fault.kind == "status":
                raise Refusal(fault.status, fault.code, "A fault that a test asked for.", dict(fault.headers))

    def _finish(self, answer: Answer) -> None:
        for fault in self._struck:
            if fault.kind == "late":
                time.sleep(fault.seconds)
            if fault.kind == "lost":
                self.close_connection = True
                return
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._send(answer)
            return
        self.close_connection = True

    def _refused(self, refusal: Refusal) -> Answer:
        call = self._call
        host = self.headers.get("Host", "localhost")
        headers = {"Content-Type": "application/xml", **refusal.headers}
        if refusal.status == 304:
            return Answer(304, refusal.headers)
        body = refusal.body(call.request_id if call else "0" * 24, host)
        headers["x-oss-ec"] = refusal.ec
        if self.command == "HEAD":
            headers["x-oss-err"] = base64.b64encode(body).decode()
        return Answer(refusal.status, headers, (body,), len(body))

    def _send(self, answer: Answer) -> None:
        own = {"x-oss-request-id": self._call.request_id if self._call else "0" * 24, "x-oss-server-time": self._took()}
        if any(fault.kind == "foreign" for fault in self._struck):
            self.send_response_only(answer.status)
            own = {}
        else:
            self.send_response(answer.status)
        for name, value in (own | answer.headers).items():
            self.send_header(name, value.encode().decode("latin-1"))
        if answer.size is None:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.status not in {204, 304}:
            self.send_header("Content-Length", str(answer.size))
        self.end_headers()
        if self.command == "HEAD" or answer.status in {204, 304}:
            return
        for chunk in self._broken(answer):
            self.wfile.write(chunk if answer.size is not None else b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if answer.size is None:
            self.wfile.write(b"0\r\n\r\n")

    def _took(self) -> str:
        return str(int((time.monotonic() - self._began) * 1000))

    def _broken(self, answer: Answer) -> Iterator[bytes]:
        chunks: Iterator[bytes] = (chunk for chunk in answer.body if chunk)
        if self.command == "GET" and "x-oss-object-type" in answer.headers:
            limit = self._oss.faults.next_break()
            if limit is not None:
                self.close_connection = True
                chunks = cut(chunks, limit)
        for fault in self._struck:
            if fault.kind == "corrupt":
                chunks = corrupted(chunks, fault.after)
            if fault.kind == "babble" and "xml" in answer.headers.get("Content-Type", "") and answer.status == 200:
                chunks = babbled(chunks)
            if fault.kind in {"truncate", "reset"}:
                self.close_connection = True
                chunks = cut(chunks, fault.after)
        yield from chunks
        if any(fault.kind == "reset" for fault in self._struck):
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.connection.close()
            self.wfile = io.BufferedWriter(io.BytesIO())


def _text(value: str) -> str:
    """Header values are UTF-8 on the wire; the standard library reads them as Latin-1."""
    return value.encode("latin-1").decode("utf-8", "replace")
