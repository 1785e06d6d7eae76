"""Reading objects: get, head, meta, with conditions, ranges and versions."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tests.oss_server.answer import Answer
from tests.oss_server.clock import http_date
from tests.oss_server.operations.attributes import version_header
from tests.oss_server.operations.chosen import chosen, target_of
from tests.oss_server.operations.object_lock import shown
from tests.oss_server.operations.put import traffic_limit
from tests.oss_server.pace import Pace
from tests.oss_server.refusal import Refusal, access_denied
from tests.oss_server.service import Call
from tests.oss_server.signature import moment_of
from tests.oss_server.thaw import FROZEN, readable
from tests.oss_server.versions import Version

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"
_OVERRIDES = ("content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding")
_COMPRESSED = re.compile(
    r"(text/(cache-manifest|xml|plain|css|html)|application/(javascript|x-javascript|rss\+xml|json|xml))\b.*"
)
_NAMES = {name: "-".join(word.capitalize() for word in name.split("-")) for name in _OVERRIDES}


def get_object(call: Call) -> Answer:
    """GetObject."""
    traffic_limit(call)
    with call.bucket.lock:
        link = chosen(call)
        version = target_of(call, link)
        conditions(call, version)
        if not readable(version, call.now) and not _direct(call, version):
            text = "The operation is not valid for the object's state"
            raise Refusal(403, "InvalidObjectState", text, ec="0016-00000703")
        _seen(call, version)
        headers = _linked(call, link, version) | _overridden(call)
        cut = _range(call, version.size)
        body = call.bucket.bytes_of(version.pieces, cut.start, cut.end)
    if cut.partial:
        headers["Content-Range"] = f"bytes {cut.start}-{cut.end - 1}/{version.size}"
    elif _compressible(call, version):
        headers["Content-Encoding"] = "gzip"
        headers.pop("Content-MD5", None)
        headers["Vary"] = "Accept-Encoding"
        return Answer(200, headers, _Stream(_gzipped(_paced(call, body)), body), None)
    return Answer(206 if cut.partial else 200, headers, _Stream(_paced(call, body), body), cut.end - cut.start)


class _Stream:
    """A body that was changed on its way out; closing it closes what it reads."""

    def __init__(self, body: Iterable[bytes], source: object) -> None:
        self._body, self._source = body, source

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        self._source.close()  # type: ignore[attr-defined]


def head_object(call: Call) -> Answer:
    """HeadObject."""
    link = chosen(call)
    version = target_of(call, link)
    conditions(call, version)
    return Answer(200, _linked(call, link, version), (), version.size)


def _linked(call: Call, link: Version, version: Version) -> dict[str, str]:
    """A link shows its own headers and tags over its target's ETag and length."""
    headers = described(call, version)
    if link is version:
        return headers
    own = described(call, link)
    meant = {name: value for name, value in headers.items() if name in {"ETag", "x-oss-hash-crc64ecma"}}
    return own | meant


def get_meta(call: Call) -> Answer:
    """GetObjectMeta: ETag, length and time."""
    version = chosen(call)
    headers = {"ETag": f'"{version.etag}"', "Last-Modified": http_date(version.modified)}
    headers |= version_header(call.bucket.settings, version.id)
    headers["x-oss-hash-crc64ecma"] = str(version.crc64)
    if "accessmonitor" in call.bucket.settings.documents:
        headers["x-oss-last-access-time"] = http_date(version.accessed or version.modified)
    return Answer(200, headers, (), version.size)


def described(call: Call, version: Version) -> dict[str, str]:
    """An object's headers."""
    kept = {_NAMES.get(name, name): value for name, value in version.headers.items()}
    headers = {
        "ETag": f'"{version.etag}"',
        "x-oss-hash-crc64ecma": str(version.crc64),
        "x-oss-object-type": version.kind,
        "x-oss-storage-class": version.storage_class,
        "Accept-Ranges": "bytes",
        "Last-Modified": http_date(version.modified),
        **kept,
        **version_header(call.bucket.settings, version.id),
    }
    if version.kind == "Normal" and len(version.pieces) == 1:
        headers["Content-MD5"] = base64.b64encode(bytes.fromhex(version.pieces[0].md5)).decode()
    headers |= shown(version)
    if version.tags:
        headers["x-oss-tagging-count"] = str(len(version.tags))
    if version.kind == "Appendable":
        headers["x-oss-next-append-position"] = str(version.size)
    if version.sealed:
        headers["x-oss-sealed-time"] = http_date(version.moved)
    thaw = version.thaw
    if version.storage_class in FROZEN and thaw and call.now < thaw.until:
        under_way = call.now < thaw.ready
        expiry = "" if under_way else f', expiry-date="{http_date(thaw.until)}"'
        headers["x-oss-restore"] = f'ongoing-request="{str(under_way).lower()}"{expiry}'
    elif version.moved != version.modified and version.moved:
        headers["x-oss-transition-time"] = http_date(version.moved)
    return headers


def conditions(call: Call, version: Version, prefix: str = "") -> None:
    """If-(Un)Modified-Since, If-(None-)Match; with a prefix, those on the source of a copy."""
    given = call.asked.headers
    since, before = given.get(f"{prefix}if-modified-since"), given.get(f"{prefix}if-unmodified-since")
    match, unless = given.get(f"{prefix}if-match"), given.get(f"{prefix}if-none-match")
    modified = version.modified // 1000
    not_modified = Refusal(304, "NotModified", "Not Modified", described_shortly(version))
    failed = Refusal(
        412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.", ec="0026-00000014"
    )
    at = moment_of(before or "", _HTTP_DATE)
    if (at and modified > at.timestamp()) or (match and not _matches(match, version)):
        raise failed
    at = moment_of(since or "", _HTTP_DATE)
    if (at and modified <= at.timestamp()) or (unless and _matches(unless, version)):
        raise not_modified


def described_shortly(version: Version) -> dict[str, str]:
    """What a 304 carries."""
    return {"ETag": f'"{version.etag}"', "Last-Modified": http_date(version.modified)}


def _matches(text: str, version: Version) -> bool:
    return any(one.strip().strip('"') in {version.etag, "*"} for one in text.split(","))


def _overridden(call: Call) -> dict[str, str]:
    headers = {
        _NAMES[name]: call.asked.query[f"response-{name}"]
        for name in _OVERRIDES
        if f"response-{name}" in call.asked.query
    }
    if headers and call.account is None:
        raise access_denied("response-* needs a signed request.")
    return headers


def _direct(call: Call, version: Version) -> bool:
    document = call.bucket.settings.documents.get("bucketArchiveDirectRead", "")
    return version.storage_class == "Archive" and "<Enabled>true</Enabled>" in document


def _seen(call: Call, version: Version) -> None:
    if "accessmonitor" in call.bucket.settings.documents:
        call.bucket.replace(replace(version, accessed=call.now))


def _compressible(call: Call, version: Version) -> bool:
    accepts = "gzip" in call.asked.headers.get("accept-encoding", "")
    kind = version.headers.get("content-type", "")
    return accepts and version.size >= 1024 and bool(_COMPRESSED.fullmatch(kind))


def _gzipped(body: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for chunk in body:
        yield packer.compress(chunk)
    yield packer.flush()


def _paced(call: Call, body: Iterable[bytes]) -> Iterable[bytes]:
    paces = [pace for pace in (traffic_limit(call), call.service.outgoing) if pace.rate]
    return _slowly(body, paces) if paces else body


def _slowly(body: Iterable[bytes], paces: list[Pace]) -> Iterator[bytes]:
    step = min(max(4096, pace.rate // 20) for pace in paces)
    for chunk in body:
        for start in range(0, len(chunk), step):
            part = chunk[start : start + step]
            for pace in paces:
                pace.take(len(part))
            yield part


@dataclass(frozen=True, slots=True)
class Cut:
    """Half-open bounds; `partial` when a range was met."""

    start: int
    end: int
    partial: bool


def _range(call: Call, size: int) -> Cut:
    """A range that can't be met means the whole object, or 416 with `x-oss-range-behavior: standard`."""
    whole = Cut(0, size, partial=False)
    found = _RANGE.fullmatch(call.asked.headers.get("range", ""))
    if not found or found.groups() == ("", ""):
        return whole
    first, last = found.groups()
    strict = call.asked.headers.get("x-oss-range-behavior") == "standard"
    start, end = (int(first), int(last) + 1 if last else size) if first else (max(0, size - int(last)), size)
    if start >= size or start >= end or (end > size and not strict):
        if strict and start >= size:
            headers = {"Content-Range": f"bytes */{size}"}
            text = "The requested range cannot be satisfied"
            raise Refusal(416, "InvalidRange", text, headers, ec="0026-00000006")
        return whole
    return Cut(start, min(end, size), partial=True)
