"""XML that the server sends and reads."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import quote
from xml.sax.saxutils import escape

from tests.oss_server.disk import BucketOnDisk, Stored, Upload
from tests.oss_server.refusal import Refusal

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_PART = re.compile(r"<Part>(.*?)</Part>", re.DOTALL)


def _tag(name: str, text: object) -> str:
    return f"<{name}>{escape(str(text))}</{name}>"


def listing(bucket: BucketOnDisk, name: str, query: Mapping[str, str]) -> bytes:
    """The answer to ListObjectsV2."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    most = int(query.get("max-keys") or 100)
    if not 1 <= most <= 1000:
        raise Refusal(400, "InvalidArgument", "max-keys must be between 1 and 1000.")
    token = query.get("continuation-token", "")
    after = base64.urlsafe_b64decode(token).decode() if token else query.get("start-after", "")
    rows = _rows(bucket, prefix, delimiter, after)
    page, more = rows[:most], len(rows) > most
    encoded = query.get("encoding-type") == "url"

    def text(value: str) -> str:
        return quote(value, safe="") if encoded else value

    parts = [_tag("Name", name), _tag("Prefix", text(prefix)), _tag("MaxKeys", most), _tag("KeyCount", len(page))]
    parts += [_tag("Delimiter", text(delimiter)), _tag("IsTruncated", str(more).lower())]
    parts += [_tag("EncodingType", "url")] if encoded else []
    if more:
        parts.append(_tag("NextContinuationToken", text(base64.urlsafe_b64encode(page[-1][0].encode()).decode())))
    parts += [_row(text(key), stored) for key, stored in page]
    return f"{_HEAD}<ListBucketResult>{''.join(parts)}</ListBucketResult>".encode()


def _rows(bucket: BucketOnDisk, prefix: str, delimiter: str, after: str) -> list[tuple[str, Stored | None]]:
    """Objects and, as None, common prefixes, in order of their UTF-8 bytes, behind `after`."""
    with bucket.lock:
        found = [(key, stored) for key, stored in bucket.objects.items() if key.startswith(prefix)]
    rows: dict[str, Stored | None] = {}
    for key, stored in sorted(found, key=lambda row: row[0].encode()):
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        shown = key if cut < 0 else key[: cut + len(delimiter)]
        if shown.encode() > after.encode() and not (cut >= 0 and after.startswith(shown)):
            rows.setdefault(shown, stored if cut < 0 else None)
    return list(rows.items())


def _row(key: str, stored: Stored | None) -> str:
    if stored is None:
        return f"<CommonPrefixes>{_tag('Prefix', key)}</CommonPrefixes>"
    inner = _tag("Key", key) + _tag("LastModified", stored.modified) + _tag("ETag", f'"{stored.etag}"')
    inner += _tag("Type", stored.kind) + _tag("Size", stored.size) + _tag("StorageClass", "Standard")
    return f"<Contents>{inner}</Contents>"


def upload_begun(bucket: str, upload: Upload) -> bytes:
    inner = _tag("Bucket", bucket) + _tag("Key", upload.key) + _tag("UploadId", upload.id)
    return f"{_HEAD}<InitiateMultipartUploadResult>{inner}</InitiateMultipartUploadResult>".encode()


def upload_completed(bucket: str, stored: Stored) -> bytes:
    inner = _tag("Bucket", bucket) + _tag("Key", stored.key) + _tag("ETag", f'"{stored.etag}"')
    return f"{_HEAD}<CompleteMultipartUploadResult>{inner}</CompleteMultipartUploadResult>".encode()


def parts_of(bucket: str, upload: Upload, modified: str) -> bytes:
    """The answer to ListParts; all of them on one page."""
    inner = _tag("Bucket", bucket) + _tag("Key", upload.key) + _tag("UploadId", upload.id)
    inner += _tag("IsTruncated", "false") + _tag("NextPartNumberMarker", max(upload.parts, default=0))
    for number, piece in sorted(upload.parts.items()):
        part = _tag("PartNumber", number) + _tag("LastModified", modified) + _tag("ETag", f'"{piece.md5}"')
        inner += f"<Part>{part}{_tag('HashCrc64ecma', piece.crc64)}{_tag('Size', piece.size)}</Part>"
    return f"{_HEAD}<ListPartsResult>{inner}</ListPartsResult>".encode()


def uploads_of(bucket: BucketOnDisk, name: str, modified: str) -> bytes:
    """The answer to ListMultipartUploads; all of them on one page."""
    inner = _tag("Bucket", name) + _tag("IsTruncated", "false")
    inner += _tag("NextKeyMarker", "") + _tag("NextUploadIdMarker", "")
    for upload in bucket.uploads.values():
        inner += f"<Upload>{_tag('Key', upload.key)}{_tag('UploadId', upload.id)}{_tag('Initiated', modified)}</Upload>"
    return f"{_HEAD}<ListMultipartUploadsResult>{inner}</ListMultipartUploadsResult>".encode()


def chosen_parts(body: bytes) -> list[tuple[int, str]]:
    """Number and ETag of each part in a CompleteMultipartUpload document."""
    chosen = []
    for part in _PART.findall(body.decode()):
        number = re.search(r"<PartNumber>(\d+)</PartNumber>", part)
        etag = re.search(r"<ETag>(?:&quot;|\")?([^<&\"]+)", part)
        if not number or not etag:
            raise Refusal(400, "MalformedXML", "The XML you provided was not well-formed.")
        chosen.append((int(number[1]), etag[1]))
    return chosen
