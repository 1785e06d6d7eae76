"""For tests that run on a directory and on a bucket; all others do with `make test-oss`.

On a directory alone, whatever STORE says: what opens files by hand as docs/repository-format.md tells, what unmounts a
disk, forges or breaks a file in its place, and what runs commands over a plan whose store is a directory. Commands over
a plan whose store is a bucket run in `test_through_oss.py`, `test_through_trouble.py` and `test_day_on_a_bucket.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bkpc_runtime.errors import StoreUnreachable
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.store import Store
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer

BOTH = pytest.mark.parametrize("store", ["directory", "oss"], indirect=True)


@contextmanager
def opened(folder: Path, name: str = "disk", kind: str = "") -> Iterator[Store]:
    """A store of this kind, or of that which STORE says."""
    if (kind or os.environ.get("STORE", "directory")) == "directory":
        yield DirectoryStore(name, folder)
        return
    with OssServer(folder) as server:
        key = AccessKey(KEY_ID, Secret(KEY_SECRET))
        yield OssStore(name, server.bucket(), server.endpoint, REGION, "some/where", lambda: key)
        assert server.problems == []


@contextmanager
def apart(root: Path) -> Iterator[str]:
    """The endpoint of a server with a bucket `backup`, in a process of its own: for those who fork."""
    command = [sys.executable, "-m", "tests.oss_server", "--root", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def bucket_at(endpoint: str, name: str) -> Store:
    """What is below `name/` in that bucket."""
    key = AccessKey(KEY_ID, Secret(KEY_SECRET))
    return OssStore(name, "backup", endpoint, REGION, name, lambda: key)


def keys(store: Store, ending: str) -> list[str]:
    """Of all that is in a store, in order."""
    return [one.key for one in store.list("") if one.key.endswith(ending)]


class Switched:
    """`inner`, whose method `refuses` fails while it is `away`; `after` so many calls it goes away by itself. Who
    refuses to `put` gives no `writer` either."""

    def __init__(self, inner: Store, refuses: str = "put", *, away: bool = False, after: int = -1) -> None:
        self._inner, self._refuses, self.away, self._left = inner, refuses, away, after

    def __getattr__(self, name: str) -> Any:
        if name == self._refuses or (name, self._refuses) == ("writer", "put"):
            self.away |= self._left == 0
            self._left -= 1
            if self.away:
                return self._refused
        return getattr(self._inner, name)

    def _refused(self, *_: object, **__: object) -> None:
        raise StoreUnreachable("not now")
