"""The contract every store keeps: immutable objects under keys, streamed in and out.

Keys are relative, `/`-separated, and made by `repository/layout.py` only. An object appears whole or
not at all: nothing under its key can be read before `ObjectWriter.commit` returns, and when it has
returned the bytes are durable (fsynced, or acknowledged by the service).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Tier = Literal["Expedited", "Standard", "Bulk"]
"""How soon a thaw is wanted; the sooner, the dearer."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a store: `size` in bytes.

    `cold`: it can't be read: `frozen` until a thaw is asked for, then `thawing`. `thawed_until`: then it freezes again;
    None: never, or it is cold. `storage_class`: the class it must thaw from, empty where none. `crc64`: of its bytes,
    where `head` was asked and the store keeps one; `modified`: when the store got it, where `head` was asked.
    """

    key: str
    size: int
    cold: Literal["", "frozen", "thawing"] = ""
    thawed_until: datetime | None = None
    storage_class: str = ""
    crc64: int | None = field(default=None, compare=False)
    modified: datetime | None = field(default=None, compare=False)


class ObjectWriter(Protocol):
    """Streams one object into a store. Used as a context manager; leaving without `commit` aborts."""

    def write(self, chunk: bytes) -> None: ...
    def commit(self) -> StoredObject:
        """Make the object visible and durable."""
        ...

    def abort(self) -> None:
        """Drop what was written; safe to call twice, and after `commit` does nothing."""
        ...

    def __enter__(self) -> ObjectWriter: ...
    def __exit__(self, *_: object) -> None: ...


class Store(Protocol):
    """Every method raises a `StoreFailed` (see `errors.py`) that names the store and the key."""

    name: str

    @property
    def requests(self) -> int:
        """How many were sent to a service that charges for them, tries that failed included."""
        ...

    def writer(self, key: str, expected_size: int, *, resumes: bool = False, limit: int | None = None) -> ObjectWriter:
        """`expected_size` in bytes (an upper estimate) picks the part size of a multipart upload.

        `resumes`: the same bytes are written whenever the key is: what an earlier try has left is used again, and what
        this one leaves stays for the next, until `sweep`. `limit`: bytes per second of one connection.
        """
        ...

    def put(self, key: str, body: bytes) -> StoredObject: ...
    def get(self, key: str) -> bytes:
        """A whole small object (manifests, marks)."""
        ...

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:
        """Bytes `[start, end)` in chunks of at most 1 MiB; a connection lost half-way is resumed by range.

        `limit`: bytes per second of one connection. What follows is fetched ahead, 32 MiB at most.
        """
        ...

    def head(self, key: str) -> StoredObject | None: ...
    def thaw(self, one: StoredObject, days: int, tier: Tier) -> None:
        """Ask for it to be readable for so many days; returns at once. Asked again while it thaws, only a quicker
        `tier` changes anything; once it has thawed it stays so for longer. What needs no thaw is left alone."""
        ...

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """Objects whose key starts with `prefix`, in ascending order of key, after key `after`.

        What no key of ours can be (a console's empty object `folder/`) is passed over.
        """
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """Distinct next path components below `prefix` (which ends with `/` or is empty), ascending."""
        ...

    def delete(self, key: str) -> None:
        """Deleting what is not there is fine."""
        ...

    def delete_many(self, keys: Sequence[str]) -> int:
        """As `delete`, for all of them, in few requests and in no order; how many a retention lock keeps."""
        ...

    def sweep(self, before: float) -> int:
        """Drop what unfinished writers left that began before an instant (seconds since 1970); how many."""
        ...

    def probe(self) -> None:
        """Write, read back and delete a small object of its own; raises what a backup would run into."""
        ...
