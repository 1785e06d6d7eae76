"""Error answers as OSS gives them."""

from __future__ import annotations

from xml.sax.saxutils import escape


class Refusal(Exception):
    """An answer with a status and an OSS error code; `headers` go out with it."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}

    def body(self, request_id: str) -> bytes:
        """The XML document of the answer."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message>"
            f"<RequestId>{request_id}</RequestId><HostId>localhost</HostId></Error>"
        ).encode()
