"""An object on its way into OSS: one request when it is small, a multipart upload otherwise.

At most two parts are under way while a third fills; parts above 16 MiB wait in temporary files, so that memory
does not grow with the object.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import IO, Any

from bkpc_runtime.errors import ObjectMissing, StoreFailed
from bkpc_runtime.stores.oss_calls import OssCalls, part_info
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.store import StoredObject

MIB = 1024 * 1024
SMALLEST_PART = 8 * MIB
LARGEST_PART = 5 * 1024 * MIB
MOST_PARTS = 10_000
_UNDER_WAY = 2
_IN_MEMORY = 16 * MIB
_STEADY = 5_000
_ABORT_PATIENCE = Patience(total=5.0)


def part_size(expected_size: int, number: int) -> int:
    """Bytes of part `number` (from 1) of an object of `expected_size`.

    10,000 parts suffice for what is expected; from number 5,001 parts double every 1,000, so that an object
    up to six times as large still fits.
    """
    even = -(-expected_size // MOST_PARTS)
    steady = max(SMALLEST_PART, -(-even // MIB) * MIB)
    doublings = max(0, -(-(number - _STEADY) // 1_000))
    return min(LARGEST_PART, steady << doublings)


class OssWriter:
    """One upload; see `store.ObjectWriter`. `name` is the object's name in the bucket, `key` its name in messages."""

    def __init__(self, calls: OssCalls, key: str, name: str, expected_size: int, patience: Patience) -> None:
        self._calls, self._key, self._name = calls, key, name
        self._expected_size, self._patience = expected_size, patience
        self._filling: IO[bytes] = _body()
        self._filled = self._size = 0
        self._upload_id = ""
        self._parts: list[Future[Any]] = []
        self._bodies: set[IO[bytes]] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._room = threading.Semaphore(_UNDER_WAY)
        self._given_up = threading.Event()
        self._done = False

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            space = part_size(self._expected_size, len(self._parts) + 1) - self._filled
            if not space:
                self._send()
                continue
            self._filling.write(view[:space])
            self._filled += len(view[:space])
            self._size += len(view[:space])
            view = view[space:]

    def commit(self) -> StoredObject:
        if self._upload_id:
            self._send()
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
        self._close()
        if self._upload_id:
            # Leftover parts cost money but harm nothing; what made us give up is the error to show.
            with contextlib.suppress(StoreFailed):
                self._calls.do(
                    self._key,
                    lambda bucket: bucket.abort_multipart_upload(self._name, self._upload_id),
                    _ABORT_PATIENCE,
                )

    def __enter__(self) -> OssWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def _put(self) -> None:
        body, headers = self._filling, self._calls.body_headers(self._filling)

        def put(bucket: Any) -> None:
            body.seek(0)
            bucket.put_object(self._name, body, headers=headers)

        self._calls.do(self._key, put, self._patience)

    def _send(self) -> None:
        """Hand the filled part to a thread; waits while two are under way."""
        if not self._upload_id:
            begun = self._calls.do(self._key, lambda bucket: bucket.init_multipart_upload(self._name), self._patience)
            self._upload_id = begun.upload_id
            self._threads = ThreadPoolExecutor(_UNDER_WAY, thread_name_prefix="oss-part")
        self._room.acquire()
        self._raise_failed()
        assert self._threads is not None
        number, body, size = len(self._parts) + 1, self._filling, self._filled
        if number > MOST_PARTS:
            raise StoreFailed(f"store {self._calls.described} at {self._key}: the object needs more than 10,000 parts")
        self._filling, self._filled = _body(), 0
        self._bodies.add(body)
        self._parts.append(self._threads.submit(self._send_part, number, body, size))

    def _send_part(self, number: int, body: IO[bytes], size: int) -> Any:
        try:
            headers = self._calls.body_headers(body)

            def send(bucket: Any) -> Any:
                body.seek(0)
                return bucket.upload_part(self._name, self._upload_id, number, body, headers=headers)

            return part_info(number, self._calls.do(self._key, send, self._patience, self._given_up), size)
        finally:
            body.close()
            self._bodies.discard(body)
            self._room.release()

    def _raise_failed(self) -> None:
        for part in self._parts:
            if part.done():
                part.result()

    def _complete(self) -> None:
        wait(self._parts)
        parts = [part.result() for part in self._parts]
        try:
            self._calls.do(
                self._key,
                lambda bucket: bucket.complete_multipart_upload(self._name, self._upload_id, parts),
                self._patience,
            )
        except ObjectMissing:
            # The upload is gone when an earlier try succeeded and only its answer was lost.
            if not self._is_there():
                raise

    def _is_there(self) -> bool:
        head = self._calls.do(self._key, lambda bucket: bucket.head_object(self._name), self._patience)
        return bool(head.content_length == self._size)

    def _close(self) -> None:
        if self._threads:
            self._threads.shutdown(wait=True, cancel_futures=True)
        for body in (self._filling, *self._bodies):  # a cancelled part's is still open
            body.close()


def _body() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)
