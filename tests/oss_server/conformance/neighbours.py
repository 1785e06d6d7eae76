"""Two neighbours of OSS that the suites speak to: KMS for client-side encryption, STS for temporary keys.

Small stand-ins. KMS seals a text with a key of its own, the encryption context and the region's name.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.oss_server import OssServer


class Neighbours(ThreadingHTTPServer):
    """Both, on one TLS port of the loopback, told apart by action."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, oss: OssServer, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.oss, self.tls, self.key = oss, tls, AESGCM(secrets.token_bytes(32))
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        assert isinstance(request, socket.socket)
        with self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up."""

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def answer(self, method: str, host: str, asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and document."""
        action, context = asked.get("Action", ""), f"{asked.get('EncryptionContext', '')}@{host}".encode()
        if _signature(method, asked, self.oss) != asked.get("Signature"):
            return 403, {"Code": "SignatureDoesNotMatch", "Message": "Specified signature is not matched."}
        if action == "AssumeRole":
            return 200, {"Credentials": self._lend()}
        if action == "GenerateDataKey":
            plain = base64.b64encode(secrets.token_bytes(int(asked.get("NumberOfBytes", "32")))).decode()
            return 200, {"KeyId": asked["KeyId"], "Plaintext": plain, "CiphertextBlob": self._seal(plain, context)}
        if action == "Encrypt":
            sealed = self._seal(asked["Plaintext"], context)
            return 200, {"KeyId": asked["KeyId"], "CiphertextBlob": sealed}
        if action == "Decrypt":
            try:
                raw = base64.b64decode(asked["CiphertextBlob"])
                return 200, {"Plaintext": self.key.decrypt(raw[:12], raw[12:], context).decode()}
            except (InvalidTag, ValueError):
                return 400, {"Code": "InvalidCiphertext.Malformed", "Message": "The ciphertext is invalid."}
        return 404, {"Code": "InvalidAction.NotFound", "Message": f"No such action: {action}"}

    def _seal(self, plain: str, context: bytes) -> str:
        nonce = secrets.token_bytes(12)
        return base64.b64encode(nonce + self.key.encrypt(nonce, plain.encode(), context)).decode()

    def _lend(self) -> dict[str, str]:
        key = self.oss.lend()
        assert key.expires is not None
        expires = key.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        named = {"AccessKeyId": key.id, "AccessKeySecret": key.secret, "SecurityToken": key.token}
        return {**named, "Expiration": expires}


def _signature(method: str, asked: dict[str, str], oss: OssServer) -> str:
    """Of a request in RPC style: HMAC-SHA1 over the sorted parameters."""
    key = oss.service.keys.known.get(asked.get("AccessKeyId", ""))
    rows = sorted((name, value) for name, value in asked.items() if name != "Signature")
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in rows)
    text = f"{method}&%2F&{quote(query, safe='~')}"
    secret = f"{key.secret}&" if key else "&"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True) + parse_qsl(body))
        status, document = cast("Neighbours", self.server).answer(self.command, self.headers.get("Host", ""), asked)
        text = json.dumps({"RequestId": secrets.token_hex(16), **document}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.do_GET()
