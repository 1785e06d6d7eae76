"""A store that is read no faster than a plan allows: drills, and recoveries side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, cast

from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.throttle import Throttle


class Waiting(Protocol):
    """What is asked before bytes pass."""

    def take(self, size: int, /) -> None: ...


class ThrottledStore:
    """`inner`, of which all readers together get what `throttle` lets pass; one connection `rate` bytes per second."""

    def __init__(self, inner: Store, throttle: Waiting, rate: int | None) -> None:
        self._inner, self._rate, self._throttle = inner, rate, throttle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get(self, key: str) -> bytes:
        body = self._inner.get(key)
        self._throttle.take(len(body))
        return body

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:
        slowest = min((one for one in (limit, self._rate) if one is not None), default=None)
        for chunk in self._inner.read(key, start, end, limit=slowest):
            self._throttle.take(len(chunk))
            yield chunk


def throttled(store: Store, rate: int | None) -> Store:
    """`store` itself where there is no rate."""
    return store if rate is None else cast(Store, ThrottledStore(store, Throttle(rate), rate))


def paced(store: Store, pace: Waiting) -> Store:
    """`store`, read as `pace` allows."""
    return cast(Store, ThrottledStore(store, pace, None))
