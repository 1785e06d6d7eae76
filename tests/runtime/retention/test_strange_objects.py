"""What others leave among our objects: empty objects `folder/`, as a console makes them, and names unlike ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oss2
import pytest

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, marks, segments
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.oss import OssStore
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY, HOUR, PREFIX
from tests.runtime.retention.test_expire import NOW, filled, ids, run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path) as server:
        server.bucket()
        yield server


def in_console(server: OssServer) -> Any:
    return oss2.Bucket(oss2.AuthV4(KEY_ID, KEY_SECRET), server.endpoint, "backup", region=REGION)


def everything(server: OssServer) -> list[str]:
    return [one.key for one in oss2.ObjectIteratorV2(in_console(server))]


def opened(server: OssServer) -> OssStore:
    key = AccessKey(KEY_ID, Secret(KEY_SECRET))
    return OssStore("far", "backup", server.endpoint, REGION, "acme", lambda: key)


def folders_of(names: list[str]) -> list[str]:
    return sorted({name[: at + 1] for name in names for at, sign in enumerate(name) if sign == "/"})


@pytest.mark.parametrize("strange", ["", "//", "\\x", "\x07", "./x", "x//y"])
def test_expiry_and_lists_go_on_among_strange_objects(server: OssServer, strange: str) -> None:
    """In each folder there is; they stay where they are, and nothing of ours is passed over for them."""
    store, console = opened(server), in_console(server)
    images = filled(store, days=9)
    before = everything(server)
    left = [f"{folder}{strange}" for folder in folders_of(before)]
    for name in left:
        console.put_object(name, b"")
    assert [f"acme/{one.key}" for one in store.list("")] == before
    assert ids(store) == [one.id for one in images]
    assert run(store).text == "far: 2 marked to go after the grace"
    made.put_image(store, made.manifest(NOW + 3 * DAY - HOUR * 2, Position(made.binlog(9), 80)))
    done = run(store, NOW + 3 * DAY)
    assert (done.images, done.binlogs) == (1, 1)
    assert images[0].id not in ids(store)
    assert {name for name in everything(server) if images[0].id in name} <= set(left), "nothing of ours is left"
    assert segments.files(store, PREFIX, 1)[-1] == made.binlog(9)
    assert catalogue.unreadable(store, "shop") == []
    assert all(one.subject != images[0].id for one in marks.marks(store, PREFIX)), "its tombstone has gone, too"
    assert run(store, NOW + 3 * DAY + HOUR).text == "far: nothing to expire"


def test_a_directory_passes_over_the_same(tmp_path: Path) -> None:
    store = DirectoryStore("near", tmp_path / "near")
    images = filled(store, days=9)
    for folder in [*(tmp_path / "near").rglob("*")]:
        if folder.is_dir():
            (folder / "a\\b").write_bytes(b"")
            (folder / "c\\d").mkdir()
    assert run(store).text == "near: 2 marked to go after the grace"
    assert ids(store) == [one.id for one in images]
