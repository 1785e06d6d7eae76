"""Multipart uploads: begin, parts, complete, abort, and their listings."""

from __future__ import annotations

import base64
import hashlib
import secrets
from urllib.parse import quote

from tests.oss_server.answer import Answer, xml_answer
from tests.oss_server.asked import whole_number
from tests.oss_server.clock import iso
from tests.oss_server.operations.attributes import Attributes, attributes, check_digest, element, version_header
from tests.oss_server.operations.callback import called_back
from tests.oss_server.operations.put import combined, keep, received
from tests.oss_server.operations.retention import guard_write
from tests.oss_server.refusal import Refusal, invalid_argument, malformed
from tests.oss_server.service import Call, done
from tests.oss_server.versions import Piece, Upload
from tests.oss_server.xml import Node, number_of, text_of

SMALLEST_PART = 100 * 1024
MOST_PARTS = 10_000


def upload_of(call: Call) -> Upload:
    upload = call.bucket.uploads.get(call.asked.query.get("uploadId", ""))
    if upload is None or upload.key != call.asked.key:
        text = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted"
        text += " or completed."
        details = {"UploadId": call.asked.query.get("uploadId", "")}
        raise Refusal(404, "NoSuchUpload", text, ec="0042-00000002", details=details)
    return upload


def part_number(call: Call) -> int:
    text = call.asked.query.get("partNumber", "")
    if not text.isdigit() or not 1 <= int(text) <= MOST_PARTS:
        message = "Part number must be an integer between 1 and 10000, inclusive."
        raise invalid_argument(message, "partNumber", text)
    return int(text)


def begin(call: Call) -> Answer:
    """InitiateMultipartUpload."""
    guard_write(call, call.asked.key)
    given = attributes(call)
    upload = Upload(
        secrets.token_hex(16).upper(),
        call.asked.key,
        call.now,
        given.headers,
        given.storage_class,
        given.acl,
        given.tags,
        "sequential" in call.asked.query,
    )
    call.bucket.keep_upload(upload)
    encoded = call.asked.query.get("encoding-type") == "url"
    return xml_answer(
        "InitiateMultipartUploadResult",
        {
            "EncodingType": "url" if encoded else None,
            "Bucket": call.asked.bucket,
            "Key": quote(upload.key, safe="") if encoded else upload.key,
            "UploadId": upload.id,
        },
        {name: value for name, value in upload.headers.items() if name.startswith("x-oss-server-side-")},
    )


def upload_part(call: Call) -> Answer:
    """UploadPart: a part with a number that was there before takes its place."""
    upload, number = upload_of(call), part_number(call)
    _unencrypted(call)
    piece = received(call)
    bucket = call.bucket
    with bucket.lock:
        try:
            _in_sequence(upload_of(call), number)
        except Refusal:
            bucket.drop((piece,))
            raise
        bucket.keep_part(upload, number, piece)
    headers = {"ETag": f'"{piece.md5}"', "x-oss-hash-crc64ecma": str(piece.crc64)}
    headers["Content-MD5"] = base64.b64encode(bytes.fromhex(piece.md5)).decode()
    return done(200, headers | {n: v for n, v in upload.headers.items() if n.startswith("x-oss-server-side-")})


def _unencrypted(call: Call) -> None:
    asked_for = sorted(name for name in call.asked.headers if name.startswith("x-oss-server-side-"))
    if asked_for:
        raise invalid_argument("Encryption is set when an upload is begun, not later.", asked_for[0])


def _in_sequence(upload: Upload, number: int) -> None:
    """Uploads begun with `sequential` take parts in order only."""
    if upload.sequential and number not in {len(upload.parts), len(upload.parts) + 1}:
        raise Refusal(400, "PartNotSequential", "The part number is not sequential.", ec="0042-00000206")


def complete(call: Call) -> Answer:
    """CompleteMultipartUpload, with a list of parts or `x-oss-complete-all: yes`."""
    _unencrypted(call)
    body, bucket = call.body.all(), call.bucket
    check_digest(call, body)
    with bucket.lock:
        upload = upload_of(call)
        guard_write(call, upload.key)
        pieces = _all_parts(call, upload, body) or _listed(upload, body)
        if any(piece.size < SMALLEST_PART for piece in pieces[:-1]):
            text = "Your proposed upload smaller than the minimum allowed size."
            raise Refusal(400, "EntityTooSmall", text, ec="0042-00000003")
        whole = hashlib.md5(b"".join(bytes.fromhex(piece.md5) for piece in pieces), usedforsecurity=False)
        crc = 0
        for piece in pieces:
            crc = combined(crc, piece)
        etag = f"{whole.hexdigest().upper()}-{len(pieces)}"
        bucket.forget_upload(upload, pieces)
        digest = {"Content-MD5": _digest_of(call, pieces)} if upload.sequential else {}
        acl = call.asked.headers.get("x-oss-object-acl", "") or upload.acl
        given = Attributes(upload.headers | digest, acl, upload.tags, upload.storage_class)
        kept = keep(call, given, pieces, etag, crc, "Multipart")
    headers = {"x-oss-hash-crc64ecma": str(crc), "ETag": f'"{etag}"'} | kept.encryption()
    encoded = call.asked.query.get("encoding-type") == "url"
    content: Node = {
        "EncodingType": "url" if encoded else None,
        "Location": f"http://{call.asked.bucket}.{call.asked.host}/{quote(upload.key)}",
        "Bucket": call.asked.bucket,
        "Key": quote(upload.key, safe="") if encoded else upload.key,
        "ETag": f'"{etag}"',
    }
    answer = xml_answer("CompleteMultipartUploadResult", content, headers | version_header(bucket.settings, kept.id))
    return called_back(call, answer, kept.size)


def _digest_of(call: Call, pieces: tuple[Piece, ...]) -> str:
    """The MD5 of the whole: uploads in sequence know it."""
    md5 = hashlib.md5(usedforsecurity=False)
    reading = call.bucket.bytes_of(pieces, 0, sum(piece.size for piece in pieces))
    for chunk in reading:
        md5.update(chunk)
    reading.close()
    return base64.b64encode(md5.digest()).decode()


def _all_parts(call: Call, upload: Upload, body: bytes) -> tuple[Piece, ...]:
    if call.asked.headers.get("x-oss-complete-all", "").lower() != "yes":
        return ()
    if body.strip():
        raise invalid_argument("Should not specify both complete all header and http body.", ec="0042-00000216")
    if not upload.parts:
        raise Refusal(400, "InvalidPart", "No part was uploaded.", ec="0042-00000214")
    return tuple(piece for _, piece in sorted(upload.parts.items()))


def _listed(upload: Upload, body: bytes) -> tuple[Piece, ...]:
    rows = []
    for part in element(body, "CompleteMultipartUpload").findall("Part"):
        number = number_of(part, "PartNumber")
        if number is None:
            raise malformed()
        rows.append((number, text_of(part, "ETag").strip().strip('"')))
    if not rows:
        raise malformed()
    if [number for number, _ in rows] != sorted({number for number, _ in rows}):
        raise Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.", ec="0042-00000204")
    for number, etag in rows:
        if number not in upload.parts or upload.parts[number].md5 != etag.upper():
            text = "One or more of the specified parts could not be found or the specified entity tag might not have"
            text += " matched the part's entity tag."
            details = {"PartNumber": str(number)}
            raise Refusal(400, "InvalidPart", text, ec="0042-00000202", details=details)
    return tuple(upload.parts[number] for number, _ in rows)


def abort(call: Call) -> Answer:
    """AbortMultipartUpload."""
    with call.bucket.lock:
        call.bucket.forget_upload(upload_of(call))
    return done(204)


def list_parts(call: Call) -> Answer:
    """ListParts."""
    upload, query = upload_of(call), call.asked.query
    most = whole_number(query.get("max-parts") or "1000", "max-parts", 1, 1000)
    marker = whole_number(query.get("part-number-marker") or "0", "part-number-marker", 0, MOST_PARTS)
    rows = [(number, piece) for number, piece in sorted(upload.parts.items()) if number > marker]
    page = rows[:most]
    encoded = query.get("encoding-type") == "url"
    parts: list[Node] = [
        {
            "PartNumber": number,
            "LastModified": iso(piece.modified),
            "ETag": f'"{piece.md5}"',
            "HashCrc64ecma": str(piece.crc64),
            "Size": piece.size,
        }
        for number, piece in page
    ]
    return xml_answer(
        "ListPartsResult",
        {
            "EncodingType": "url" if encoded else None,
            "Bucket": call.asked.bucket,
            "Key": quote(upload.key, safe="") if encoded else upload.key,
            "UploadId": upload.id,
            "StorageClass": upload.storage_class,
            "PartNumberMarker": marker,
            "NextPartNumberMarker": page[-1][0] if page else 0,
            "MaxParts": most,
            "IsTruncated": len(rows) > most,
            **_client_encryption(upload),
            "Part": parts,
        },
    )


def _client_encryption(upload: Upload) -> dict[str, Node]:
    """What a client that encrypts by itself said at the beginning, told again to whoever goes on."""
    names = {
        "ClientEncryptionKey": "key",
        "ClientEncryptionStart": "start",
        "ClientEncryptionCekAlg": "cek-alg",
        "ClientEncryptionWrapAlg": "wrap-alg",
        "ClientEncryptionDataSize": "data-size",
        "ClientEncryptionPartSize": "part-size",
    }
    meta = "x-oss-meta-client-side-encryption-"
    return {title: upload.headers.get(f"{meta}{name}") for title, name in names.items()}


def list_uploads(call: Call) -> Answer:
    """ListMultipartUploads: in order of keys, then of upload ids."""
    query = call.asked.query
    most = whole_number(query.get("max-uploads") or "1000", "max-uploads", 1, 1000)
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    key_marker, id_marker = query.get("key-marker", ""), query.get("upload-id-marker", "")
    encoded = query.get("encoding-type") == "url"

    def text(value: str) -> str:
        return quote(value, safe="") if encoded else value

    page, more = _page(call, prefix, delimiter, (key_marker, id_marker), most)
    last = page[-1] if page else ("", None)
    uploads: list[Node] = [
        {"Key": text(one.key), "UploadId": one.id, "StorageClass": one.storage_class, "Initiated": iso(one.begun)}
        for _, one in page
        if one
    ]
    return xml_answer(
        "ListMultipartUploadsResult",
        {
            "EncodingType": "url" if encoded else None,
            "Bucket": call.asked.bucket,
            "KeyMarker": text(key_marker),
            "UploadIdMarker": id_marker,
            "NextKeyMarker": text(last[0]),
            "NextUploadIdMarker": last[1].id if last[1] else "",
            "Delimiter": text(delimiter),
            "Prefix": text(prefix),
            "MaxUploads": most,
            "IsTruncated": more,
            "Upload": uploads,
            "CommonPrefixes": [{"Prefix": text(shown)} for shown, one in page if one is None],
        },
    )


def _page(
    call: Call, prefix: str, delimiter: str, marker: tuple[str, str], most: int
) -> tuple[list[tuple[str, Upload | None]], bool]:
    key_marker, id_marker = marker[0].encode(), marker[1]
    rows: dict[tuple[str, str], Upload | None] = {}
    for one in sorted(call.bucket.uploads.values(), key=lambda one: (one.key.encode(), one.id)):
        if not one.key.startswith(prefix):
            continue
        cut = one.key.find(delimiter, len(prefix)) if delimiter else -1
        shown = one.key if cut < 0 else one.key[: cut + len(delimiter)]
        behind = shown.encode() > key_marker or (
            shown.encode() == key_marker and cut < 0 and bool(id_marker) and one.id > id_marker
        )
        if behind:
            rows.setdefault((shown, one.id if cut < 0 else ""), one if cut < 0 else None)
    listed = [(shown, one) for (shown, _), one in rows.items()]
    return listed[:most], len(listed) > most
