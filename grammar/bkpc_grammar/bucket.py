"""Where a store of OSS is: its bucket, the prefix in it and the endpoint, by the rules of OSS.

Both sides read the same texts: what is proved of a store, and what a key is allowed there, holds only where the runtime
means the same place by them. What RAM takes for more than itself (`*`, `?`, `${…}`) is no part of a place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from bkpc_grammar.address import never_leaves

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_LONGEST_PREFIX = 512
"""Bytes. OSS takes names of 1,023: the rest is for the names that bkpc gives below the prefix."""
_WILD = re.compile(r"[*?\\]|\$\{")
_NETWORK_PLACE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:\d{1,5})?")
_LAST_PORT = 65535
_OF_REGION = re.compile(r"oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com|([a-z0-9-]+)\.oss\.aliyuncs\.com")
"""The second form answers over IPv6, too."""
_OF_BUCKET = re.compile(rf"([a-z0-9.-]+)\.({_OF_REGION.pattern})")
_OF_NO_REGION = re.compile(r"accelerate(-overseas)?|cn-hzjbp(-[a-z])?")
_OF_BEFORE = {"oss.aliyuncs.com": "cn-hangzhou", "oss-internal.aliyuncs.com": "cn-hangzhou"}
"""Names that OSS had before it had regions, which still lead to the first."""
_ACCELERATOR = ".oss-data-acc.aliyuncs.com"
"""Ends the names of the service that caches a bucket's objects, which begin with a region."""
_OF_ALIBABA = ".aliyuncs.com"
_USUAL_PORTS = {"https": 443, "http": 80}
_IN_VPC = re.compile(r"vpc100-(oss-[a-z0-9-]+\.aliyuncs\.com)")
"""Of all regions, or of one that the documentation doesn't name."""
_NAMED_OTHERWISE = {
    "cn-hzfinance": "cn-hangzhou-finance",
    "cn-szfinance": "cn-shenzhen-finance-1",
    "cn-shanghai-finance": "cn-shanghai-finance-1",
    "cn-shenzhen-finance": "cn-shenzhen-finance-1",
}
"""Regions that endpoints name in other words than requests are signed with; of the finance cloud, all of them."""


class NoPlace(ValueError):
    """A text that names no place in OSS; `str()` says why, `help` the way out. It never holds a password."""

    def __init__(self, message: str, help: str) -> None:  # noqa: A002
        super().__init__(message)
        self.help = help


@dataclass(frozen=True, slots=True)
class Place:
    """All objects of `bucket` whose names begin with `folder`, which is empty or ends with `/`.

    Raises NoPlace where it can't be one: there is no such value that means the objects of others, too.
    """

    bucket: str
    folder: str

    def __post_init__(self) -> None:
        if not _BUCKET.fullmatch(self.bucket):
            help_text = "3 to 63 lower-case letters, digits and hyphens, a letter or digit first and last"
            raise NoPlace(f"`{self.bucket}` is not the name of a bucket", help_text)
        if self.folder:
            _check_prefix(self.folder.removesuffix("/"))

    @property
    def objects(self) -> str:
        """All of them, as RAM and bucket policies name them."""
        return self.below("*")

    def below(self, pattern: str) -> str:
        """Those whose names go on with `pattern`."""
        return f"{self.bucket}/{self.folder}{pattern}"

    def shares_with(self, other: Place) -> bool:
        """Whether some object is in both."""
        nested = self.folder.startswith(other.folder) or other.folder.startswith(self.folder)
        return self.bucket == other.bucket and nested


def place_of(location: str) -> Place:
    """What `oss "BUCKET"` or `oss "BUCKET/PREFIX"` names. Raises NoPlace."""
    bucket, _, prefix = location.partition("/")
    return Place(bucket, f"{prefix.removesuffix('/')}/" if prefix else "")


def _check_prefix(prefix: str) -> None:
    """Raises NoPlace where names of objects can't begin with it, or would not mean themselves alone."""
    wild = _WILD.search(prefix)
    if wild:
        why = "it stands for more than itself where permissions are given" if wild[0] != "\\" else "OSS takes none"
        raise NoPlace(f"the prefix `{prefix}` has `{wild[0]}` in it: {why}", "write a prefix without it")
    if not prefix.isprintable():
        raise NoPlace(f"the prefix {prefix!r} has a character that can't be seen", "write it without this character")
    if any(part in ("", ".", "..") for part in prefix.split("/")):
        message = f"the prefix `{prefix}` has a part that is empty, `.` or `..`"
        raise NoPlace(message, "write names with one `/` between them, such as `BUCKET/team/backups`")
    length = len(prefix.encode(errors="surrogatepass"))
    if length > _LONGEST_PREFIX:
        message = f"the prefix is {length:,} bytes long"
        raise NoPlace(message, f"{_LONGEST_PREFIX} at most: OSS takes names of 1,023 bytes, with what bkpc adds")


def endpoint_of(text: str) -> SplitResult:
    """The URL of an endpoint, `https` where it says no scheme. Raises NoPlace."""
    # The text is not repeated before it is known that it holds no password.
    if "@" in text:
        help_text = "take it out: keys come from `credentials`, and are in no plan"
        raise NoPlace("an endpoint holds no user and no password", help_text)
    url = urlsplit(text if "://" in text else f"https://{text}") if _is_plain(text) else None
    if url is None or url.scheme not in ("http", "https") or not _NETWORK_PLACE.fullmatch(url.netloc.lower()):
        raise _no_endpoint(text, "is not a URL of a host")
    if url.path not in ("", "/") or url.query or url.fragment:
        raise _no_endpoint(text, "leads further than to a host")
    host, _, port = url.netloc.partition(":")
    if port and not 0 < int(port) <= _LAST_PORT:
        raise _no_endpoint(text, f"has port {port}: ports are 1 to {_LAST_PORT}")
    if "." not in host and not never_leaves(host):
        raise _no_endpoint(text, "is not the full name of a host")
    if (found := _OF_BUCKET.fullmatch(host.lower())) and not host.lower().endswith(_ACCELERATOR):
        why = f"begins with a bucket (`{found[1]}`), which the store names by itself"
        raise NoPlace(f"the endpoint {text!r} {why}", f"write `{url.scheme}://{found[2]}`")
    return url


def _is_plain(text: str) -> bool:
    """Printable ASCII without blanks, and no brackets, which are for addresses that a bucket can't be a part of."""
    return text.isascii() and text.isprintable() and not set(" []") & set(text)


def _no_endpoint(text: str, why: str) -> NoPlace:
    return NoPlace(f"the endpoint {text!r} {why}", "write `https://oss-REGION.aliyuncs.com`")


def region_of(endpoint: str) -> str | None:
    """`cn-hangzhou` of `https://oss-cn-hangzhou-internal.aliyuncs.com`: what requests are signed with.

    None where it tells none: that of the site counts then. `oss-accelerate` is of all regions.
    """
    host = urlsplit(endpoint).hostname or ""
    if host in _OF_BEFORE:
        return _OF_BEFORE[host]
    found = _OF_REGION.fullmatch(_IN_VPC.sub(r"\1", host))
    name = (found[1] or found[2]) if found else None
    if name is None or _OF_NO_REGION.fullmatch(name):
        return None
    name = re.sub(r"(-finance-\d+)-pub$", r"\1", name)
    return _NAMED_OTHERWISE.get(name, name)


def service_of(endpoint: str, region: str) -> str:
    """What answers behind an endpoint, in one spelling; `region` is that of its site.

    A region of OSS has several: public, internal, of a VPC, for IPv6. Some, as for acceleration, tell no region and
    lead to each.
    """
    url = endpoint_of(endpoint)
    host = (url.hostname or "").removesuffix(".")
    named = region_of(endpoint) or (region if host.endswith(_OF_ALIBABA) else None)
    if named:
        return f"OSS in {named}"
    port = url.port or _USUAL_PORTS[url.scheme]
    return f"{url.scheme}://{host}" + ("" if port == _USUAL_PORTS[url.scheme] else f":{port}")
