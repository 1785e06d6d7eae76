"""What an object is made of: pieces of bytes, a version of a key, an unfinished upload."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NULL = "null"


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes in one file; checksums as OSS gives them; `modified` in milliseconds."""

    file: str
    size: int
    md5: str
    crc64: int
    modified: int = 0


@dataclass(frozen=True, slots=True)
class Thaw:
    """A frozen object's readable copy: asked for, readable from, until (milliseconds), and its tier."""

    asked: int
    ready: int
    until: int
    tier: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, or a delete marker; its bytes are its pieces in order.

    `retention` is the mode of a retention of this version alone, until `retained_until`; `held`: legally.
    `headers` are kept as given and sent back: Content-Type, user metadata, encryption. `modified` and `moved`
    (when the object came into its storage class) are in milliseconds.
    """

    key: str
    id: str
    modified: int
    kind: str = "Normal"
    pieces: tuple[Piece, ...] = ()
    etag: str = ""
    crc64: int = 0
    storage_class: str = "Standard"
    moved: int = 0
    acl: str = "default"
    headers: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    target: str = ""
    thaw: Thaw | None = None
    sealed: bool = False
    accessed: int = 0
    retention: str = ""
    retained_until: int = 0
    held: bool = False

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)

    @property
    def deleted(self) -> bool:
        return self.kind == "DeleteMarker"

    def encryption(self) -> dict[str, str]:
        """The server-side encryption headers it was kept under."""
        return {name: value for name, value in self.headers.items() if name.startswith("x-oss-server-side-")}


@dataclass(slots=True)
class Upload:
    """An unfinished multipart upload; `begun` in milliseconds; `headers` are for the object it becomes."""

    id: str
    key: str
    begun: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    storage_class: str = "Standard"
    acl: str = "default"
    tags: dict[str, str] = field(default_factory=dict)
    sequential: bool = False
    parts: dict[int, Piece] = field(default_factory=dict)


def version_of(document: dict[str, Any]) -> Version:
    """The inverse of `asdict`."""
    pieces = tuple(Piece(**one) for one in document["pieces"])
    thaw = Thaw(**document["thaw"]) if document["thaw"] else None
    return Version(**{**document, "pieces": pieces, "thaw": thaw})


def upload_of(document: dict[str, Any]) -> Upload:
    """The inverse of `asdict`."""
    parts = {int(number): Piece(**one) for number, one in document["parts"].items()}
    return Upload(**{**document, "parts": parts})
