"""A form as browsers send it (`multipart/form-data`): its fields, then the file, which is streamed."""

from __future__ import annotations

import re
from email.message import Message

from tests.oss_server.asked import Body
from tests.oss_server.refusal import Refusal

_LARGEST_FIELDS = 4 * 1024 * 1024
_STEP = 64 * 1024


class Form:
    """Reads a body up to its file; `fields` in lower case but for their values; `read` gives the file's bytes."""

    def __init__(self, body: Body, content_type: str) -> None:
        boundary = _parameter(content_type, "boundary")
        if not content_type.lower().startswith("multipart/form-data") or not boundary:
            text = "Content-Type must be multipart/form-data with a boundary."
            raise Refusal(412, "PreconditionFailed", text, ec="0006-00000201")
        self._body, self._ends = body, b"\r\n--" + boundary.encode()
        self._held, self._ended, self._file_ended = b"\r\n", False, False
        self.fields: dict[str, str] = {}
        self.filename, self.file_type, self.has_file = "", "", False
        self._field(until_file=False)
        while not self.has_file and not self._ended:
            self._field(until_file=True)

    def read(self, most: int) -> bytes:
        """Up to `most` bytes of the file, nothing at its end."""
        if self._file_ended or not self.has_file:
            return b""
        while True:
            at = self._held.find(self._ends)
            if at >= 0:
                chunk, self._held = self._held[: min(at, most)], self._held[min(at, most) :]
                self._file_ended = not chunk
                return chunk
            free = len(self._held) - len(self._ends) + 1
            if free > 0:
                chunk, self._held = self._held[: min(free, most)], self._held[min(free, most) :]
                return chunk
            self._more()

    def _more(self) -> None:
        found = self._body.read(_STEP)
        if not found:
            text = "The body of your POST request is not well-formed multipart/form-data."
            raise Refusal(400, "MalformedPOSTRequest", text, ec="0006-00000203")
        self._held += found

    def _until(self, mark: bytes) -> bytes:
        while (at := self._held.find(mark)) < 0:
            if len(self._held) > _LARGEST_FIELDS:
                text = "The length of the form's fields exceeds the maximum."
                raise Refusal(400, "FieldItemTooLong", text, ec="0006-00000205")
            self._more()
        found, self._held = self._held[:at], self._held[at + len(mark) :]
        return found

    def _field(self, *, until_file: bool) -> None:
        """One field; the first call reads up to the first boundary alone."""
        if not until_file:
            self._until(self._ends)
            return
        if self._until(b"\r\n").strip() == b"--":
            self._ended = True
            return
        head = self._until(b"\r\n\r\n").decode("utf-8", "replace")
        lines = dict(line.lower().partition(":")[::2] for line in head.split("\r\n"))
        said = re.search(r"(?i)content-disposition:(.*)", head)
        name = _parameter(said[1] if said else "", "name")
        if name.lower() == "file":
            self.filename = _parameter(said[1] if said else "", "filename")
            self.file_type, self.has_file = lines.get("content-type", "").strip(), True
            return
        self.fields[name.lower()] = self._until(self._ends).decode("utf-8", "replace")


def _parameter(header: str, name: str) -> str:
    message = Message()
    message["content-disposition"] = header.strip()
    found = message.get_param(name, "", "content-disposition")
    return found if isinstance(found, str) else ""
