"""The way out: plain bytes → SHA-256 → zstd → age → SHA-256 → a store. Streaming, in bounded memory."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import zstandard

from bkpc_runtime.transfer.memory import ALLOWANCE
from bkpc_runtime.transfer.pipes import Pulled, Pushed
from bkpc_runtime.transfer.ranges import RangeSums
from bkpc_runtime.transfer.sums import Sums
from bkpc_runtime.transfer.throttle import Throttle

_BLOCK = 1024 * 1024
_WAITING = 3
_LEVEL = 1
_FINISH = zstandard.COMPRESSOBJ_FLUSH_FINISH
SMALL = 256 << 10
"""A segment of log that is worth no thread, and no pieces."""
_THREADS = 2
_PIECE = 512 * 1024
"""What each of the threads compresses at once."""
_THREADS_MEMORY = 8 * 1024 * 1024


class Outbound:
    """A sink for one object. `write` plain bytes, then `finish` for the sums; the caller commits its writers.

    `deliver` takes stored bytes, on a thread of its own where there are `recipients`. An error in any stage
    is raised by the next `write` or by `finish`. A `large` object is compressed by threads of its own, beside whoever
    reads and hashes; they cost more than they bring where objects are many and small.
    """

    def __init__(
        self,
        deliver: Callable[[bytes], None],
        recipients: Sequence[str] = (),
        throttle: Throttle | None = None,
        *,
        large: bool = False,
    ) -> None:
        self._plain = hashlib.sha256()
        self._plain_size = 0
        self._stored = _Stored(deliver, throttle)
        self._allowed = _THREADS_MEMORY if large and ALLOWANCE.take(_THREADS_MEMORY) else 0
        self._compressor = _compressor(_THREADS if self._allowed else 0)
        self._sealing = _Sealing(self._stored.write, recipients) if recipients else None
        self._next = self._sealing.write if self._sealing else self._stored.write

    def write(self, chunk: bytes) -> None:
        self._plain.update(chunk)
        self._plain_size += len(chunk)
        compressed = self._compressor.compress(chunk)
        if compressed:
            self._next(compressed)

    def finish(self) -> Sums:
        self._next(self._compressor.flush())
        self._give_back()
        if self._sealing:
            self._sealing.finish()
        return Sums(
            plain_size=self._plain_size,
            plain_sha256=self._plain.hexdigest(),
            stored_size=self._stored.size,
            stored_sha256=self._stored.sha256.hexdigest(),
            ranges=self._stored.ranges.finish(),
        )

    def abort(self) -> None:
        """Stop the threads; nothing more is delivered. Safe after `finish`."""
        self._give_back()
        if self._sealing:
            self._sealing.abort()

    def _give_back(self) -> None:
        ALLOWANCE.give(self._allowed)
        self._allowed = 0


def _compressor(threads: int) -> zstandard.ZstdCompressionObj:
    if not threads:
        return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
    asked = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, write_checksum=True, threads=threads, job_size=_PIECE
    )
    return zstandard.ZstdCompressor(compression_params=asked).compressobj()


def packed(plain: bytes, recipients: Sequence[str] = ()) -> bytes:
    """A small object, compressed and sealed in memory."""
    compressed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(plain)
    if not recipients:
        return compressed
    import pyrage

    return pyrage.encrypt(compressed, [pyrage.x25519.Recipient.from_str(one) for one in recipients])


Pack = Callable[[Iterable[bytes], int, Callable[[bytes], None]], None]
"""Packs the pieces of a log segment of so many bytes, and hands on what comes of them."""


def packing(recipients: Sequence[str]) -> Pack:
    """Compresses and seals: at once what is small, else in pieces, so that it is never whole in memory."""

    def pack(plain: Iterable[bytes], size: int, deliver: Callable[[bytes], None]) -> None:
        if size <= SMALL:
            deliver(packed(b"".join(plain), recipients))
            return
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj(size=size)
        compressed = filter(None, chain(map(compressor.compress, plain), map(compressor.flush, [_FINISH])))
        if not recipients:
            for chunk in compressed:
                deliver(chunk)
            return
        import pyrage

        source, sink = Pulled(lambda: next(compressed, b"")), Pushed(deliver)
        keys = [pyrage.x25519.Recipient.from_str(one) for one in recipients]
        try:
            pyrage.encrypt_io(source, sink, keys)
        except Exception:
            if failure := source.failure or sink.failure:
                raise failure from None
            raise
        sink.flush()

    return pack


class _Stored:
    """The last stage: throttle, hash whole and by ranges, count, deliver."""

    def __init__(self, deliver: Callable[[bytes], None], throttle: Throttle | None) -> None:
        self._deliver, self._throttle = deliver, throttle
        self.sha256, self.ranges = hashlib.sha256(), RangeSums()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        if self._throttle:
            self._throttle.take(len(chunk))
        self.sha256.update(chunk)
        self.ranges.update(chunk)
        self.size += len(chunk)
        self._deliver(chunk)


class _Sealing:
    """age on a thread: pyrage pulls plain bytes and pushes sealed ones."""

    def __init__(self, deliver: Callable[[bytes], None], recipients: Sequence[str]) -> None:
        self._queue: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._failure: BaseException | None = None
        self._aborted = False
        self._thread = threading.Thread(target=self._run, args=(deliver, tuple(recipients)), daemon=True)
        self._thread.start()

    def _run(self, deliver: Callable[[bytes], None], recipients: tuple[str, ...]) -> None:
        import pyrage

        sink = Pushed(deliver)
        try:
            keys = [pyrage.x25519.Recipient.from_str(one) for one in recipients]
            pyrage.encrypt_io(Pulled(lambda: self._queue.get() or b""), sink, keys)
            sink.flush()
        except BaseException as problem:  # noqa: BLE001 - raised again where the bytes come from
            self._failure = sink.failure or problem
            while self._queue.get() is not None:
                pass

    def write(self, chunk: bytes) -> None:
        self._raise()
        for start in range(0, len(chunk), _BLOCK):
            self._queue.put(chunk[start : start + _BLOCK])

    def finish(self) -> None:
        self._aborted = True
        self._queue.put(None)
        self._thread.join()
        self._raise()

    def abort(self) -> None:
        if not self._aborted:
            self._aborted = True
            self._queue.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure
