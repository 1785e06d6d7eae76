"""An object on its way into OSS: one request when it is small, a multipart upload otherwise.

What is expected to be no larger than an object of the log is sent in one request: a multipart upload takes three
latencies one after the other, for each of which a commit of `hot sync` would wait.

At most four parts are under way while a fifth fills; parts above 17 MiB wait in temporary files, so that memory
does not grow with the object. An object that one request makes can be seen at once: the service is told its MD5, and
refuses other bytes. A part can't be seen: the CRC-64 that the service answers is compared, which costs the processor
far less, and a part that arrived wrong is sent again before the service is told, tag by tag, which parts to put
together. What it has made of them is compared by CRC-64, too.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from bkpc_runtime.errors import ObjectMissing, StoreDenied, StoreFailed, StoreLocked, is_leaving
from bkpc_runtime.stores.crc64 import combined
from bkpc_runtime.stores.oss_answers import spoiled, told_crc, unless_spoiled
from bkpc_runtime.stores.oss_body import IN_MEMORY, Body
from bkpc_runtime.stores.oss_calls import OssCalls, complete_upload, part_info
from bkpc_runtime.stores.oss_failures import is_immutable
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.store import StoredObject

MIB = 1024 * 1024
SMALLEST_PART = 8 * MIB
ONE_REQUEST = IN_MEMORY
LARGEST_PART = 5 * 1024 * MIB
MOST_PARTS = 10_000
SLOWEST_LIMIT, FASTEST_LIMIT = 819_200, 838_860_800
"""Bits per second that the service can keep a connection to."""
UNDER_WAY = 4
_STEADY = 5_000
_LEAVING = 5.0
log = logging.getLogger(__name__)
_ABORT_PATIENCE = Patience(total=5.0, tries=1)


def part_size(expected_size: int, number: int) -> int:
    """Bytes of part `number` (from 1) of an object of `expected_size`.

    10,000 parts suffice for what is expected; from number 5,001 parts double every 500, so that an object of 6 TiB
    fits whatever was expected.
    """
    even = -(-expected_size // MOST_PARTS)
    steady = max(SMALLEST_PART, -(-even // MIB) * MIB)
    doublings = max(0, -(-(number - _STEADY) // 500))
    return min(LARGEST_PART, steady << doublings)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A part that the service has."""

    number: int
    etag: str
    size: int


class OssWriter:
    """One upload; see `store.ObjectWriter`. `name` is the object's name in the bucket, `key` its name in messages.

    `resumes`: goes on with an upload of that name that was broken off, and leaves its own where it is given up:
    parts that are there already and are what they would be are not sent again. `limit`: bytes per second of each
    connection, kept by the service too. `storage_class`: where it is not to be the bucket's.
    """

    def __init__(
        self,
        calls: OssCalls,
        key: str,
        name: str,
        expected_size: int,
        patience: Patience,
        *,
        resumes: bool = False,
        limit: int | None = None,
        storage_class: str = "",
    ) -> None:
        self._calls, self._key, self._name = calls, key, name
        self._expected_size, self._patience = expected_size, patience
        self._resumes, self._headers = resumes, limit_header(limit)
        self._class = {"x-oss-storage-class": storage_class} if storage_class else {}
        self._filling = Body()
        self._size = 0
        self._upload_id = ""
        self._kept_out: StoreDenied | ObjectMissing | None = None
        self._seen: list[tuple[int, int]] = []
        self._there: dict[int, tuple[str, int]] = {}
        self._parts: list[Future[_Sent]] = []
        self._bodies: set[Body] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._room = threading.Semaphore(UNDER_WAY)
        self._given_up = threading.Event()
        self._done = False

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            space = self._full() - self._filling.size
            if not space:
                self._send()
                continue
            piece = view[:space]
            try:
                self._filling.write(piece)
            except OSError as problem:
                raise self._no_room(problem) from problem
            self._size += len(piece)
            view = view[space:]

    def _full(self) -> int:
        """Bytes of the part that fills. What goes on with parts that are there must cut as they were cut."""
        if not self._parts and not self._resumes and self._expected_size <= ONE_REQUEST:
            return ONE_REQUEST
        return part_size(self._expected_size, len(self._parts) + 1)

    def _no_room(self, problem: OSError) -> StoreFailed:
        size = (UNDER_WAY + 1) * part_size(self._expected_size, len(self._parts) + 1)
        return StoreFailed(
            f"store {self._calls.described} at {self._key}: parts of the upload can't wait in the folder for temporary "
            f"files: {problem.strerror or problem}",
            help=f"make room for {-(-size // MIB):,} MiB there, or name another folder in TMPDIR",
        )

    def commit(self) -> StoredObject:
        if self._kept_out or self._upload_id:
            self._send()
        if self._kept_out:
            self._unless_there(self._kept_out, combined(self._seen))
        elif self._upload_id:
            self._complete()
        else:
            self._put()
        self._done = True
        self._close()
        return StoredObject(self._key, self._size)

    def abort(self) -> None:
        if self._done:
            return
        self._done = True
        self._given_up.set()
        if is_leaving() and wait(self._parts, _LEAVING).not_done:
            return  # what is there of the upload goes with the lifecycle rule, or `sweep`
        self._close()
        if self._upload_id and not self._resumes:
            self._drop()

    def _drop(self) -> None:
        """Leftover parts cost money but harm nothing; what made us give up is the error to show."""
        try:
            self._calls.do(
                self._key, lambda bucket: bucket.abort_multipart_upload(self._name, self._upload_id), _ABORT_PATIENCE
            )
        except ObjectMissing:
            pass
        except StoreFailed as problem:
            log.warning("parts of the upload stay until expiry, or a rule of the bucket, drops them: %s", problem)

    def __enter__(self) -> OssWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def _put(self) -> None:
        body = self._filling
        headers = {**self._headers, **self._class, **_digest_header(body.md5())}

        def put(bucket: Any) -> None:
            answer = bucket.put_object(self._name, body.to_send(), headers=headers)
            unless_spoiled(answer, body.crc)

        try:
            self._calls.do(self._key, put, self._patience)
        except StoreDenied as problem:
            self._unless_there(problem, body.crc)

    def _begin(self) -> None:
        found = self._calls.unfinished(self._key, self._name, self._patience) if self._resumes else None
        if found is not None:
            self._upload_id, self._there = found
        else:
            begun = self._calls.do(
                self._key, lambda bucket: bucket.init_multipart_upload(self._name, headers=self._class), self._patience
            )
            self._upload_id = begun.upload_id
        self._threads = ThreadPoolExecutor(UNDER_WAY, thread_name_prefix="oss-part")

    def _send(self) -> None:
        """Hand the filled part to a thread; waits while four are under way."""
        if not self._upload_id and not self._kept_out:
            try:
                self._begin()
            except StoreDenied as problem:
                if not is_immutable(problem):
                    raise
                self._kept_out = problem
        self._seen.append((self._filling.crc, self._filling.size))
        if not self._kept_out:
            self._room.acquire()
            self._look_at_sent()
        if self._kept_out:
            self._filling.close()
            self._filling = Body()
            return
        assert self._threads is not None
        number, body = len(self._parts) + 1, self._filling
        if number > MOST_PARTS:
            raise StoreFailed(
                f"store {self._calls.described} at {self._key}: the object needs more than 10,000 parts: "
                f"it is far larger than the {self._expected_size:,} bytes that were expected",
                help="correct the `size` of the database in the policy",
            )
        self._filling = Body()
        self._bodies.add(body)
        self._parts.append(self._threads.submit(self._send_part, number, body))

    def _send_part(self, number: int, body: Body) -> _Sent:
        try:
            etag, there = self._there.get(number, ("", 0))
            if there == body.size and body.md5().hex().upper() == etag.upper():
                return _Sent(number, etag, body.size)

            def send(bucket: Any) -> Any:
                answer = bucket.upload_part(self._name, self._upload_id, number, body.to_send(), headers=self._headers)
                return unless_spoiled(answer, body.crc)

            sent = self._calls.do(self._key, send, self._patience, self._given_up)
            return _Sent(number, sent.etag, body.size)
        finally:
            body.close()
            self._bodies.discard(body)
            self._room.release()

    def _look_at_sent(self) -> None:
        """Raises what has failed; what goes on with the same upload may have put it together: `commit` compares."""
        try:
            for part in self._parts:
                if part.done():
                    part.result()
        except ObjectMissing as problem:
            if not (self._resumes and self._head()):
                raise
            self._kept_out = problem

    def _complete(self) -> None:
        wait(self._parts)
        crc = combined(self._seen)
        try:
            sent = [part.result() for part in self._parts]
        except ObjectMissing as problem:
            self._unless_there(problem, crc)
            return
        parts = [part_info(one.number, one.etag, one.size) for one in sent]
        try:
            answer = self._calls.do(
                self._key,
                lambda bucket: complete_upload(bucket, self._name, self._upload_id, parts),
                self._patience,
            )
        except (ObjectMissing, StoreDenied) as problem:
            self._unless_there(problem, crc)
            return
        if spoiled(answer, crc):
            with contextlib.suppress(StoreDenied):  # a key that may only write: the next try replaces it
                self._calls.do(self._key, lambda bucket: bucket.delete_object(self._name), self._patience)
            raise StoreFailed(
                f"store {self._calls.described} at {self._key}: the parts were not put together as they were sent",
                retryable=True,
            )

    def _unless_there(self, problem: StoreDenied | ObjectMissing, crc: int) -> None:
        """Raises unless what lies there is what we sent.

        An upload is gone when an earlier try succeeded and only its answer was lost, when another went on with it, or
        when somebody dropped it. Under a retention lock a try whose answer was lost can't be repeated.
        """
        if isinstance(problem, StoreDenied) and not is_immutable(problem):
            raise problem
        head = self._head()
        if head and head.content_length == self._size and told_crc(head) == crc:
            return
        if isinstance(problem, StoreDenied):
            raise StoreLocked(
                f"store {self._calls.described} at {self._key}: what lies there is not what is to be written, and the "
                "bucket's retention policy keeps it from being replaced",
                help="give the store another prefix or bucket in the policy until the retention lapses; what reads the "
                "object there will call it damaged",
            ) from problem.__cause__
        if head:
            raise StoreFailed(
                f"store {self._calls.described} at {self._key}: the upload is gone, and what lies there is not "
                "what was sent",
                retryable=True,
            ) from problem
        raise problem

    def _head(self) -> Any:
        """None where nothing is there."""
        try:
            return self._calls.do(self._key, lambda bucket: bucket.head_object(self._name), self._patience)
        except ObjectMissing:
            return None

    def _close(self) -> None:
        if self._threads:
            self._threads.shutdown(wait=True, cancel_futures=True)
        for body in (self._filling, *self._bodies):  # a cancelled part's is still open
            body.close()


def _digest_header(md5: bytes) -> dict[str, str]:
    return {"Content-MD5": base64.b64encode(md5).decode()}


def limit_header(limit: int | None) -> dict[str, str]:
    """What makes the service keep a connection below `limit` bytes per second, as near as it can: 100 KB/s at least."""
    if limit is None or limit * 8 > FASTEST_LIMIT:
        return {}
    return {"x-oss-traffic-limit": str(max(SLOWEST_LIMIT, limit * 8))}
