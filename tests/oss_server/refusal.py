"""Error answers as OSS gives them."""

from __future__ import annotations

from xml.sax.saxutils import escape


class Refusal(Exception):
    """An answer with a status, an OSS error code, its finer `ec`; `headers` and `details` go out with it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: dict[str, str] | None = None,
        ec: str = "",
        details: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}
        self.ec = ec or f"{status:04}-00000001"
        self.details = details or {}

    def body(self, request_id: str, host: str) -> bytes:
        """The XML document of the answer."""
        more = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in self.details.items())
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message>"
            f"<RequestId>{request_id}</RequestId><HostId>{escape(host)}</HostId>{more}<EC>{self.ec}</EC></Error>"
        ).encode()


def no_such_bucket(name: str) -> Refusal:
    details = {"BucketName": name}
    return Refusal(404, "NoSuchBucket", "The specified bucket does not exist.", ec="0015-00000101", details=details)


def elsewhere(bucket: str, region: str) -> Refusal:
    """As oss2 reported it in https://github.com/CQHui/oss_upload/issues/2."""
    text = (
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint."
    )
    details = {"Bucket": bucket, "Endpoint": f"oss-{region}.aliyuncs.com"}
    return Refusal(403, "AccessDenied", text, ec="0003-00001403", details=details)


def no_such_key(key: str) -> Refusal:
    details = {"Key": key}
    return Refusal(404, "NoSuchKey", "The specified key does not exist.", ec="0026-00000001", details=details)


def invalid_argument(message: str, name: str = "", value: str = "", ec: str = "") -> Refusal:
    details = {"ArgumentName": name, "ArgumentValue": value} if name else {}
    return Refusal(400, "InvalidArgument", message, ec=ec or "0002-00000040", details=details)


def access_denied(message: str = "You have no right to access this object because of bucket acl.") -> Refusal:
    return Refusal(403, "AccessDenied", message, ec="0003-00000001")


def malformed() -> Refusal:
    text = "The XML you provided was not well-formed or did not validate against our published schema."
    return Refusal(400, "MalformedXML", text, ec="0031-00000001")
