"""Small parts of an image on their way into stores: many at once, so that what a request takes is not paid for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from bkpc_grammar.image_objects import JOB_AT_ONCE, JOB_MEMORY, SMALL
from bkpc_runtime.stores.store import ObjectWriter


class Storing:
    """Used as a context manager, which gives up what is not stored when it is left."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(JOB_AT_ONCE, thread_name_prefix="store")
        self._waiting: deque[tuple[int, Sequence[ObjectWriter], Future[None]]] = deque()
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for waiting in self._waiting:
            for one in waiting[1]:
                one.abort()

    def commit(self, writers: Sequence[ObjectWriter], size: int) -> None:
        """Of a part of `size` bytes that has been written: a small one is stored later, before `finish` returns.

        Raises what storing this one or one before it did.
        """
        if size > SMALL:
            _commit(writers)
            return
        while self._waiting and (
            len(self._waiting) >= JOB_AT_ONCE or self._held + size > JOB_MEMORY or self._first_done
        ):
            self._first()
        self._waiting.append((size, writers, self._pool.submit(_commit, writers)))
        self._held += size

    def finish(self) -> None:
        """All are stored, or what storing the first that is not did is raised."""
        while self._waiting:
            self._first()

    @property
    def _first_done(self) -> bool:
        return self._waiting[0][2].done()

    def _first(self) -> None:
        size, _, stored = self._waiting[0]
        stored.result()
        self._waiting.popleft()
        self._held -= size


def _commit(writers: Sequence[ObjectWriter]) -> None:
    for one in writers:
        one.commit()
