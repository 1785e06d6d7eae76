"""What the server can be asked to do with a bucket and its objects; each returns an `Answer` or raises a `Refusal`."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from oss2.utils import Crc64

from tests.oss_server.disk import BucketOnDisk, Piece, Stored, Upload
from tests.oss_server.documents import chosen_parts, listing, parts_of, upload_begun, upload_completed, uploads_of
from tests.oss_server.refusal import Refusal
from tests.oss_server.signature import Asked

_SMALLEST_PART = 100 * 1024
_LARGEST_BODY = 5 * 1024**3
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers and a body of `size` bytes."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Iterator[bytes] = field(default_factory=lambda: iter(()))
    size: int = 0


def _document(body: bytes, headers: dict[str, str] | None = None) -> Answer:
    return Answer(200, {"Content-Type": "application/xml", **(headers or {})}, iter((body,)), len(body))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def ask_bucket(asked: Asked, bucket: BucketOnDisk) -> Answer:
    """Listings."""
    if asked.method == "GET" and asked.query.get("list-type") == "2":
        return _document(listing(bucket, asked.bucket, asked.query))
    if asked.method == "GET" and "uploads" in asked.query:
        return _document(uploads_of(bucket, asked.bucket, _now()))
    raise Refusal(400, "NotImplemented", f"{asked.method} of a bucket with {sorted(asked.query)} is not implemented.")


def put(asked: Asked, bucket: BucketOnDisk, read: Callable[[int], bytes], size: int) -> Answer:
    """PutObject or UploadPart: the body is streamed to disk."""
    if size > _LARGEST_BODY:
        raise Refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
    number = int(asked.query.get("partNumber", "1"))
    upload = _upload(asked, bucket) if "uploadId" in asked.query else None
    piece = bucket.receive(read, size)
    _check_md5(asked, bucket, piece)
    if upload is None:
        bucket.keep(Stored(asked.key, (piece,), piece.md5, piece.crc64, _now(), "Normal"))
    elif not 1 <= number <= 10_000:
        raise Refusal(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive.")
    else:
        with bucket.lock:
            upload.parts[number] = piece
            bucket.keep_upload(upload)
    return Answer(200, {"ETag": f'"{piece.md5}"', "x-oss-hash-crc64ecma": str(piece.crc64)})


def _check_md5(asked: Asked, bucket: BucketOnDisk, piece: Piece) -> None:
    wanted = asked.headers.get("content-md5")
    if wanted and base64.b64decode(wanted).hex().upper() != piece.md5:
        bucket.drop((piece,))
        raise Refusal(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")


def post(asked: Asked, bucket: BucketOnDisk, body: bytes) -> Answer:
    """InitiateMultipartUpload or CompleteMultipartUpload."""
    if "uploads" in asked.query:
        upload = Upload(secrets.token_hex(16).upper(), asked.key)
        bucket.keep_upload(upload)
        return _document(upload_begun(asked.bucket, upload))
    if "uploadId" in asked.query:
        with bucket.lock:
            stored = _completed(_upload(asked, bucket), bucket, chosen_parts(body))
        return _document(upload_completed(asked.bucket, stored), {"x-oss-hash-crc64ecma": str(stored.crc64)})
    raise Refusal(400, "NotImplemented", f"POST with {sorted(asked.query)} is not implemented.")


def _completed(upload: Upload, bucket: BucketOnDisk, chosen: list[tuple[int, str]]) -> Stored:
    if [number for number, _ in chosen] != sorted({number for number, _ in chosen}) or not chosen:
        raise Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    for number, etag in chosen:
        if number not in upload.parts or upload.parts[number].md5 != etag.upper():
            raise Refusal(400, "InvalidPart", "One or more of the specified parts could not be found.")
    pieces = tuple(upload.parts[number] for number, _ in chosen)
    if any(piece.size < _SMALLEST_PART for piece in pieces[:-1]):
        raise Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size.")
    digest = hashlib.md5(b"".join(bytes.fromhex(piece.md5) for piece in pieces), usedforsecurity=False)
    crc, combining = 0, Crc64()
    for piece in pieces:
        crc = combining.combine(crc, piece.crc64, piece.size)
    etag = f"{digest.hexdigest().upper()}-{len(pieces)}"
    stored = Stored(upload.key, pieces, etag, crc, _now(), "Multipart")
    bucket.keep(stored)
    bucket.drop(tuple(piece for piece in upload.parts.values() if piece not in pieces))
    bucket.forget_upload(upload)
    return stored


def get(asked: Asked, bucket: BucketOnDisk) -> Answer:
    """GetObject, HeadObject or ListParts."""
    if "uploadId" in asked.query:
        return _document(parts_of(asked.bucket, _upload(asked, bucket), _now()))
    stored = bucket.objects.get(asked.key)
    if stored is None:
        raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
    wanted = asked.headers.get("if-match", "").strip('"')
    if wanted and wanted != stored.etag:
        raise Refusal(412, "PreconditionFailed", "At least one of the preconditions you specified did not hold.")
    headers = {
        "ETag": f'"{stored.etag}"',
        "x-oss-hash-crc64ecma": str(stored.crc64),
        "x-oss-object-type": stored.kind,
        "x-oss-storage-class": "Standard",
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "Last-Modified": format_datetime(datetime.fromisoformat(stored.modified), usegmt=True),
    }
    start, end = _range(asked, stored.size)
    status = 200
    if (start, end) != (0, stored.size):
        status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{stored.size}"
    return Answer(status, headers, bucket.bytes_of(stored, start, end), end - start)


def _range(asked: Asked, size: int) -> tuple[int, int]:
    """Half-open; a range that can't be met means the whole object, or 416 with `x-oss-range-behavior: standard`."""
    found = _RANGE.fullmatch(asked.headers.get("range", ""))
    if not found or asked.method == "HEAD" or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    strict = asked.headers.get("x-oss-range-behavior") == "standard"
    start, end = (int(first), int(last) + 1 if last else size) if first else (max(0, size - int(last)), size)
    if start >= size or start >= end or (end > size and not strict):
        if strict:
            raise Refusal(416, "InvalidRange", "The requested range cannot be satisfied.")
        return 0, size
    return start, min(end, size)


def delete(asked: Asked, bucket: BucketOnDisk) -> Answer:
    """DeleteObject or AbortMultipartUpload."""
    if "uploadId" in asked.query:
        upload = _upload(asked, bucket)
        bucket.forget_upload(upload)
        bucket.drop(tuple(upload.parts.values()))
    else:
        bucket.delete(asked.key)
    return Answer(204)


def _upload(asked: Asked, bucket: BucketOnDisk) -> Upload:
    upload = bucket.uploads.get(asked.query["uploadId"])
    if upload is None or upload.key != asked.key:
        raise Refusal(404, "NoSuchUpload", "The specified multipart upload does not exist.")
    return upload
