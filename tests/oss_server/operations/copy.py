"""Copying objects and, as parts of an upload, ranges of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from tests.oss_server.answer import Answer, xml_answer
from tests.oss_server.authorization import authorize
from tests.oss_server.clock import iso
from tests.oss_server.disk import BucketOnDisk
from tests.oss_server.operations.attributes import Attributes, attributes, encryption, object_acl, version_header
from tests.oss_server.operations.chosen import target_of
from tests.oss_server.operations.get import conditions
from tests.oss_server.operations.multipart import part_number, upload_of
from tests.oss_server.operations.put import keep
from tests.oss_server.operations.retention import guard_write
from tests.oss_server.refusal import Refusal, invalid_argument, no_such_bucket, no_such_key
from tests.oss_server.service import Call
from tests.oss_server.thaw import readable
from tests.oss_server.versions import Piece, Version

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CLIENT_ENCRYPTION = "x-oss-meta-client-side-encryption-"
_FOLDED = 1024**3


@dataclass(frozen=True, slots=True)
class Source:
    """What is copied."""

    bucket: BucketOnDisk
    version: Version


def _source_bucket(call: Call) -> BucketOnDisk:
    text = call.asked.headers["x-oss-copy-source"].partition("?")[0]
    name = unquote(text).lstrip("/").partition("/")[0]
    bucket = call.service.buckets.get(name)
    if bucket is None:
        raise no_such_bucket(name)
    return bucket


def source_of(call: Call) -> Source:
    """Read from `x-oss-copy-source`, with its conditions."""
    text, _, query = call.asked.headers["x-oss-copy-source"].partition("?")
    name, _, key = unquote(text).lstrip("/").partition("/")
    bucket = _source_bucket(call)
    if not key:
        raise invalid_argument("Copy Source must mention the source bucket and key: /sourcebucket/sourcekey.")
    wanted = parse_qs(query, keep_blank_values=True).get("versionId", [""])[0]
    if "versionId" in query and not wanted:
        raise invalid_argument("Invalid version id specified", "versionId", wanted, ec="0026-00000007")
    authorize(call, "oss:GetObjectVersion" if wanted else "oss:GetObject", name, key)
    version = bucket.find(key, wanted) if wanted else bucket.current(key)
    if version is None and wanted:
        raise Refusal(404, "NoSuchVersion", "The specified version does not exist.", ec="0026-00000003")
    if version is None or version.deleted:
        if wanted and version:
            raise Refusal(400, "InvalidRequest", "The source is a delete marker.", ec="0026-00000005")
        raise no_such_key(key)
    if version.kind == "Symlink" and bucket is call.bucket:
        version = target_of(call, version)
    conditions(call, version, "x-oss-copy-source-")
    if not readable(version, call.now):
        text = "The operation is not valid for the object's state"
        raise Refusal(403, "InvalidObjectState", text, ec="0016-00000703")
    return Source(bucket, version)


def copy_object(call: Call) -> Answer:
    """CopyObject: also onto itself, to change metadata or class."""
    guard_write(call, call.asked.key)
    with _source_bucket(call).lock:
        source = source_of(call)
        given = _attributes(call, source.version)
        pieces = call.bucket.link(source.version.pieces, source.bucket)
    etag, crc = source.version.etag, source.version.crc64
    if source.version.kind != "Normal" and source.version.size <= _FOLDED:
        pieces, etag = _folded(call.bucket, pieces, source.version.size, call.now)
    kept = keep(call, given, pieces, etag, crc, "Normal")
    headers = {"ETag": f'"{etag}"', "x-oss-hash-crc64ecma": str(crc)} | kept.encryption()
    headers |= version_header(call.bucket.settings, kept.id)
    if source.bucket.settings.keeps_versions:
        headers["x-oss-copy-source-version-id"] = source.version.id
    return xml_answer("CopyObjectResult", {"ETag": f'"{etag}"', "LastModified": iso(call.now)}, headers)


def _folded(bucket: BucketOnDisk, pieces: tuple[Piece, ...], size: int, now: int) -> tuple[tuple[Piece, ...], str]:
    """A copy of several parts becomes one: its ETag is the MD5 of the whole."""
    reading = bucket.bytes_of(pieces, 0, size)
    whole = bucket.receive(reader(iter(reading)), now)
    reading.close()
    bucket.drop(pieces)
    return (whole,), whole.md5


def reader(chunks: Iterator[bytes]) -> Callable[[int], bytes]:
    """Chunks as something to read from; each at once."""
    return lambda _most: next(chunks, b"")


def _attributes(call: Call, old: Version) -> Attributes:
    given = attributes(call)
    directive = call.asked.headers.get("x-oss-metadata-directive", "COPY").upper()
    tagging = call.asked.headers.get("x-oss-tagging-directive", "COPY").upper()
    for name, value in (("x-oss-metadata-directive", directive), ("x-oss-tagging-directive", tagging)):
        if value not in {"COPY", "REPLACE"}:
            raise invalid_argument("The directive must be COPY or REPLACE.", name, value)
    fresh = encryption(call.asked.headers, call.bucket.settings)
    kept = {name: value for name, value in old.headers.items() if not name.startswith("x-oss-server-side-")}
    fresh_type = {} if "content-type" in call.asked.headers else {"content-type": old.headers["content-type"]}
    # What a client needs to decrypt the object goes with its bytes, whatever else is replaced.
    sealed = {name: value for name, value in old.headers.items() if name.startswith(_CLIENT_ENCRYPTION)}
    headers = sealed | given.headers | fresh_type if directive == "REPLACE" else kept | fresh
    return Attributes(
        headers,
        object_acl(call.asked.headers),
        given.tags if tagging == "REPLACE" else old.tags,
        given.storage_class,
    )


def _bounds(text: str, size: int) -> tuple[int, int]:
    """Half-open; a range that makes no sense means all, one that begins behind the end is refused."""
    found = _RANGE.fullmatch(text)
    if not found or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    start, end = (int(first), int(last) + 1 if last else size) if first else (max(0, size - int(last)), size)
    if start >= size:
        raise Refusal(416, "InvalidRange", "The requested range cannot be satisfied", ec="0026-00000006")
    return (start, end) if start < end <= size else (0, size)


def upload_part_copy(call: Call) -> Answer:
    """UploadPartCopy: all of the source, or the range in `x-oss-copy-source-range`."""
    upload_of(call)
    number, text = part_number(call), call.asked.headers.get("x-oss-copy-source-range", "")
    with _source_bucket(call).lock:
        source = source_of(call)
        start, end = _bounds(text, source.version.size)
        reading = source.bucket.bytes_of(source.version.pieces, start, end)
    try:
        piece = call.bucket.receive(reader(iter(reading)), call.now)
    finally:
        reading.close()
    with call.bucket.lock:
        call.bucket.keep_part(upload_of(call), number, piece)
    headers = {"ETag": f'"{piece.md5}"', "x-oss-hash-crc64ecma": str(piece.crc64)}
    if source.bucket.settings.keeps_versions:
        headers["x-oss-copy-source-version-id"] = source.version.id
    return xml_answer("CopyPartResult", {"ETag": f'"{piece.md5}"', "LastModified": iso(piece.modified)}, headers)
