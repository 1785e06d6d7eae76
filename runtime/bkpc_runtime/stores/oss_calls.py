"""One bucket of OSS through `oss2`: signed with V4, each request tried again when that can help.

oss2 never retries by itself; which of its answers count says `oss_answers.py`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import oss2
from oss2.credentials import Credentials, CredentialsProvider
from oss2.xml_utils import to_complete_upload_request

from bkpc_grammar.log_objects import AT_ONCE
from bkpc_runtime.errors import BadUsage, ObjectMissing, RuntimeFailure, StoreFailed
from bkpc_runtime.leaving import is_told
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss_answers import OssSession, answered, asked_for, with_sum
from bkpc_runtime.stores.oss_failures import asked_pause, failure, is_busy, is_expired, is_transient
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.temporary_keys import Renewed

T = TypeVar("T")
_CONNECTIONS = 2 * AT_ONCE + 16
"""That are kept, for an image and the log after it: one that is made anew for a request costs several times its
latency."""

_LONG = 10.0
"""Seconds of a try in vain after which people are told that there was one: the next ones may last minutes."""
log = logging.getLogger(__name__)

# At debug level oss2 logs what it signs, a session token included.
logging.getLogger("oss2").setLevel(logging.WARNING)


class _Provider(CredentialsProvider):  # type: ignore[misc]  # oss2 carries no types
    def __init__(self, credentials: Callable[[], AccessKey]) -> None:
        self._credentials = credentials
        self._used = threading.local()

    def get_credentials(self) -> Any:
        self._used.key = key = self._credentials()
        return Credentials(key.id, key.secret.reveal(), key.token.reveal() if key.token else "")

    def gives_another(self) -> bool:
        """Whether there is another key than what this thread's request was signed with, which OSS calls expired."""
        used = self._used.key
        if isinstance(self._credentials, Renewed):
            self._credentials.drop(used)
            return True
        try:
            return bool(self._credentials() != used)  # a file that was written anew
        except RuntimeFailure:
            return False


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
        patience: Patience | None = None,
    ) -> None:
        patience = patience or Patience()
        self.described, self._region = described, region
        self.requests = 0
        self._counting = threading.Lock()
        session = OssSession(_CONNECTIONS, patience)
        # Otherwise requests would replace our signature by a password from a .netrc file.
        session.session.auth = lambda request: request
        self._provider = _Provider(credentials)
        try:
            self._bucket = oss2.Bucket(
                oss2.ProviderAuthV4(self._provider),
                endpoint,
                bucket,
                session=session,
                enable_crc=False,  # crcmod gives a third of a GB/s, and 3 MB/s without its C extension: see crc64.py
                region=region,
                is_path_style=path_style,
            )
        except (oss2.exceptions.ClientError, ValueError) as problem:
            raise BadUsage(
                f"store {described}: OSS has no bucket of that name, or no such endpoint, anywhere",
                help="a bucket's name is 3 to 63 of a-z, 0-9 and -, an endpoint https://HOST: correct the policy",
            ) from problem

    def do(self, key: str, work: Callable[[Any], T], patience: Patience, stop: threading.Event | None = None) -> T:
        """`work(bucket)`, tried again while `patience` lasts and `stop` isn't set.

        Raises:
            StoreFailed: in the words of `errors.py`.
        """
        trying, renewed = patience.began(), False
        while True:
            began = time.monotonic()
            try:
                with self._counting:
                    self.requests += 1
                return answered(work, self._bucket)
            except oss2.exceptions.OssError as problem:
                _let_go(problem)
                if not renewed and is_expired(problem) and self._provider.gives_another():
                    renewed = True
                    continue
                told = failure(problem, self.described, key, self._region, asked_for())
                if not is_transient(problem):
                    raise told from problem
                if time.monotonic() - began > _LONG and not is_told():
                    log.warning("%s (after %.0f s; it is tried again)", told, time.monotonic() - began)
                if not trying.wait(asked_pause(problem), stop, busy=is_busy(problem)):
                    raise told from problem
            except StoreFailed as problem:  # what lends the key; nothing was sent
                if not problem.retryable or not trying.wait(0.0, stop):
                    raise

    def unfinished(self, key: str, name: str, patience: Patience) -> tuple[str, dict[int, tuple[str, int]]] | None:
        """The newest upload of `name` that was broken off: its id, and the tag and size of each part; None: none is."""
        page = self.do(key, partial(_uploads, name, "", ""), patience)
        found = [one for one in page.upload_list if one.key == name]
        if not found:
            return None
        upload = max(found, key=lambda one: (one.initiation_date, one.upload_id)).upload_id
        parts: dict[int, tuple[str, int]] = {}
        marker = ""
        while True:
            listed = self.do(key, partial(_parts, name, upload, marker), patience)
            parts |= {one.part_number: (one.etag, one.size) for one in listed.parts}
            if not listed.is_truncated:
                return upload, parts
            marker = listed.next_marker

    def try_upload(self, key: str, name: str, patience: Patience) -> None:
        """Begins an upload, looks it up and drops it: who may not would leave parts behind, or begin anew each time."""
        begun = self.do(key, lambda bucket: bucket.init_multipart_upload(name), patience)
        self.unfinished(key, name, patience)
        self._abandon(name, begun.upload_id, patience)

    def abandon(self, prefix: str, before: float, patience: Patience) -> int:
        """Drops uploads below `prefix` that were begun before an instant (seconds since 1970); how many."""
        dropped, key, upload = 0, "", ""
        while True:
            page = self.do(prefix, partial(_uploads, prefix, key, upload), patience)
            for one in page.upload_list:
                if one.initiation_date < before:
                    self._abandon(one.key, one.upload_id, patience)
                    dropped += 1
            if not page.is_truncated:
                return dropped
            key, upload = page.next_key_marker, page.next_upload_id_marker

    def _abandon(self, name: str, upload: str, patience: Patience) -> None:
        with contextlib.suppress(ObjectMissing):  # finished or dropped by another meanwhile
            self.do(name, lambda bucket: bucket.abort_multipart_upload(name, upload), patience)

    def open_object(
        self,
        key: str,
        name: str,
        byte_range: tuple[int, int],
        headers: dict[str, str],
        patience: Patience,
        stop: threading.Event,
    ) -> Any:
        """The answer to a GET, its body unread; None when the object ends before the range."""

        def ask(bucket: Any) -> Any:
            try:
                return bucket.get_object(name, byte_range=byte_range, headers=headers)
            except oss2.exceptions.ServerError as problem:
                if problem.status == 416:
                    return None
                raise

        return self.do(key, ask, patience, stop)


def _let_go(problem: BaseException) -> None:
    """urllib3 keeps what failed in a cycle: its socket would stay open until the collector of cycles comes by."""
    seen: BaseException | None = problem
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__context__


def _parts(name: str, upload: str, after: str, bucket: Any) -> Any:
    return bucket.list_parts(name, upload, marker=after)


def _uploads(prefix: str, key: str, upload: str, bucket: Any) -> Any:
    return bucket.list_multipart_uploads(prefix=prefix, key_marker=key, upload_id_marker=upload)


def part_info(number: int, etag: str, size: int) -> Any:
    """What `complete_multipart_upload` wants to know of a part."""
    return oss2.models.PartInfo(number, etag, size=size)


def complete_upload(bucket: Any, name: str, upload: str, parts: Sequence[Any]) -> Any:
    """The answer when OSS has put the parts together; it is told the digest of their list, lest others are."""
    said = digest_header(to_complete_upload_request(sorted(parts, key=lambda one: one.part_number)))
    answer = bucket.complete_multipart_upload(name, upload, parts, headers=said)
    answer.resp.read()  # else the connection is not used again
    return with_sum(answer)


def digest_header(body: bytes) -> dict[str, str]:
    """By which the service refuses other bytes than these."""
    return {"Content-MD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}


def thaw_request(days: int, tier: str) -> Any:
    """What `restore_object` wants; without a tier the class's only one."""
    jobs = oss2.models.RestoreJobParameters(tier) if tier else None
    return oss2.models.RestoreConfiguration(days=days, job_parameters=jobs)
