"""A bucket of Alibaba Cloud OSS as a store."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from bkpc_runtime.errors import ObjectFrozen, ObjectMissing, Spoiled, StoreDenied, StoreFailed, StoreLocked
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.keys import LONGEST_KEY, PROBE, can_be_key, checked_key, is_data
from bkpc_runtime.stores.oss_answers import told_crc
from bkpc_runtime.stores.oss_calls import OssCalls
from bkpc_runtime.stores.oss_download import OssReader
from bkpc_runtime.stores.oss_failures import is_immutable
from bkpc_runtime.stores.oss_thaw import as_stored, thaw
from bkpc_runtime.stores.oss_upload import OssWriter, limit_header
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.store import StoredObject, Tier

_PAGE = 1000


class OssStore:
    """Objects below `prefix` of a bucket; `credentials` is asked again for each request.

    `cold`: the bucket's class must thaw: what is no bulk is kept in class Standard then.
    """

    def __init__(
        self,
        name: str,
        bucket: str,
        endpoint: str,
        region: str,
        prefix: str,
        credentials: Callable[[], AccessKey],
        patience: Patience | None = None,
        *,
        cold: bool = False,
    ) -> None:
        self.name, self._cold = name, cold
        self._prefix = f"{checked_key(prefix.strip('/'))}/" if prefix.strip("/") else ""
        self._patience = patience or Patience()
        path_style = urlsplit(endpoint).hostname == "localhost"
        described = f"`{name}` (bucket {bucket} at {endpoint})"
        self._calls = OssCalls(described, bucket, endpoint, region, credentials, path_style, self._patience)

    @property
    def requests(self) -> int:
        return self._calls.requests

    def writer(self, key: str, expected_size: int, *, resumes: bool = False, limit: int | None = None) -> OssWriter:
        name, readable = self._object_name(key), "Standard" if self._cold and not is_data(key) else ""
        return OssWriter(
            self._calls, key, name, expected_size, self._patience, resumes=resumes, limit=limit, storage_class=readable
        )

    def put(self, key: str, body: bytes) -> StoredObject:
        with self.writer(key, len(body)) as writer:
            writer.write(body)
            return writer.commit()

    def get(self, key: str) -> bytes:
        trying = self._patience.began()
        while True:
            try:
                return b"".join(self.read(key))
            except Spoiled:
                if not trying.wait(0.0, None):
                    raise

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:
        name = self._object_name(key)
        if end is not None and end <= start:
            self._calls.do(key, lambda bucket: bucket.head_object(name), self._patience)
            return
        reader = OssReader(self._calls, key, name, self._patience, limit_header(limit))
        yield from reader.read(start, end)

    def sweep(self, before: float) -> int:
        return self._calls.abandon(self._prefix, before, self._patience)

    def head(self, key: str) -> StoredObject | None:
        name = self._object_name(key)
        try:
            found = self._calls.do(key, lambda bucket: bucket.head_object(name), self._patience)
        except ObjectMissing:
            return None
        told = found.headers
        one = as_stored(key, found.content_length, told.get("x-oss-storage-class", ""), told.get("x-oss-restore", ""))
        return replace(one, crc64=told_crc(found), modified=datetime.fromtimestamp(found.last_modified, UTC))

    def thaw(self, one: StoredObject, days: int, tier: Tier) -> None:
        thaw(self._calls, one, self._object_name(one.key), days, tier)

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        for page in self._pages(prefix, "", after):
            for one in page.object_list:
                key = one.key[len(self._prefix) :]
                if can_be_key(key):
                    yield as_stored(key, one.size, one.storage_class, one.restore_info or "")

    def folders(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix, "/", ""):
            for one in page.prefix_list:
                name = one[len(self._prefix) + len(prefix) :].removesuffix("/")
                if can_be_key(name):
                    yield name

    def delete(self, key: str) -> None:
        name = self._object_name(key)
        self._calls.do(key, lambda bucket: bucket.delete_object(name), self._patience)

    def delete_many(self, keys: Sequence[str]) -> int:
        return sum(self._delete_batch(keys[start : start + _PAGE]) for start in range(0, len(keys), _PAGE))

    def _delete_batch(self, keys: Sequence[str]) -> int:
        """The service tells which have gone; each of the others is asked for by itself, to learn why it has not."""
        names = {self._object_name(key): key for key in keys}
        try:
            done = self._calls.do(keys[0], lambda bucket: bucket.batch_delete_objects([*names]), self._patience)
        except StoreLocked:  # not one of them may go
            return len(keys)
        locked = 0
        for name in names.keys() - set(done.deleted_keys):
            try:
                self.delete(names[name])
            except StoreLocked:
                locked += 1
        return locked

    def probe(self) -> None:
        key = f"{PROBE}{secrets.token_hex(8)}"
        name = self._object_name(key)
        # A person waits for the answer.
        hasty = replace(self._patience, total=min(self._patience.total, 5.0), tries=1)
        headers = {"x-oss-storage-class": "Standard"} if self._cold else {}
        self._calls.do(key, lambda bucket: bucket.put_object(name, b"bkpc", headers=headers), hasty)
        try:
            self._calls.do(key, lambda bucket: bucket.list_objects_v2(prefix=name, max_keys=1), hasty)
            self._calls.try_upload(key, f"{name}-parts", hasty)
            if self.get(key) != b"bkpc":
                raise StoreFailed(f"store {self._calls.described} does not give back what was written")
        except ObjectFrozen as problem:
            raise StoreFailed(
                f"store {self._calls.described}: what is written there freezes, which the plan does not count on",
                help="write the bucket's class in the store's block (`class archive`), or choose another bucket",
            ) from problem
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
