"""Parts of an image as several clients take them, in order: small ones are fetched ahead, many at once.

A table of some rows costs what a request takes over its way, and little else: of thousands, one after the other, that
would be most of a restore. What is larger is read by the client that loads it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Self

from bkpc_grammar.image_objects import AT_ONCE, IN_MEMORY, SMALL
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.ahead import ahead
from bkpc_runtime.transfer.ranges import read_checked

Stored = Callable[[], Iterator[bytes]]
"""The stored bytes of a part; of a small one they are here already, and may be had again."""


class PartsAhead:
    """`parts` for whoever asks next; used as a context manager, which takes back what nobody has asked for."""

    def __init__(self, image: Image, store: Store, parts: Sequence[Part]) -> None:
        self._image, self._store = image, store
        self._coming = ahead(map(self._job, parts), most=AT_ONCE, room=IN_MEMORY)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._coming.close()

    def next(self) -> tuple[Part, Stored] | None:
        """The next one; None: there is none left. Raises what fetching it did."""
        with self._lock:
            return next(self._coming, None)

    def _job(self, part: Part) -> tuple[int, Callable[[], tuple[Part, Stored]]]:
        read = partial(read_checked, self._store, self._key(part), part.sums)
        size = part.sums.stored_size
        return (size, partial(_here, part, read)) if size <= SMALL else (0, lambda: (part, read))

    def _key(self, part: Part) -> str:
        return layout.part_key(self._image.prefix, self._image.manifest.id, part.name)


def _here(part: Part, read: Stored) -> tuple[Part, Stored]:
    body = b"".join(read())
    return part, lambda: iter((body,))
