"""A directory store keeps the contract of `stores/store.py`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.errors import ObjectMissing, Refused, StoreUnreachable
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.keys import checked_key


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore("disk", tmp_path / "backups")


def test_what_is_written_is_read_back_whole_and_in_part(store: DirectoryStore) -> None:
    store.put("a/b", b"0123456789")
    assert store.get("a/b") == b"0123456789"
    assert b"".join(store.read("a/b", 3, 7)) == b"3456"
    assert b"".join(store.read("a/b", 8)) == b"89"
    head = store.head("a/b")
    assert head is not None
    assert head.size == 10
    assert store.head("a/c") is None


def test_an_object_is_invisible_until_it_is_committed(store: DirectoryStore) -> None:
    with store.writer("a/b", 3) as writer:
        writer.write(b"abc")
        assert list(store.list("")) == []
        assert store.head("a/b") is None
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_listing_is_sorted_by_key_and_goes_on_after_one(store: DirectoryStore) -> None:
    for key in ("p/b", "p/a/2", "p/a/1", "q/x", "p2/y"):
        store.put(key, b"x")
    assert [one.key for one in store.list("p/")] == ["p/a/1", "p/a/2", "p/b"]
    assert [one.key for one in store.list("p/", after="p/a/1")] == ["p/a/2", "p/b"]
    assert list(store.folders("")) == ["p", "p2", "q"]
    assert list(store.folders("p/")) == ["a"]


def test_deleting_twice_is_fine_and_reading_what_is_gone_is_named(store: DirectoryStore) -> None:
    store.put("a", b"x")
    store.delete("a")
    store.delete("a")
    with pytest.raises(ObjectMissing, match="disk"):
        store.get("a")


def test_files_are_for_their_owner_alone(store: DirectoryStore) -> None:
    store.put("a/b", b"x")
    assert (store.root / "a/b").stat().st_mode & 0o077 == 0
    assert (store.root / "a").stat().st_mode & 0o077 == 0


def test_a_missing_place_says_how_to_make_it(tmp_path: Path) -> None:
    store = DirectoryStore("disk", tmp_path / "not" / "there")
    with pytest.raises(StoreUnreachable) as raised:
        store.probe()
    assert "mkdir" in raised.value.help


FILL = """
import resource, signal, sys
from pathlib import Path
from bkpc_runtime.errors import StoreFull
from bkpc_runtime.stores.directory import DirectoryStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    DirectoryStore("disk", Path(sys.argv[1])).put("a/b", b"x" * 10_000)
except StoreFull as problem:
    sys.exit(17 if "disk" in str(problem) else 1)
"""


def test_a_full_store_is_named_and_leaves_nothing(store: DirectoryStore) -> None:
    # In a process of its own: the limit would also hold for what pytest prints into a file.
    assert subprocess.run([sys.executable, "-c", FILL, str(store.root)], check=False).returncode == 17
    assert list(store.list("")) == []
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("key", ["", "/a", "a//b", "a/../b", "..", "a/.", "a\0b", "a\nb", "a\\b", "x" * 2000])
def test_hostile_keys_are_refused(key: str, store: DirectoryStore) -> None:
    with pytest.raises(Refused):
        store.put(key, b"x")


@given(st.text(max_size=40))
def test_a_checked_key_stays_below_its_root(key: str) -> None:
    try:
        checked_key(key)
    except Refused:
        return
    root = Path("/store/root")
    assert ".." not in (root / key).parts
    assert (root / key).is_relative_to(root)


def test_a_file_in_its_place_is_not_an_empty_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = DirectoryStore("disk", tmp_path / "file")
    for ask in (lambda: list(store.list("")), lambda: list(store.folders("")), lambda: store.put("a", b"")):
        with pytest.raises(StoreUnreachable, match="disk"):
            ask()
    assert list(DirectoryStore("new", tmp_path / "new").list("")) == []


def unmount(root: Path) -> Path:
    """The mountpoint stays, empty; answers where the store is now."""
    away = root.with_name("away")
    root.rename(away)
    root.mkdir()
    return away


@pytest.mark.parametrize("mountpoint", [True, False])
def test_an_empty_mountpoint_is_not_the_store(store: DirectoryStore, mountpoint: bool) -> None:
    store.put("a/b", b"x")
    away = unmount(store.root)
    if not mountpoint:
        store.root.rmdir()
    again = DirectoryStore("disk", store.root)  # each job opens it anew
    for ask in (
        lambda: again.put("a/c", b"y"),
        lambda: again.get("a/b"),
        lambda: again.head("a/b"),
        lambda: list(again.list("")),
        lambda: list(again.folders("")),
        lambda: again.delete("a/b"),
        lambda: again.sweep(0),
    ):
        with pytest.raises(StoreUnreachable, match=r"disk.*is not the folder it was") as raised:
            ask()
        assert "mount" in raised.value.help
    assert not mountpoint or list(store.root.iterdir()) == []
    if mountpoint:
        store.root.rmdir()
    away.rename(store.root)
    again.put("a/c", b"y")
    assert [one.key for one in again.list("")] == ["a/b", "a/c"]


def test_what_is_on_its_way_when_the_disk_goes_is_not_stored(store: DirectoryStore) -> None:
    with store.writer("a/b", 1) as writer:  # even the first of all: nothing is known of this root yet
        writer.write(b"x")
        unmount(store.root)
        (store.root / "a").mkdir()
        with pytest.raises(StoreUnreachable, match="is not the folder it was"):
            writer.commit()
    assert not (store.root / "a/b").exists()


def test_a_store_mounted_again_under_another_number_is_known_by_what_was_written(store: DirectoryStore) -> None:
    store.put("a/b", b"x")
    away = unmount(store.root)
    shutil.copytree(away, store.root, dirs_exist_ok=True)  # another inode, as a network file system may have
    store.put("a/c", b"y")
    assert store.get("a/b") == b"x"


def test_an_empty_folder_may_be_a_mountpoint_that_waits_for_its_disk(store: DirectoryStore, tmp_path: Path) -> None:
    store.root.mkdir()
    assert list(store.list("")) == []
    DirectoryStore("disk", tmp_path / "other").put("a", b"x")
    store.root.rmdir()
    (tmp_path / "other").rename(store.root)
    assert store.get("a") == b"x"
    unmount(store.root)
    with pytest.raises(StoreUnreachable):  # known since it was read
        store.head("a")
