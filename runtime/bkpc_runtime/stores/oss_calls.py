"""One bucket of OSS through `oss2`: signed with V4, each request tried again when that can help.

The only file that imports oss2; it never retries by itself.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import logging
import threading
from collections.abc import Callable
from typing import IO, Any, TypeVar

import oss2
from oss2.credentials import Credentials, CredentialsProvider

from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss_failures import asked_pause, failure, is_transient
from bkpc_runtime.stores.patience import Patience

T = TypeVar("T")
_CONNECT_TIMEOUT, _READ_TIMEOUT = 10.0, 60.0
_CONNECTIONS = 16
_BLOCK = 1024 * 1024

# At debug level oss2 logs what it signs, a session token included.
logging.getLogger("oss2").setLevel(logging.WARNING)


class _Provider(CredentialsProvider):  # type: ignore[misc]  # oss2 carries no types
    def __init__(self, credentials: Callable[[], AccessKey]) -> None:
        self._credentials = credentials

    def get_credentials(self) -> Any:
        key = self._credentials()
        return Credentials(key.id, key.secret.reveal(), key.token.reveal() if key.token else "")


class OssCalls:
    """Requests to one bucket; safe to share between threads. `described` names the store in messages."""

    def __init__(
        self,
        described: str,
        bucket: str,
        endpoint: str,
        region: str,
        credentials: Callable[[], AccessKey],
        path_style: bool,
    ) -> None:
        self.described = described
        session = oss2.Session(pool_size=_CONNECTIONS)
        # Otherwise requests would replace our signature by a password from a .netrc file.
        session.session.auth = lambda request: request
        # Without its C extension crcmod takes a second for 3 MB: then the service checks an MD5 instead.
        self._crc = importlib.util.find_spec("crcmod._crcfunext") is not None
        self._bucket = oss2.Bucket(
            oss2.ProviderAuthV4(_Provider(credentials)),
            endpoint,
            bucket,
            session=session,
            connect_timeout=(_CONNECT_TIMEOUT, _READ_TIMEOUT),
            enable_crc=self._crc,
            region=region,
            is_path_style=path_style,
        )

    def do(self, key: str, work: Callable[[Any], T], patience: Patience, stop: threading.Event | None = None) -> T:
        """`work(bucket)`, tried again while `patience` lasts and `stop` isn't set.

        Raises:
            StoreFailed: in the words of `errors.py`.
        """
        trying = patience.began()
        while True:
            try:
                return work(self._bucket)
            except oss2.exceptions.OssError as problem:
                if not is_transient(problem) or not trying.wait(asked_pause(problem), stop):
                    raise failure(problem, self.described, key) from problem

    def open_object(
        self,
        key: str,
        name: str,
        byte_range: tuple[int, int | None] | None,
        headers: dict[str, str],
        patience: Patience,
    ) -> Any:
        """The answer to a GET, its body unread; None when the object ends before the range."""

        def ask(bucket: Any) -> Any:
            try:
                return bucket.get_object(name, byte_range=byte_range, headers=headers)
            except oss2.exceptions.ServerError as problem:
                if problem.status == 416:
                    return None
                raise

        return self.do(key, ask, patience)

    def body_headers(self, body: IO[bytes]) -> dict[str, str]:
        """Headers that let the service check `body`, where the CRC-64 isn't compared here."""
        if self._crc:
            return {}
        body.seek(0)
        digest = hashlib.md5(usedforsecurity=False)
        while block := body.read(_BLOCK):
            digest.update(block)
        return {"Content-MD5": base64.b64encode(digest.digest()).decode()}


def part_info(number: int, uploaded: Any, size: int) -> Any:
    """What `complete_multipart_upload` wants to know of a part."""
    return oss2.models.PartInfo(number, uploaded.etag, size=size, part_crc=uploaded.crc)
