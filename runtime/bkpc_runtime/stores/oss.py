"""A bucket of Alibaba Cloud OSS as a store."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from bkpc_runtime.errors import ObjectMissing, StoreDenied, StoreFailed, StoreUnreachable
from bkpc_runtime.stores.crc64 import crc64
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.keys import LONGEST_KEY, checked_key
from bkpc_runtime.stores.oss_calls import OssCalls, spoiled
from bkpc_runtime.stores.oss_failures import is_immutable, network_cause
from bkpc_runtime.stores.oss_upload import OssWriter
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.store import StoredObject

_CHUNK = 1024 * 1024
_PAGE = 1000


class OssStore:
    """Objects below `prefix` of a bucket; `credentials` is asked again for each request."""

    def __init__(
        self,
        name: str,
        bucket: str,
        endpoint: str,
        region: str,
        prefix: str,
        credentials: Callable[[], AccessKey],
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self._prefix = f"{checked_key(prefix.strip('/'))}/" if prefix.strip("/") else ""
        self._patience = patience or Patience()
        path_style = urlsplit(endpoint).hostname == "localhost"
        described = f"`{name}` (bucket {bucket} at {endpoint})"
        self._calls = OssCalls(described, bucket, endpoint, region, credentials, path_style)

    def writer(self, key: str, expected_size: int, *, resumes: bool = False, limit: int | None = None) -> OssWriter:
        name = self._object_name(key)
        return OssWriter(self._calls, key, name, expected_size, self._patience, resumes=resumes, limit=limit)

    def put(self, key: str, body: bytes) -> StoredObject:
        with self.writer(key, len(body)) as writer:
            writer.write(body)
            return writer.commit()

    def get(self, key: str) -> bytes:
        return b"".join(self.read(key))

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        name = self._object_name(key)
        if end is not None and end <= start:
            self._calls.do(key, lambda bucket: bucket.head_object(name), self._patience)
            return
        position, etag, trying = start, "", self._patience.began()
        crc = 0
        while True:
            answer = self._open(key, name, (position, end), etag)
            if answer is None:
                return
            etag = answer.etag
            before = position
            try:
                for chunk in _body(answer):
                    position += len(chunk)
                    crc = crc64(chunk, crc)
                    yield chunk
                if (start, end) == (0, None):
                    self._check(key, answer, crc)
                return
            except OSError as problem:  # what requests raises when a body breaks off
                if position > before:
                    trying = self._patience.began()
                if not trying.wait(0.0, None):
                    text = f"store {self._calls.described} at {key}: {network_cause(problem)}"
                    raise StoreUnreachable(text, help="check the network", retryable=True) from problem
            finally:
                answer.close()

    def _check(self, key: str, answer: Any, crc: int) -> None:
        """The whole object has been read: its CRC-64 must be what the service keeps."""
        if spoiled(answer, crc) is not None:
            raise StoreFailed(
                f"store {self._calls.described} at {key}: bytes were spoiled on the way, their CRC-64 differs",
                help="read it again; where it stays so, `bkpc verify`",
                retryable=True,
            )

    def sweep(self, before: float) -> int:
        return self._calls.abandon(self._prefix, before, self._patience)

    def head(self, key: str) -> StoredObject | None:
        name = self._object_name(key)
        try:
            found = self._calls.do(key, lambda bucket: bucket.head_object(name), self._patience)
        except ObjectMissing:
            return None
        return StoredObject(key, found.content_length)

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        for page in self._pages(prefix, "", after):
            for one in page.object_list:
                yield StoredObject(one.key[len(self._prefix) :], one.size)

    def folders(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix, "/", ""):
            for one in page.prefix_list:
                yield one[len(self._prefix) + len(prefix) :].rstrip("/")

    def delete(self, key: str) -> None:
        name = self._object_name(key)
        self._calls.do(key, lambda bucket: bucket.delete_object(name), self._patience)

    def probe(self) -> None:
        key = f"probe-{secrets.token_hex(8)}"
        name = self._object_name(key)
        # A person waits for the answer.
        hasty = replace(self._patience, total=min(self._patience.total, 5.0))
        self._calls.do(key, lambda bucket: bucket.put_object(name, b"bkpc"), hasty)
        try:
            if self.get(key) != b"bkpc":
                raise StoreFailed(f"store {self._calls.described} does not give back what was written")
        finally:
            self._unprobe(key)

    def _unprobe(self, key: str) -> None:
        """Under a retention lock the few bytes stay."""
        try:
            self.delete(key)
        except StoreDenied as problem:
            if not is_immutable(problem):
                raise

    def _object_name(self, key: str) -> str:
        name = self._prefix + checked_key(key)
        if len(name.encode()) > LONGEST_KEY:
            raise StoreFailed(f"store {self._calls.described}: {key} is too long a name below its prefix")
        return name

    def _open(self, key: str, name: str, wanted: tuple[int, int | None], etag: str) -> Any:
        """An answer whose body is `wanted`, or None when the object ends before it."""
        start, end = wanted
        byte_range = None if wanted == (0, None) else (start, None if end is None else end - 1)
        headers = {"x-oss-range-behavior": "standard"} if byte_range else {}
        if etag:
            headers["If-Match"] = f'"{etag}"'
        return self._calls.open_object(key, name, byte_range, headers, self._patience)

    def _pages(self, prefix: str, delimiter: str, after: str) -> Generator[Any, None, None]:
        token = ""
        while True:
            page = self._page(prefix, delimiter, after, token)
            yield page
            if not page.is_truncated:
                return
            token = page.next_continuation_token

    def _page(self, prefix: str, delimiter: str, after: str, token: str) -> Any:
        def ask(bucket: Any) -> Any:
            return bucket.list_objects_v2(
                prefix=self._prefix + prefix,
                delimiter=delimiter,
                continuation_token=token,
                start_after=self._prefix + after if after and not token else "",
                max_keys=_PAGE,
            )

        return self._calls.do(prefix, ask, self._patience)


def _body(answer: Any) -> Iterator[bytes]:
    """In large chunks: oss2's own iterator gives 8 KiB at a time, and has read an empty body already."""
    if answer.content_length == 0:
        return iter(())
    chunks: Iterator[bytes] = answer.resp.response.iter_content(_CHUNK)
    return chunks
