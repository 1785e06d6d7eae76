"""Retention of single versions (object WORM): modes, dates, legal holds, and the bucket's default."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.oss_server.answer import Answer, xml_answer
from tests.oss_server.clock import iso, millis, moment
from tests.oss_server.operations.attributes import element
from tests.oss_server.operations.chosen import chosen
from tests.oss_server.operations.retention import held_by_itself
from tests.oss_server.refusal import Refusal, access_denied, invalid_argument, malformed
from tests.oss_server.service import Call, done
from tests.oss_server.signature import moment_of
from tests.oss_server.versions import Version
from tests.oss_server.xml import number_of, parsed, text_of

MODES = ("GOVERNANCE", "COMPLIANCE")


def born_retained(call: Call, version: Version) -> Version:
    """The version as it begins: what its request asks for, else the bucket's default."""
    given = call.asked.headers
    if "x-oss-object-worm-legal-hold" in given:
        version = replace(version, held=given["x-oss-object-worm-legal-hold"].upper() == "ON")
    if "x-oss-object-worm-mode" in given:
        until = _date(given.get("x-oss-object-worm-retain-until-date", ""), call.now)
        return replace(version, retention=_mode(given["x-oss-object-worm-mode"]), retained_until=until)
    document = call.bucket.settings.documents.get("objectWorm", "")
    rule = parsed(document.encode()).find("Rule/DefaultRetention") if document else None
    if rule is None:
        return version
    days = number_of(rule, "Days") or 365 * (number_of(rule, "Years") or 0)
    until = millis(moment(call.now) + timedelta(days=days))
    return replace(version, retention=_mode(text_of(rule, "Mode")), retained_until=until)


def shown(version: Version) -> dict[str, str]:
    """The headers that tell of it."""
    headers = {"x-oss-object-worm-legal-hold": "ON"} if version.held else {}
    if version.retention:
        headers["x-oss-object-worm-mode"] = version.retention
        headers["x-oss-object-worm-retain-until-date"] = iso(version.retained_until)
    return headers


def _mode(text: str) -> str:
    if text not in MODES:
        raise invalid_argument("The retention mode must be GOVERNANCE or COMPLIANCE.", "Mode", text)
    return text


def _date(text: str, now: int) -> int:
    at = moment_of(text, "%Y-%m-%dT%H:%M:%S.%fZ") or moment_of(text, "%Y-%m-%dT%H:%M:%SZ")
    if at is None or millis(at) <= now:
        raise invalid_argument("The retain until date must be in the future.", "RetainUntilDate", text)
    return millis(at)


def _enabled(call: Call) -> None:
    if "objectWorm" not in call.bucket.settings.documents:
        text = "The bucket has no object WORM configuration."
        raise Refusal(400, "InvalidRequest", text, ec="0055-00000101")


def put_retention(call: Call) -> Answer:
    """PutObjectRetention: COMPLIANCE can only be prolonged, GOVERNANCE shortened by a request that says so."""
    _enabled(call)
    root = element(call.body.all(), "Retention")
    mode, until = _mode(text_of(root, "Mode").strip()), _date(text_of(root, "RetainUntilDate").strip(), call.now)
    with call.bucket.lock:
        version = chosen(call)
        under = call.now < version.retained_until
        weaker = until < version.retained_until or (version.retention == "COMPLIANCE" and mode == "GOVERNANCE")
        if under and weaker and held_by_itself(call, replace(version, held=False)):
            raise access_denied("The retention can't be weakened.")
        call.bucket.replace(replace(version, retention=mode, retained_until=until))
    return done()


def get_retention(call: Call) -> Answer:
    """GetObjectRetention."""
    version = chosen(call)
    if not version.retention:
        raise Refusal(404, "NoSuchObjectRetention", "The object has no retention.", ec="0055-00000102")
    return xml_answer("Retention", {"Mode": version.retention, "RetainUntilDate": iso(version.retained_until)})


def put_hold(call: Call) -> Answer:
    """PutObjectLegalHold."""
    _enabled(call)
    status = text_of(element(call.body.all(), "LegalHold"), "Status").strip()
    if status not in {"ON", "OFF"}:
        raise malformed()
    with call.bucket.lock:
        call.bucket.replace(replace(chosen(call), held=status == "ON"))
    return done()


def get_hold(call: Call) -> Answer:
    """GetObjectLegalHold."""
    return xml_answer("LegalHold", {"Status": "ON" if chosen(call).held else "OFF"})
