"""Parts of an image on their way into stores: many small ones at once, so that what a request takes is not paid for
each; and of a large one the last bytes beside the next one, so that its way does not wait for them."""

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
        self._pool = ThreadPoolExecutor(JOB_AT_ONCE + 1, thread_name_prefix="store")
        self._waiting: deque[tuple[int, Sequence[ObjectWriter], Future[None]]] = deque()
        self._held = 0
        self._large: tuple[Sequence[ObjectWriter], Future[None]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        given_up = [waiting[1] for waiting in self._waiting]
        for writers in (*given_up, *((self._large[0],) if self._large else ())):
            for one in writers:
                one.abort()

    def commit(self, writers: Sequence[ObjectWriter], size: int) -> None:
        """Of a part of `size` bytes that has been written: it is stored later, before `finish` returns; of larger ones
        when the one before it is, so that no more than two are in memory.

        Raises what storing one before it did.
        """
        if size > SMALL:
            self._large_stored()
            self._large = writers, self._pool.submit(_commit, writers)
            return
        while self._waiting and (
            len(self._waiting) >= JOB_AT_ONCE or self._held + size > JOB_MEMORY or self._first_done
        ):
            self._first()
        self._waiting.append((size, writers, self._pool.submit(_commit, writers)))
        self._held += size

    def finish(self) -> None:
        """All are stored, or what storing the first that is not did is raised."""
        self._large_stored()
        while self._waiting:
            self._first()

    def _large_stored(self) -> None:
        if self._large:
            self._large[1].result()
            self._large = None

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
