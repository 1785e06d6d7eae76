"""An object on its way out of OSS: one request when it is small, ranges side by side otherwise.

At most four ranges are in memory: one that goes out, three that come in on connections of their own, fewer where many
transfers share what memory there is. Each is tried again by itself, from where it broke off; all are of one version of
the object (`If-Match`). What was got is compared by CRC-64 with what the service keeps when the whole object was read:
an object of one range before a byte of it goes out (it is asked for again where the sums differ), a larger one with
its last.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

from bkpc_runtime.errors import Spoiled, StoreFailed, StoreUnreachable, is_leaving
from bkpc_runtime.stores.crc64 import combined, crc64
from bkpc_runtime.stores.moving import trickled
from bkpc_runtime.stores.oss_answers import spoiled
from bkpc_runtime.stores.oss_calls import OssCalls
from bkpc_runtime.stores.oss_failures import network_cause
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.transfer.memory import ALLOWANCE

MIB = 1024 * 1024
RANGE = 8 * MIB
CONNECTIONS = 4
_CHUNK = MIB
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A range that has arrived."""

    chunks: list[bytes]
    crc: int
    size: int


class OssReader:
    """Reads one object; `name` is its name in the bucket, `key` its name in messages."""

    def __init__(self, calls: OssCalls, key: str, name: str, patience: Patience, headers: dict[str, str]) -> None:
        self._calls, self._key, self._name, self._patience = calls, key, name, patience
        self._headers = headers
        self._etag = ""
        self._given_up = threading.Event()

    def read(self, start: int, end: int | None) -> Iterator[bytes]:
        """Bytes `[start, end)` in order, in chunks of at most 1 MiB."""
        answer = self._open(start, start + RANGE if end is None else min(start + RANGE, end))
        if answer is None:
            return
        self._etag = answer.etag
        total = self._total(answer, start)
        if (start, answer.content_length) == (0, total) and total <= RANGE:
            yield from self._in_memory(answer, total)
            return
        stop = total if end is None else min(end, total)
        middle = min(start + answer.content_length, stop)
        sums: list[tuple[int, int]] = []
        threads = ThreadPoolExecutor(CONNECTIONS - 1, thread_name_prefix="oss-range") if middle < stop else None
        ahead = _Ahead(self, threads, middle, stop)
        try:
            yield from _counted(self.arriving(start, middle, answer), sums)
            yield from ahead.chunks(sums)
        finally:
            self._given_up.set()
            ahead.give_up()
            answer.close()
            if threads:
                threads.shutdown(wait=not is_leaving(), cancel_futures=True)
        if (start, stop) == (0, total):
            self._check(answer, combined(sums))

    def _in_memory(self, answer: Any, size: int) -> list[bytes]:
        """A whole object, as the service keeps it."""
        trying, first = self._patience.began(), answer
        while True:
            sums: list[tuple[int, int]] = []
            chunks = list(_counted(self.arriving(0, size, first), sums))
            if not spoiled(answer, combined(sums)):
                return chunks
            first = None
            if not trying.wait(0.0, self._given_up):
                raise self._wrong()

    def fetch(self, start: int, end: int) -> _Fetched:
        """A whole range; empty once nobody waits for it."""
        chunks, sums = [], list[tuple[int, int]]()
        for chunk in _counted(self.arriving(start, end, None), sums):
            chunks.append(chunk)
            if self._given_up.is_set():
                break
        return _Fetched(chunks, *sums[0]) if sums else _Fetched([], 0, 0)

    def arriving(self, start: int, end: int, answer: Any) -> Iterator[bytes]:
        """Bytes `[start, end)`; `answer` is that to the first request, where it was sent already."""
        position, trying = start, self._patience.began()
        while position < end:
            if answer is None:
                answer = self._open(position, end)
            if answer is None:
                raise self._shorter(position)
            before = position
            problem: BaseException | None = None
            try:
                for chunk in _body(answer):
                    position += len(chunk)
                    yield chunk
            except OSError as broken:  # what requests raises when a body breaks off
                problem = broken
            finally:
                answer.close()
                answer = None
            if position > before and not trickled(problem):
                trying = self._patience.began()
            if position < end and not trying.wait(0.0, self._given_up):
                why = network_cause(problem) if problem else "the body ended early"
                text = f"store {self._calls.described} at {self._key}: {why}"
                raise StoreUnreachable(text, help="check the network", retryable=True) from problem

    def _open(self, start: int, end: int) -> Any:
        """An answer whose body is `[start, end)`, or None when the object ends before it."""
        headers = {"x-oss-range-behavior": "standard", **self._headers}
        if self._etag:
            headers["If-Match"] = f'"{self._etag}"'
        wanted = (start, end - 1)
        return self._calls.open_object(self._key, self._name, wanted, headers, self._patience, self._given_up)

    def _total(self, answer: Any, start: int) -> int:
        """The size of the object, from the answer to its first range."""
        said = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if said is None and start == 0:
            return int(answer.content_length)
        if said is None or int(said[1]) != start:
            raise StoreFailed(f"store {self._calls.described} at {self._key}: the service answers with other bytes")
        return int(said[3])

    def _shorter(self, position: int) -> StoreFailed:
        return StoreFailed(f"store {self._calls.described} at {self._key}: it ends before byte {position}")

    def _check(self, answer: Any, crc: int) -> None:
        """The whole object has been read: its CRC-64 must be what the service keeps."""
        if spoiled(answer, crc):
            raise self._wrong()

    def _wrong(self) -> Spoiled:
        return Spoiled(
            f"store {self._calls.described} at {self._key}: bytes were spoiled on the way, their CRC-64 differs",
            help="read it again; where it stays so, `bkpc verify`",
            retryable=True,
        )


class _Ahead:
    """The ranges of `[start, stop)` in order, while those that follow arrive."""

    def __init__(self, reader: OssReader, threads: ThreadPoolExecutor | None, start: int, stop: int) -> None:
        self._reader, self._threads, self._next, self._stop = reader, threads, start, stop
        self._under_way: deque[tuple[Future[_Fetched], int]] = deque()
        self._fill()

    def _fill(self) -> None:
        while self._threads and self._next < self._stop and len(self._under_way) < CONNECTIONS - 1:
            start, end = self._next, min(self._next + RANGE, self._stop)
            if not ALLOWANCE.take(end - start):
                return
            self._next = end
            self._under_way.append((self._threads.submit(self._reader.fetch, start, end), end - start))

    def chunks(self, sums: list[tuple[int, int]]) -> Iterator[bytes]:
        """CRC-64 and size of each range are added to `sums` when it has passed. One that is allowed no memory comes
        as it arrives."""
        while self._under_way or self._next < self._stop:
            self._fill()
            if not self._under_way:
                start, self._next = self._next, min(self._next + RANGE, self._stop)
                yield from _counted(self._reader.arriving(start, self._next, None), sums)
                continue
            fetching, allowed = self._under_way.popleft()
            try:
                fetched = fetching.result()
                self._fill()
                sums.append((fetched.crc, fetched.size))
                yield from fetched.chunks
                del fetched
            finally:
                ALLOWANCE.give(allowed)

    def give_up(self) -> None:
        """Those that nobody has taken are not wanted any more."""
        while self._under_way:
            ALLOWANCE.give(self._under_way.popleft()[1])


def _counted(chunks: Iterator[bytes], sums: list[tuple[int, int]]) -> Iterator[bytes]:
    """The chunks; their CRC-64 and size are added to `sums` when the last has passed."""
    crc = size = 0
    for chunk in chunks:
        crc = crc64(chunk, crc)
        size += len(chunk)
        yield chunk
    sums.append((crc, size))


def _body(answer: Any) -> Iterator[bytes]:
    """As it arrives: oss2's own iterator gives 8 KiB at a time, and has read an empty body already.

    Raises OSError where it breaks off.
    """
    if answer.content_length == 0:
        return
    raw = answer.resp.response.raw
    pieces: list[bytes] = []
    room = _CHUNK
    try:
        while True:
            piece = raw.read1(room)
            pieces.append(piece)
            room -= len(piece)
            if not (piece and room):
                if whole := b"".join(pieces):
                    yield whole
                pieces, room = [], _CHUNK
            if not piece:
                return
    except urllib3.exceptions.HTTPError as problem:
        yield b"".join(pieces)
        raise requests.ConnectionError(problem) from problem
