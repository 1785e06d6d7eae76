"""A store that is read no faster than a plan allows: for what no bound counts, as drills."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.throttle import Throttle


class ThrottledStore:
    """`inner`, of which all readers together get `rate` bytes per second."""

    def __init__(self, inner: Store, rate: int) -> None:
        self._inner, self._rate, self._throttle = inner, rate, Throttle(rate)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get(self, key: str) -> bytes:
        body = self._inner.get(key)
        self._throttle.take(len(body))
        return body

    def read(self, key: str, start: int = 0, end: int | None = None, *, limit: int | None = None) -> Iterator[bytes]:
        slowest = self._rate if limit is None else min(limit, self._rate)
        for chunk in self._inner.read(key, start, end, limit=slowest):
            self._throttle.take(len(chunk))
            yield chunk


def throttled(store: Store, rate: int | None) -> Store:
    """`store` itself where there is no rate."""
    return store if rate is None else cast(Store, ThrottledStore(store, rate))
