"""What a request says about the object it writes: headers to keep, ACL, tags, class, encryption."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from tests.oss_server.refusal import Refusal, invalid_argument, malformed
from tests.oss_server.service import Call
from tests.oss_server.settings import Settings
from tests.oss_server.versions import NULL
from tests.oss_server.xml import parsed, text_of

STORAGE_CLASSES = ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive")
_KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires")
_OBJECT_ACLS = ("default", "private", "public-read", "public-read-write")
ENCRYPTION = "x-oss-server-side-encryption"
_LARGEST_META = 8 * 1024
_TAG = re.compile(r"[\w +\-=.:/]*")


@dataclass(frozen=True, slots=True)
class Attributes:
    """As `Version` has them."""

    headers: dict[str, str]
    acl: str
    tags: dict[str, str]
    storage_class: str


def attributes(call: Call) -> Attributes:
    """Read from the request's headers, with the bucket's defaults; refused where OSS refuses."""
    given = call.asked.headers
    headers = {name: given[name] for name in _KEPT if given.get(name)}
    meta = {name: value for name, value in given.items() if name.startswith("x-oss-meta-")}
    if sum(len(name) + len(value.encode()) for name, value in meta.items()) > _LARGEST_META:
        raise Refusal(400, "InvalidArgument", "The total size of user metadata exceeds 8 KB.", ec="0016-00000041")
    headers |= meta
    headers.setdefault("content-type", "application/octet-stream")
    headers |= encryption(given, call.bucket.settings)
    storage_class = given.get("x-oss-storage-class", call.bucket.settings.storage_class)
    if storage_class not in STORAGE_CLASSES:
        raise invalid_argument("Invalid storage class.", "x-oss-storage-class", storage_class)
    return Attributes(headers, object_acl(given), tags_of(given.get("x-oss-tagging", "")), storage_class)


def object_acl(given: Mapping[str, str]) -> str:
    acl = given.get("x-oss-object-acl", "default")
    if acl not in _OBJECT_ACLS:
        raise invalid_argument("no such object access control exists", "x-oss-object-acl", acl)
    return acl


def encryption(given: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The headers the object is kept under: asked for, or the bucket's default, or none."""
    algorithm = given.get(ENCRYPTION, "")
    key, data = given.get(f"{ENCRYPTION}-key-id", ""), given.get("x-oss-server-side-data-encryption", "")
    if not algorithm and "encryption" in settings.documents:
        rule = parsed(settings.documents["encryption"].encode()).find("ApplyServerSideEncryptionByDefault")
        if rule is not None:
            algorithm = text_of(rule, "SSEAlgorithm")
            key, data = text_of(rule, "KMSMasterKeyID"), text_of(rule, "KMSDataEncryption")
    if not algorithm:
        if key:
            raise invalid_argument("A key id needs the encryption method KMS.", f"{ENCRYPTION}-key-id", key)
        return {}
    if algorithm not in {"AES256", "KMS", "SM4"}:
        text = "The encryption request you specified is not valid. Supported value: AES256/KMS/SM4"
        raise Refusal(400, "InvalidEncryptionAlgorithmError", text, ec="0016-00000803")
    if algorithm != "KMS":
        if key:
            raise invalid_argument("A key id needs the encryption method KMS.", f"{ENCRYPTION}-key-id", key)
        return {ENCRYPTION: algorithm}
    kept = {ENCRYPTION: "KMS", f"{ENCRYPTION}-key-id": key or "9468da86-3509-4f8d-a61e-6eab1eac0000"}
    return kept | ({"x-oss-server-side-data-encryption": data} if data else {})


def tags_of(text: str) -> dict[str, str]:
    """Tags as the header has them: `a=1&b=2`, URL-encoded."""
    return checked_tags(parse_qsl(text, keep_blank_values=True))


def tags_in(body: bytes) -> dict[str, str]:
    """Tags as a Tagging document has them."""
    root = parsed(body, "Tagging")
    return checked_tags([(text_of(tag, "Key"), text_of(tag, "Value")) for tag in root.findall("TagSet/Tag")])


def checked_tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """At most ten, keys of 1 to 128 characters once each, values of up to 256."""
    tags = dict(pairs)
    if len(tags) != len(pairs) or len(tags) > 10:
        raise Refusal(400, "InvalidTag", "The tags are repeated or more than ten.", ec="0028-00000001")
    for name, value in tags.items():
        if not 1 <= len(name) <= 128 or len(value) > 256:
            raise Refusal(400, "InvalidTag", "The TagKey or TagValue you have provided is invalid.", ec="0028-00000002")
        checked_signs(name + value)
    return tags


def checked_signs(text: str) -> None:
    """Refuses signs that no tag may have."""
    if not _TAG.fullmatch(text):
        raise Refusal(400, "InvalidTag", "The TagKey or TagValue you have provided is invalid.", ec="0028-00000003")


def new_version_id(settings: Settings) -> str:
    """`null` unless versioning is enabled."""
    if settings.versioning != "Enabled":
        return NULL
    raw = time.time_ns().to_bytes(8, "big") + secrets.token_bytes(16)
    return "CAEQ" + base64.b64encode(raw).decode().replace("+", "x").replace("/", "y").rstrip("=")


def checked_version_id(text: str) -> None:
    """Refuses what no version was ever called."""
    if text and text != NULL and not text.startswith("CAEQ"):
        raise invalid_argument("Invalid version id specified", "versionId", text, ec="0026-00000007")


def version_header(settings: Settings, version_id: str) -> dict[str, str]:
    """Named in answers only by buckets that keep versions."""
    return {"x-oss-version-id": version_id} if settings.keeps_versions else {}


def element(body: bytes, name: str) -> ElementTree.Element:
    """The document a request carries; an empty one is malformed."""
    if not body:
        raise malformed()
    return parsed(body, name)


def check_digest(call: Call, body: bytes) -> None:
    """Refuses a document that isn't what its Content-MD5 says."""
    wanted = call.asked.headers.get("content-md5")
    if wanted and wanted != base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode():
        raise Refusal(400, "InvalidDigest", "The Content-MD5 you specified was invalid.", ec="0016-00000301")
