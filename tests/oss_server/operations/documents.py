"""Sub-resources of a bucket that are kept as they were put: CORS, website, policy, lifecycle and their like."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

from tests.oss_server.answer import Answer, text_answer
from tests.oss_server.authorization import blocked
from tests.oss_server.lifecycle import rules_in, validate
from tests.oss_server.operations.attributes import ENCRYPTION, check_digest, element
from tests.oss_server.refusal import Refusal, access_denied, malformed
from tests.oss_server.service import Call, done
from tests.oss_server.xml import Node, document, text_of

_BOOLEAN = re.compile(rb">(?:True|False)<")
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def _nothing(_call: Call, _body: bytes) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """A sub-resource: its root element, what a bucket without one answers (a refusal code, or a document).

    `check` may refuse a body, or give another to keep.
    """

    root: str
    missing: str = ""
    default: str = ""
    check: Callable[[Call, bytes], bytes | None] = _nothing
    gone: int = 404


def _lifecycle(call: Call, body: bytes) -> bytes:
    allowed = call.asked.headers.get("x-oss-allow-same-action-overlap", "").lower() == "true"
    validate(rules_in(body), overlap=allowed)
    root = element(body, "LifecycleConfiguration")
    for number, rule in enumerate(root.findall("Rule")):
        if not text_of(rule, "ID").strip():
            named = rule.find("ID")
            named = ElementTree.SubElement(rule, "ID") if named is None else named
            named.text = hashlib.sha256(f"{call.request_id}{number}".encode()).hexdigest()[:36]
    return _HEAD.encode() + bytes(ElementTree.tostring(root, encoding="utf-8"))


def _policy(call: Call, body: bytes) -> None:
    try:
        policy = json.loads(body)
        statements = policy["Statement"]
        principals = [str(one) for statement in statements for one in statement.get("Principal", ["*"])]
    except (ValueError, KeyError, TypeError, AttributeError):
        text = "Policies must be valid JSON and the first byte must be '{'"
        raise Refusal(400, "MalformedPolicy", text, ec="0013-00000101") from None
    allows = any(statement.get("Effect") == "Allow" for statement in statements)
    if allows and "*" in principals and blocked(call):
        raise access_denied("Put public bucket policy is not allowed")


def _defaults(root: str, **defaults: str) -> Callable[[Call, bytes], bytes]:
    """Elements that OSS adds to a document that lacks them."""

    def added(_call: Call, body: bytes) -> bytes:
        node = element(body, root)
        for name, value in defaults.items():
            if node.find(name) is None:
                ElementTree.SubElement(node, name).text = value
        return _HEAD.encode() + bytes(ElementTree.tostring(node, encoding="utf-8"))

    return added


def _encryption(_call: Call, body: bytes) -> bytes | None:
    rule = element(body, "ServerSideEncryptionRule").find("ApplyServerSideEncryptionByDefault")
    algorithm = text_of(rule, "SSEAlgorithm").strip() if rule is not None else ""
    if algorithm not in {"AES256", "KMS", "SM4"}:
        text = "The encryption request you specified is not valid. Supported value: AES256/KMS/SM4"
        raise Refusal(400, "InvalidEncryptionAlgorithmError", text, ec="0016-00000803")
    if rule is not None and algorithm != "KMS" and text_of(rule, "KMSMasterKeyID").strip():
        raise Refusal(400, "InvalidArgument", "KMSMasterKeyID needs the algorithm KMS.", ec="0016-00000804")
    return None if algorithm == "KMS" else encryption_rule({ENCRYPTION: algorithm})


def encryption_rule(headers: dict[str, str]) -> bytes:
    """The document that says what these headers say."""
    content: Node = {
        "SSEAlgorithm": headers.get(ENCRYPTION, ""),
        "KMSMasterKeyID": headers.get(f"{ENCRYPTION}-key-id"),
        "KMSDataEncryption": headers.get("x-oss-server-side-data-encryption"),
    }
    return document("ServerSideEncryptionRule", {"ApplyServerSideEncryptionByDefault": content})


def _tagging(_call: Call, body: bytes) -> None:
    keys = [text_of(one, "Key") for one in element(body, "Tagging").findall("TagSet/Tag")]
    if len(keys) > 20 or len(set(keys)) != len(keys) or not all(1 <= len(key) <= 64 for key in keys):
        raise Refusal(400, "InvalidTag", "The TagKey or TagValue you have provided is invalid.", ec="0028-00000002")


def _logging(call: Call, body: bytes) -> None:
    root = element(body, "BucketLoggingStatus")
    target = text_of(root, "LoggingEnabled/TargetBucket")
    if target and target not in call.service.buckets:
        raise Refusal(400, "InvalidTargetBucketForLogging", "The target bucket does not exist.", ec="0019-00000101")


def _payment(_call: Call, body: bytes) -> None:
    payer = text_of(element(body, "RequestPaymentConfiguration"), "Payer")
    if payer not in {"BucketOwner", "Requester"}:
        raise malformed()


def _object_worm(call: Call, _body: bytes) -> None:
    if call.bucket.settings.versioning != "Enabled":
        text = "Object WORM needs versioning to be enabled."
        raise Refusal(409, "InvalidBucketState", text, ec="0055-00000103")


def _cors(call: Call, body: bytes) -> bytes:
    root = element(_defaults("CORSConfiguration", ResponseVary="false")(call, body), "CORSConfiguration")
    for one in root.iter("AllowedHeader"):
        one.text = (one.text or "").lower()
    return _HEAD.encode() + bytes(ElementTree.tostring(root, encoding="utf-8"))


def _website(_call: Call, body: bytes) -> bytes:
    """A mirror's MirrorPassQueryString stands for PassQueryString, too."""
    root = element(body, "WebsiteConfiguration")
    for redirect in root.iter("Redirect"):
        mirrored = redirect.find("MirrorPassQueryString")
        if text_of(redirect, "RedirectType") == "Mirror" and mirrored is not None:
            passed = redirect.find("PassQueryString")
            passed = ElementTree.SubElement(redirect, "PassQueryString") if passed is None else passed
            passed.text = mirrored.text
    return _HEAD.encode() + bytes(ElementTree.tostring(root, encoding="utf-8"))


def _https(_call: Call, body: bytes) -> bytes:
    root = element(body, "HttpsConfiguration")
    tls = root.find("TLS")
    if tls is None:
        raise malformed()
    versions = [one.text or "" for one in tls.findall("TLSVersion")]
    enabled = text_of(tls, "Enable").strip().lower() == "true"
    if (enabled and not versions) or not {*versions} <= {f"TLSv1.{number}" for number in range(4)} | {"TLSv1"}:
        raise malformed()
    content: Node = {"Enable": enabled, "TLSVersion": list(dict.fromkeys(versions))}
    return document("HttpsConfiguration", {"TLS": content})


def _switch(root: str, *path: str) -> str:
    inner = "false"
    for name in reversed(path):
        inner = f"<{name}>{inner}</{name}>"
    return f"<{root}>{inner}</{root}>"


KINDS: dict[str, Kind] = {
    "cors": Kind("CORSConfiguration", "NoSuchCORSConfiguration", check=_cors),
    "logging": Kind("BucketLoggingStatus", default="<BucketLoggingStatus></BucketLoggingStatus>", check=_logging),
    "website": Kind("WebsiteConfiguration", "NoSuchWebsiteConfiguration", check=_website),
    "referer": Kind(
        "RefererConfiguration",
        default="<RefererConfiguration><AllowEmptyReferer>true</AllowEmptyReferer>"
        "<AllowTruncateQueryString>true</AllowTruncateQueryString><RefererList></RefererList></RefererConfiguration>",
        check=_defaults("RefererConfiguration", AllowTruncateQueryString="true"),
    ),
    "lifecycle": Kind("LifecycleConfiguration", "NoSuchLifecycle", check=_lifecycle),
    "tagging": Kind("Tagging", default="<Tagging><TagSet></TagSet></Tagging>", check=_tagging),
    "encryption": Kind("ServerSideEncryptionRule", "NoSuchServerSideEncryptionRule", check=_encryption),
    "policy": Kind("", "NoSuchBucketPolicy", check=_policy),
    "requestPayment": Kind(
        "RequestPaymentConfiguration",
        default="<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
        check=_payment,
    ),
    "transferAcceleration": Kind("TransferAccelerationConfiguration", "NoSuchTransferAccelerationConfiguration"),
    "accessmonitor": Kind(
        "AccessMonitorConfiguration",
        default="<AccessMonitorConfiguration><Status>Disabled</Status></AccessMonitorConfiguration>",
    ),
    "httpsConfig": Kind("HttpsConfiguration", default=_switch("HttpsConfiguration", "TLS", "Enable"), check=_https),
    "publicAccessBlock": Kind(
        "PublicAccessBlockConfiguration", default=_switch("PublicAccessBlockConfiguration", "BlockPublicAccess")
    ),
    "bucketArchiveDirectRead": Kind(
        "ArchiveDirectReadConfiguration", default=_switch("ArchiveDirectReadConfiguration", "Enabled")
    ),
    "overwriteConfig": Kind("OverwriteConfiguration", "NoSuchBucketOverwriteConfig"),
    "objectWorm": Kind("ObjectWormConfiguration", "NoSuchObjectWormConfiguration", check=_object_worm),
}


def put(call: Call, name: str) -> Answer:
    """Keeps the document, after the checks of its kind."""
    kind, body, settings = KINDS[name], call.body.all(), call.bucket.settings
    check_digest(call, body)
    if kind.root:
        element(body, kind.root)
    kept = _BOOLEAN.sub(lambda found: found[0].lower(), kind.check(call, body) or body)
    settings.documents[name] = kept.decode()
    settings.since[name] = call.now
    call.bucket.save()
    return done()


def get(call: Call, name: str) -> Answer:
    """The document, its default, or the refusal of its kind."""
    kind = KINDS[name]
    text = call.bucket.settings.documents.get(name) or kind.default
    if not text:
        raise Refusal(kind.gone, kind.missing, f"The bucket has no {name} configuration.", ec="0015-00000404")
    if not kind.root:
        return text_answer(text.encode(), {"Content-Type": "application/json"})
    return text_answer((text if text.startswith("<?xml") else _HEAD + text).encode())


def delete(call: Call, name: str) -> Answer:
    """Deleting what isn't there is fine."""
    settings = call.bucket.settings
    wanted = call.asked.query.get("tagging", "") if name == "tagging" else ""
    if wanted and name in settings.documents:
        root = element(settings.documents[name].encode(), "Tagging")
        rows = [(text_of(one, "Key"), text_of(one, "Value")) for one in root.findall("TagSet/Tag")]
        left = [{"Key": key, "Value": value} for key, value in rows if key not in wanted.split(",")]
        settings.documents[name] = document("Tagging", {"TagSet": {"Tag": left}}).decode()
    else:
        settings.documents.pop(name, None)
    call.bucket.save()
    return done(204)


def put_account_block(call: Call) -> Answer:
    """PutPublicAccessBlock, for the whole account."""
    body = call.body.all()
    element(body, "PublicAccessBlockConfiguration")
    call.service.documents["publicAccessBlock"] = _BOOLEAN.sub(lambda found: found[0].lower(), body).decode()
    return done()


def get_account_block(call: Call) -> Answer:
    """GetPublicAccessBlock, of the account."""
    text = call.service.documents.get("publicAccessBlock") or KINDS["publicAccessBlock"].default
    return text_answer((text if text.startswith("<?xml") else _HEAD + text).encode())


def delete_account_block(call: Call) -> Answer:
    """DeletePublicAccessBlock, of the account."""
    call.service.documents.pop("publicAccessBlock", None)
    return done(204)


def policy_status(call: Call) -> Answer:
    """GetBucketPolicyStatus."""
    text = call.bucket.settings.documents.get("policy", "")
    statements = json.loads(text)["Statement"] if text else []
    public = any(one.get("Effect") == "Allow" and "*" in one.get("Principal", ["*"]) for one in statements)
    return text_answer(document("PolicyStatus", {"IsPublic": public}))
