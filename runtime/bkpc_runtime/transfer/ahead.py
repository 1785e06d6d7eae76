"""Many small things at once, handed out in their order: what one request costs in time is not paid for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from bkpc_grammar.log_objects import AT_ONCE, IN_MEMORY

T = TypeVar("T")


def ahead(
    jobs: Iterable[tuple[int, Callable[[], T]]], *, most: int = AT_ONCE, room: int = IN_MEMORY
) -> Generator[T, None, None]:
    """What each job gives, in order; each says how many bytes it will hold.

    At most `most` run at once, and `room` bytes wait in memory, but for one job that is larger alone: what is proved of
    a recovery counts on that.

    The first failure is raised in its turn; jobs that run then are waited for.
    """
    waiting: deque[tuple[int, Future[T]]] = deque()
    held = 0
    coming = iter(jobs)
    with ThreadPoolExecutor(most, thread_name_prefix="ahead") as pool:
        try:
            following = next(coming, None)
            while following or waiting:
                while following and len(waiting) < most and (not waiting or held + following[0] <= room):
                    waiting.append((following[0], pool.submit(following[1])))
                    held += following[0]
                    following = next(coming, None)
                size, first = waiting.popleft()
                yield first.result()
                held -= size
        finally:
            for _, one in waiting:
                one.cancel()
