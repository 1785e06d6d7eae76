"""What the server keeps: buckets, versions of objects and unfinished uploads, on disk, with an index in memory.

<root>/<bucket>/bucket.json                     its settings
<root>/<bucket>/objects/<hash of key>.json      an object: its versions, newest first
<root>/<bucket>/uploads/<id>.json               an unfinished multipart upload
<root>/<bucket>/uploads/<id>/<number>.json      a part of one
<root>/<bucket>/pieces/<random>                 bytes
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import crcmod

from tests.oss_server.settings import Settings, document_of, settings_of
from tests.oss_server.versions import Piece, Upload, Version, upload_of, version_of

CHUNK = 256 * 1024
_POLYNOMIAL = 0x142F0E1EBA9EA3693
_MASK = (1 << 64) - 1


def crc64(start: int = 0) -> Any:
    """A running CRC-64/XZ that goes on from `start`, as `x-oss-hash-crc64ecma` has it."""
    return crcmod.Crc(_POLYNOMIAL, initCrc=start, xorOut=_MASK, rev=True)


class BucketOnDisk:
    """One bucket. Whoever changes it holds `lock`."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.folder = folder
        self.name = folder.name
        self.lock = threading.RLock()
        for name in ("objects", "uploads", "pieces"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._borrowed: dict[str, int] = {}
        self._doomed = set[str]()
        kept = folder / "bucket.json"
        self.settings = settings_of(json.loads(kept.read_text())) if kept.exists() else settings or Settings()
        self.save()
        self.versions: dict[str, list[Version]] = {}
        for document in _documents(folder / "objects"):
            rows = [version_of(one) for one in document]
            self.versions[rows[0].key] = rows
        self.keys = sorted(key.encode() for key in self.versions)
        self.uploads = {one["id"]: self._upload(one) for one in _documents(folder / "uploads")}

    def save(self) -> None:
        """Keeps the settings."""
        _write(self.folder / "bucket.json", document_of(self.settings))

    def receive(self, read: Callable[[int], bytes], modified: int) -> Piece:
        """Streams what `read` gives, until it gives nothing, into a new piece."""
        name, md5, crc, size = secrets.token_hex(12), hashlib.md5(usedforsecurity=False), crc64(), 0
        path = self.folder / "pieces" / name
        try:
            with path.open("wb") as file:
                while chunk := read(CHUNK):
                    file.write(chunk)
                    md5.update(chunk)
                    crc.update(chunk)
                    size += len(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Piece(name, size, md5.hexdigest().upper(), crc.crcValue, modified)

    def bytes_of(self, pieces: tuple[Piece, ...], start: int, end: int) -> Reading:
        """Bytes `[start, end)` of pieces in order; nothing of them goes before the reading is closed."""
        cuts, offset = [], 0
        for piece in pieces:
            first, last = max(start - offset, 0), min(end - offset, piece.size)
            offset += piece.size
            if first < last:
                cuts.append((piece.file, first, last))
        return Reading(self, cuts)

    def link(self, pieces: tuple[Piece, ...], source: BucketOnDisk) -> tuple[Piece, ...]:
        """The same bytes as pieces of this bucket's own."""
        linked = []
        for piece in pieces:
            name = secrets.token_hex(12)
            (self.folder / "pieces" / name).hardlink_to(source.folder / "pieces" / piece.file)
            linked.append(replace(piece, file=name))
        return tuple(linked)

    def borrow(self, names: list[str]) -> None:
        """Keeps files from going while they are read."""
        with self.lock:
            for name in names:
                self._borrowed[name] = self._borrowed.get(name, 0) + 1

    def give_back(self, names: list[str]) -> None:
        """Ends a `borrow`; what was dropped meanwhile goes now."""
        with self.lock:
            for name in names:
                self._borrowed[name] -= 1
                if not self._borrowed[name]:
                    del self._borrowed[name]
                    if name in self._doomed:
                        self._doomed.remove(name)
                        (self.folder / "pieces" / name).unlink(missing_ok=True)

    def current(self, key: str) -> Version | None:
        """The newest version of a key, a delete marker included."""
        rows = self.versions.get(key)
        return rows[0] if rows else None

    def find(self, key: str, version_id: str) -> Version | None:
        return next((one for one in self.versions.get(key, ()) if one.id == version_id), None)

    def keep(self, version: Version) -> None:
        """Puts a version on top; one with the same id goes."""
        with self.lock:
            rows = self.versions.get(version.key, [])
            gone = [one for one in rows if one.id == version.id]
            if not rows:
                insort(self.keys, version.key.encode())
            self._store(version.key, [version, *(one for one in rows if one.id != version.id)])
            self._release(gone)

    def replace(self, version: Version) -> None:
        """Changes a version in its place."""
        with self.lock:
            rows = self.versions[version.key]
            gone = [one for one in rows if one.id == version.id]
            self._store(version.key, [version if one.id == version.id else one for one in rows])
            self._release(gone)

    def remove(self, version: Version) -> None:
        with self.lock:
            rows = [one for one in self.versions.get(version.key, ()) if one.id != version.id]
            if rows:
                self._store(version.key, rows)
            elif self.versions.pop(version.key, None):
                del self.keys[bisect_left(self.keys, version.key.encode())]
                self._object_file(version.key).unlink(missing_ok=True)
            self._release([version])

    def _upload(self, document: dict[str, Any]) -> Upload:
        parts = self.folder / "uploads" / document["id"]
        rows = {path.stem: json.loads(path.read_text()) for path in parts.glob("*.json")}
        return upload_of({**document, "parts": rows})

    def keep_upload(self, upload: Upload) -> None:
        """Begins an upload."""
        with self.lock:
            (self.folder / "uploads" / upload.id).mkdir()
            self.uploads[upload.id] = upload
            _write(self.folder / "uploads" / f"{upload.id}.json", asdict(upload))

    def keep_part(self, upload: Upload, number: int, piece: Piece) -> None:
        """Adds a part; one that had its number goes."""
        with self.lock:
            _write(self.folder / "uploads" / upload.id / f"{number}.json", asdict(piece))
            old = upload.parts.get(number)
            upload.parts[number] = piece
            self.drop([old] if old else [])

    def forget_upload(self, upload: Upload, kept: Iterable[Piece] = ()) -> None:
        """Ends an upload; its parts go, except those an object was made of."""
        with self.lock:
            self.uploads.pop(upload.id, None)
            (self.folder / "uploads" / f"{upload.id}.json").unlink(missing_ok=True)
            shutil.rmtree(self.folder / "uploads" / upload.id, ignore_errors=True)
            held = set(kept)
            self.drop(piece for piece in upload.parts.values() if piece not in held)

    def drop(self, pieces: Iterable[Piece]) -> None:
        """Removes bytes, once nobody reads them any more."""
        with self.lock:
            for piece in pieces:
                if piece.file in self._borrowed:
                    self._doomed.add(piece.file)
                else:
                    (self.folder / "pieces" / piece.file).unlink(missing_ok=True)

    def _release(self, gone: list[Version]) -> None:
        if not gone:
            return
        held = {piece.file for one in self.versions.get(gone[0].key, ()) for piece in one.pieces}
        self.drop(piece for one in gone for piece in one.pieces if piece.file not in held)

    def _store(self, key: str, rows: list[Version]) -> None:
        _write(self._object_file(key), [asdict(one) for one in rows])
        self.versions[key] = rows

    def _object_file(self, key: str) -> Path:
        return self.folder / "objects" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


class Reading:
    """Bytes of an object on their way out; close it also when none was taken."""

    def __init__(self, bucket: BucketOnDisk, cuts: list[tuple[str, int, int]]) -> None:
        self._bucket, self._cuts = bucket, cuts
        self._names = [name for name, _, _ in cuts]
        bucket.borrow(self._names)

    def __iter__(self) -> Iterator[bytes]:
        for name, first, last in self._cuts:
            with (self._bucket.folder / "pieces" / name).open("rb") as file:
                file.seek(first)
                left = last - first
                while left:
                    chunk = file.read(min(CHUNK, left))
                    left -= len(chunk)
                    yield chunk

    def close(self) -> None:
        names, self._names = self._names, []
        self._bucket.give_back(names)


def _documents(folder: Path) -> list[Any]:
    return [json.loads(path.read_text()) for path in folder.glob("*.json")]


def _write(path: Path, document: Any) -> None:
    beside = path.with_suffix(f".{secrets.token_hex(4)}")
    beside.write_text(json.dumps(document))
    beside.rename(path)
