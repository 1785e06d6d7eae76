"""For tests that run on a directory and on a bucket; all others do with `make test-oss`."""

from __future__ import annotations

import pytest

from bkpc_runtime.stores.store import Store

BOTH = pytest.mark.parametrize("store", ["directory", "oss"], indirect=True)


def keys(store: Store, ending: str) -> list[str]:
    """Of all that is in a store, in order."""
    return [one.key for one in store.list("") if one.key.endswith(ending)]
