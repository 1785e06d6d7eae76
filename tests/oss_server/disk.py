"""What the server keeps: buckets, objects and unfinished uploads, on disk, with an index in memory.

<root>/<bucket>/objects/<hash of key>.json      an object: its key, pieces, sizes, checksums
<root>/<bucket>/uploads/<id>.json               an unfinished multipart upload and its parts
<root>/<bucket>/pieces/<random>                 bytes
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oss2.utils import Crc64

_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes in one file; checksums as OSS gives them."""

    file: str
    size: int
    md5: str
    crc64: int


@dataclass(frozen=True, slots=True)
class Stored:
    """An object; its bytes are its pieces in order."""

    key: str
    pieces: tuple[Piece, ...]
    etag: str
    crc64: int
    modified: str
    kind: str

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)


@dataclass(slots=True)
class Upload:
    """An unfinished multipart upload."""

    id: str
    key: str
    parts: dict[int, Piece] = field(default_factory=dict)


class BucketOnDisk:
    """One bucket. Whoever changes it holds `lock`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        for name in ("objects", "uploads", "pieces"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.objects = {one.key: one for one in map(_object, _documents(folder / "objects"))}
        self.uploads = {one.id: one for one in map(_upload, _documents(folder / "uploads"))}

    def receive(self, read: Callable[[int], bytes], size: int) -> Piece:
        """Stream `size` bytes into a new piece."""
        name, md5, crc = secrets.token_hex(12), hashlib.md5(usedforsecurity=False), Crc64()
        left = size
        with (self.folder / "pieces" / name).open("wb") as file:
            while left:
                chunk = read(min(_CHUNK, left))
                if not chunk:
                    raise ConnectionError("the body ended early")
                file.write(chunk)
                md5.update(chunk)
                crc.update(chunk)
                left -= len(chunk)
        return Piece(name, size, md5.hexdigest().upper(), crc.crc)

    def bytes_of(self, stored: Stored, start: int, end: int) -> Iterator[bytes]:
        """Bytes `[start, end)` of an object."""
        offset = 0
        for piece in stored.pieces:
            first, last = max(start - offset, 0), min(end - offset, piece.size)
            offset += piece.size
            if first >= last:
                continue
            with (self.folder / "pieces" / piece.file).open("rb") as file:
                file.seek(first)
                while first < last:
                    chunk = file.read(min(_CHUNK, last - first))
                    first += len(chunk)
                    yield chunk

    def keep(self, stored: Stored) -> None:
        with self.lock:
            self.delete(stored.key)
            _write(self._object_file(stored.key), asdict(stored))
            self.objects[stored.key] = stored

    def delete(self, key: str) -> None:
        with self.lock:
            old = self.objects.pop(key, None)
            if old:
                self._object_file(key).unlink()
                self.drop(old.pieces)

    def keep_upload(self, upload: Upload) -> None:
        with self.lock:
            self.uploads[upload.id] = upload
            _write(self.folder / "uploads" / f"{upload.id}.json", asdict(upload))

    def forget_upload(self, upload: Upload) -> None:
        with self.lock:
            self.uploads.pop(upload.id, None)
            (self.folder / "uploads" / f"{upload.id}.json").unlink(missing_ok=True)

    def drop(self, pieces: tuple[Piece, ...]) -> None:
        for piece in pieces:
            (self.folder / "pieces" / piece.file).unlink(missing_ok=True)

    def _object_file(self, key: str) -> Path:
        return self.folder / "objects" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def _documents(folder: Path) -> list[Any]:
    return [json.loads(path.read_text()) for path in folder.glob("*.json")]


def _object(document: Any) -> Stored:
    return Stored(**{**document, "pieces": tuple(Piece(**one) for one in document["pieces"])})


def _upload(document: Any) -> Upload:
    parts = {int(number): Piece(**one) for number, one in document["parts"].items()}
    return Upload(document["id"], document["key"], parts)


def _write(path: Path, document: Any) -> None:
    beside = path.with_suffix(f".{secrets.token_hex(4)}")
    beside.write_text(json.dumps(document))
    beside.rename(path)
