"""The way back: stored bytes → SHA-256 → age → zstd → SHA-256 → plain bytes. Streaming, in bounded memory."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import IO, Protocol, cast

import zstandard

from bkpc_runtime.errors import DamagedBackup, Refused
from bkpc_runtime.secret import Secret
from bkpc_runtime.transfer.identity import need_key
from bkpc_runtime.transfer.pipes import Pulled, Pushed
from bkpc_runtime.transfer.sums import Sums

_WAITING = 8
_BLOCK = 1024 * 1024
_LARGEST_WINDOW = 8 * 1024 * 1024
"""What an object may ask of whoever expands it: many are open at once. `Outbound` asks for half a MiB."""


def inbound(
    stored: Iterable[bytes],
    *,
    name: str,
    encrypted: bool,
    identities: Sequence[Secret] = (),
    expected: Sums | None = None,
) -> Generator[bytes, None, None]:
    """The plain bytes of the object called `name`.

    The last bytes are out before the hashes are compared: whoever reads must not call it done until
    the iterator has ended.

    Raises:
        DamagedBackup: the bytes are not those that were stored.
        Refused: the object is encrypted and no identity opens it.
    """
    stored_hash, plain_hash = hashlib.sha256(), hashlib.sha256()
    source = _hashed(stored, stored_hash)
    if encrypted:
        need_key(encrypted=encrypted, identities=identities, what=name)
        source = _opened(source, identities, name)
    try:
        yield from _hashed(_expanded(source), plain_hash)
    except zstandard.ZstdError as problem:
        raise DamagedBackup(f"{name} is damaged: {problem}") from problem
    if expected and (stored_hash.hexdigest(), plain_hash.hexdigest()) != (
        expected.stored_sha256,
        expected.plain_sha256,
    ):
        raise DamagedBackup(f"{name} is damaged: its SHA-256 is not the one that was recorded when it was written")


def _hashed(chunks: Iterable[bytes], digest: _Digest) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _expanded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks of a MiB at most, however small the chunk is that they are in: a chunk may hold gigabytes."""
    source = _last_byte_alone(chunks)
    exhausted = False

    def next_chunk() -> bytes:
        nonlocal exhausted
        chunk = next(source, b"")
        exhausted = not chunk
        return chunk

    expander = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    # It copies what it reads into `read_size` bytes: `Pulled` gives no more than it is asked for.
    yield from expander.read_to_iter(cast(IO[bytes], Pulled(next_chunk)), read_size=_BLOCK, write_size=_BLOCK)
    # It tells neither; but it asks for the last byte of a frame, and for nothing after it.
    if exhausted:
        raise zstandard.ZstdError("it ends too early")
    if next(source, None) is not None:
        raise zstandard.ZstdError("bytes follow the end")


def _last_byte_alone(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, the very last as a chunk of its own."""
    waiting = b""
    for chunk in chunks:
        if chunk:
            if waiting:
                yield waiting
            waiting = chunk
    if len(waiting) > 1:
        yield waiting[:-1]
    if waiting:
        yield waiting[-1:]


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


class _Stopped(Exception):
    """The reader of an opened object has gone."""


def _opened(chunks: Iterator[bytes], identities: Sequence[Secret], name: str) -> Iterator[bytes]:
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(_WAITING)
    gone = threading.Event()

    def deliver(chunk: bytes) -> None:
        while not gone.is_set():
            try:
                return waiting.put(chunk, timeout=0.2)
            except queue.Full:
                continue
        raise _Stopped

    thread = threading.Thread(target=_open, args=(chunks, identities, deliver, waiting, gone), daemon=True)
    thread.start()
    try:
        while (chunk := waiting.get()) is not None:
            if isinstance(chunk, BaseException):
                raise _named(chunk, name) from chunk
            yield chunk
    finally:
        gone.set()
        thread.join()


def _open(
    chunks: Iterator[bytes],
    identities: Sequence[Secret],
    deliver: Callable[[bytes], None],
    waiting: queue.Queue[bytes | BaseException | None],
    gone: threading.Event,
) -> None:
    import pyrage

    end: BaseException | None = None
    try:
        keys = [pyrage.x25519.Identity.from_str(one.reveal()) for one in identities]
        sink = Pushed(deliver)
        pyrage.decrypt_io(Pulled(lambda: next(chunks, b"")), sink, keys)
        sink.flush()
    except BaseException as problem:  # noqa: BLE001 - raised again where the bytes go
        end = problem
    while not gone.is_set():
        try:
            waiting.put(end, timeout=0.2)
            return
        except queue.Full:
            continue


def _named(problem: BaseException, name: str) -> BaseException:
    import pyrage

    if isinstance(problem, pyrage.DecryptError) and "matching" in str(problem).lower():
        return Refused(
            f"the given age identity does not open {name}",
            help="use that of a recipient of the policy",
        )
    if isinstance(problem, pyrage.DecryptError | OSError):
        return DamagedBackup(f"{name} is damaged: it can't be decrypted ({problem})")
    return problem


_AGE_MAGIC = b"age-encryption.org/"


def segment_opener(identities: Sequence[Secret]) -> Callable[[bytes, int], bytes]:
    """What opens a log segment in memory, given what is stored and how many bytes its name says; no more are expanded.
    Whether it is encrypted shows in its first bytes."""

    def opened(packed: bytes, size: int) -> bytes:
        name, plain = "a log segment", bytearray()
        encrypted = packed.startswith(_AGE_MAGIC)
        with closing(inbound([packed], name=name, encrypted=encrypted, identities=identities)) as blocks:
            for block in blocks:
                plain += block
                if len(plain) > size:
                    raise DamagedBackup(f"{name} holds more than the {size} bytes that its name says")
        return bytes(plain)

    return opened
