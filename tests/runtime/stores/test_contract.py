"""What every store keeps: the same tests on a directory and on a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bkpc_runtime.errors import ObjectMissing, Refused
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.store import Store, StoredObject
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer

MIB = 1024 * 1024


@pytest.fixture(params=["directory", "oss", "oss-prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "directory":
        yield DirectoryStore("place", tmp_path / "backups")
        return
    with OssServer(tmp_path) as server:
        prefix = "some/where" if request.param == "oss-prefix" else ""
        key = AccessKey(KEY_ID, Secret(KEY_SECRET))
        yield OssStore("place", server.bucket(), server.endpoint, REGION, prefix, lambda: key)


def test_what_is_put_is_read_back_whole_and_in_part(store: Store) -> None:
    assert store.put("a/b", b"0123456789") == StoredObject("a/b", 10)
    assert store.get("a/b") == b"0123456789"
    assert b"".join(store.read("a/b", 3, 7)) == b"3456"
    assert b"".join(store.read("a/b", 8)) == b"89"
    assert b"".join(store.read("a/b", 8, 99)) == b"89"
    assert b"".join(store.read("a/b", 10)) == b""
    assert b"".join(store.read("a/b", 4, 4)) == b""
    assert store.head("a/b") == StoredObject("a/b", 10)


def test_an_empty_object_is_one(store: Store) -> None:
    store.put("a", b"")
    assert store.get("a") == b""
    assert store.head("a") == StoredObject("a", 0)


def test_a_later_put_replaces(store: Store) -> None:
    store.put("a", b"old and longer")
    store.put("a", b"new")
    assert store.get("a") == b"new"


def test_an_object_of_several_parts_comes_back_in_small_chunks(store: Store) -> None:
    body = b"".join(number.to_bytes(8, "big") for number in range((20 * MIB) // 8)) + b"a rest"
    with store.writer("big", len(body)) as writer:
        for start in range(0, len(body), 3 * MIB):
            writer.write(body[start : start + 3 * MIB])
        assert writer.commit() == StoredObject("big", len(body))
    chunks = list(store.read("big"))
    assert b"".join(chunks) == body
    assert max(map(len, chunks)) <= MIB
    assert b"".join(store.read("big", 8 * MIB - 5, 8 * MIB + 5)) == body[8 * MIB - 5 : 8 * MIB + 5]


@pytest.mark.parametrize("size", [3, 17 * MIB])
def test_an_object_is_invisible_until_committed_and_gone_when_aborted(store: Store, size: int) -> None:
    with store.writer("a/b", size) as writer:
        writer.write(bytes(size))
        assert store.head("a/b") is None
        assert list(store.list("")) == []
        writer.abort()
    assert store.head("a/b") is None


def test_an_abort_after_the_commit_does_nothing(store: Store) -> None:
    with store.writer("a", 1) as writer:
        writer.write(b"x")
        writer.commit()
        writer.abort()
    assert store.get("a") == b"x"


def test_listing_is_in_order_of_keys_and_goes_on_after_one(store: Store) -> None:
    for key in ("p/b", "p/a/2", "p/a/1", "q/x", "p2/y", "p/é", "p/中 文+&?%"):
        store.put(key, b"x")
    assert [one.key for one in store.list("p/")] == ["p/a/1", "p/a/2", "p/b", "p/é", "p/中 文+&?%"]
    assert [one.key for one in store.list("p/", after="p/a/1")] == ["p/a/2", "p/b", "p/é", "p/中 文+&?%"]
    assert [one.key for one in store.list("p/a")] == ["p/a/1", "p/a/2"]
    assert list(store.list("nothing/")) == []
    assert list(store.folders("")) == ["p", "p2", "q"]
    assert list(store.folders("p/")) == ["a"]
    assert list(store.folders("nothing/")) == []
    assert store.get("p/中 文+&?%") == b"x"


def test_deleting_twice_is_fine_and_what_is_gone_is_named(store: Store) -> None:
    store.put("a/b", b"x")
    store.delete("a/b")
    store.delete("a/b")
    assert store.head("a/b") is None
    with pytest.raises(ObjectMissing, match=r"place.*a/b"):
        store.get("a/b")


def test_many_are_deleted_at_once(store: Store) -> None:
    keys = [f"p/{number} 中&?" for number in range(5)]
    for key in keys:
        store.put(key, b"x")
    assert store.delete_many([*keys[1:], "p/never was"]) == 0
    assert [one.key for one in store.list("")] == keys[:1]
    assert store.delete_many([]) == 0


def test_a_probe_leaves_nothing(store: Store) -> None:
    store.probe()
    assert list(store.list("")) == []


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/../b", "a\0b"])
def test_hostile_keys_are_refused(store: Store, key: str) -> None:
    for ask in (lambda: store.put(key, b"x"), lambda: store.get(key), lambda: store.head(key)):
        with pytest.raises(Refused):
            ask()
    with pytest.raises(Refused):
        store.delete(key)
