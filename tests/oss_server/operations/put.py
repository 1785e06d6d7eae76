"""Writing objects: put, append, symbolic links."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, unquote

from tests.oss_server.answer import Answer
from tests.oss_server.disk import crc64
from tests.oss_server.operations.attributes import Attributes, attributes, new_version_id, version_header
from tests.oss_server.operations.callback import called_back
from tests.oss_server.operations.chosen import chosen
from tests.oss_server.operations.object_lock import born_retained
from tests.oss_server.operations.retention import guard_write, lock_of
from tests.oss_server.pace import Pace
from tests.oss_server.refusal import Refusal, invalid_argument
from tests.oss_server.service import Call, done
from tests.oss_server.versions import Piece, Version

LARGEST_BODY = 5 * 1024**3
_LIMITS = (819_200, 838_860_800)


def traffic_limit(call: Call) -> Pace:
    """The pace of this connection: `x-oss-traffic-limit` in bit/s, from header or query."""
    text = call.asked.meant("x-oss-traffic-limit")
    if not text:
        return Pace()
    if not text.isdigit() or not _LIMITS[0] <= int(text) <= _LIMITS[1]:
        message = "Traffic limit must be between 819200 and 838860800 bit/s."
        raise invalid_argument(message, "x-oss-traffic-limit", text)
    return Pace(int(text) // 8)


def received(call: Call) -> Piece:
    """The body on disk, at the pace of connection and account, checked against Content-MD5."""
    if call.body.size is not None and call.body.size > LARGEST_BODY:
        raise too_large()
    piece = call.bucket.receive(paced(call, call.body.read), call.now)
    problem = None
    if piece.size > LARGEST_BODY:
        problem = too_large()
    elif not _md5_fits(call.asked.headers.get("content-md5"), piece):
        problem = Refusal(400, "InvalidDigest", "The Content-MD5 you specified was invalid.", ec="0016-00000301")
    if problem:
        call.bucket.drop((piece,))
        raise problem
    return piece


def paced(call: Call, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """`read`, held to the pace of the connection and of the account."""
    paces = [pace for pace in (traffic_limit(call), call.service.incoming) if pace.rate]
    step = min([256 * 1024, *(max(4096, pace.rate // 20) for pace in paces)])

    def slow(most: int) -> bytes:
        chunk = read(min(most, step))
        for pace in paces:
            pace.take(len(chunk))
        return chunk

    return slow if paces else read


def _md5_fits(wanted: str | None, piece: Piece) -> bool:
    try:
        return not wanted or base64.b64decode(wanted, validate=True).hex().upper() == piece.md5
    except binascii.Error:
        return False


def too_large() -> Refusal:
    text = "Your proposed upload exceeds the maximum allowed object size."
    return Refusal(400, "EntityTooLarge", text, ec="0016-00000101")


def put_object(call: Call) -> Answer:
    """PutObject."""
    if call.body.size is None and "transfer-encoding" not in call.asked.headers:
        raise Refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    guard_write(call, call.asked.key)
    given = attributes(call)
    piece = received(call)
    kept = keep(call, given, (piece,), piece.md5, piece.crc64, "Normal")
    headers = {"ETag": f'"{piece.md5}"', "x-oss-hash-crc64ecma": str(piece.crc64)}
    headers["Content-MD5"] = base64.b64encode(bytes.fromhex(piece.md5)).decode()
    answer = done(200, headers | kept.encryption() | version_header(call.bucket.settings, kept.id))
    return called_back(call, answer, piece.size)


def keep(
    call: Call, given: Attributes, pieces: tuple[Piece, ...], etag: str, crc: int, kind: str, *, target: str = ""
) -> Version:
    """Makes the object under the bucket's lock, where overwriting is judged once more."""
    bucket = call.bucket
    with bucket.lock:
        try:
            guard_write(call, call.asked.key)
        except Refusal:
            bucket.drop(pieces)
            raise
        version = Version(
            key=call.asked.key,
            id=new_version_id(bucket.settings),
            modified=call.now,
            kind=kind,
            pieces=pieces,
            etag=etag,
            crc64=crc,
            storage_class=given.storage_class,
            moved=call.now,
            acl=given.acl,
            headers=given.headers,
            tags=given.tags,
            target=target,
        )
        version = born_retained(call, version)
        bucket.keep(version)
    return version


def append_object(call: Call) -> Answer:
    """AppendObject: at `position`, which must be the object's length; at most 5 GB; not under WORM."""
    text = call.asked.query.get("position", "")
    if not text.isdigit():
        raise invalid_argument("The append position is missing or not a number.", "position", text)
    if lock_of(call):
        raise Refusal(409, "FileImmutable", "Append is not supported under a retention policy.", ec="0055-00000011")
    given = None if _appendable(call, int(text)) else attributes(call)
    piece = received(call)
    bucket = call.bucket
    with bucket.lock:
        try:
            old = _appendable(call, int(text))
            if old and old.size + piece.size > LARGEST_BODY:
                raise too_large()
        except Refusal:
            bucket.drop((piece,))
            raise
        if old is None:
            version = keep(call, given or attributes(call), (piece,), "", piece.crc64, "Appendable")
        else:
            version = replace(old, pieces=(*old.pieces, piece), crc64=combined(old.crc64, piece), modified=call.now)
        version = replace(version, etag=f"{version.crc64:016X}{version.size:016X}")
        bucket.replace(version)
    headers = {
        "ETag": f'"{version.etag}"',
        "x-oss-next-append-position": str(version.size),
        "x-oss-hash-crc64ecma": str(version.crc64),
    }
    return done(200, headers | version.encryption() | version_header(bucket.settings, version.id))


def _appendable(call: Call, position: int) -> Version | None:
    old = call.bucket.current(call.asked.key)
    if old is None or old.deleted:
        if position:
            raise _position(0)
        guard_write(call, call.asked.key)
        return None
    if old.kind != "Appendable" or old.sealed:
        text = "The object is not appendable"
        raise Refusal(409, "ObjectNotAppendable", text, ec="0026-00000021")
    if position != old.size:
        raise _position(old.size)
    return old


def _position(size: int) -> Refusal:
    text = "Position is not equal to file length"
    headers = {"x-oss-next-append-position": str(size)}
    return Refusal(409, "PositionNotEqualToLength", text, headers, ec="0026-00000016")


def combined(first: int, piece: Piece) -> int:
    """The CRC-64 of bytes with CRC `first`, followed by a piece."""
    from oss2.utils import Crc64

    return int(Crc64().combine(first, piece.crc64, piece.size)) if piece.size else first


def put_symlink(call: Call) -> Answer:
    """PutSymlink: the target need not exist."""
    target = unquote(call.asked.headers.get("x-oss-symlink-target", ""))
    if not target:
        raise invalid_argument("The symlink target is missing.", "x-oss-symlink-target", "")
    guard_write(call, call.asked.key)
    etag = f"{crc64().crcValue:032X}"
    kept = keep(call, attributes(call), (), etag, 0, "Symlink", target=target)
    return done(200, {"ETag": f'"{etag}"'} | version_header(call.bucket.settings, kept.id))


def get_symlink(call: Call) -> Answer:
    """GetSymlink: the link itself."""
    version = chosen(call)
    if version.kind != "Symlink":
        raise Refusal(400, "NotSymlink", "The object is not symlink", ec="0026-00000011")
    headers = {"x-oss-symlink-target": quote(version.target, safe=""), "ETag": f'"{version.etag}"'}
    return done(200, headers | version_header(call.bucket.settings, version.id))
