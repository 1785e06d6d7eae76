"""What goes back to a client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.oss_server.xml import Node, document


@dataclass(slots=True)
class Answer:
    """A status, headers and a body of `size` bytes; a size of None is sent in chunks."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()
    size: int | None = 0

    def close(self) -> None:
        """Lets go of what the body reads."""
        close = getattr(self.body, "close", None)
        if close:
            close()


def xml_answer(name: str, content: Node, headers: dict[str, str] | None = None) -> Answer:
    """200 with a document."""
    return text_answer(document(name, content), headers)


def text_answer(body: bytes, headers: dict[str, str] | None = None) -> Answer:
    """200 with a body that is at hand; XML unless the headers say otherwise."""
    return Answer(200, {"Content-Type": "application/xml", **(headers or {})}, (body,), len(body))
