"""Bytes that are not those that were sent never lie in a bucket as if they were, and no copy names them."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import oss2
import pytest
from msgspec.structs import replace

from bkpc_runtime.errors import StoreFailed, StoreLocked, StoreUnreachable
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.copy import copy_image
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.oss_upload import ONE_REQUEST
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.ranges import RangeSums, stored_crc64
from bkpc_runtime.transfer.sums import Sums
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.accounts import UID, Account
from tests.oss_server.operations import multipart
from tests.runtime.retention import made

HASTY = Patience(total=0.5, first=0.001, longest=0.01)
NO_DELETE = """{"Version": "1", "Statement": [
  {"Effect": "Allow", "Action": "oss:*", "Resource": "acs:oss:*:*:*"},
  {"Effect": "Deny", "Action": "oss:DeleteObject", "Resource": "acs:oss:*:*:*"}
]}"""
BODY = secrets.token_bytes(ONE_REQUEST + 1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "oss") as server:
        server.bucket()
        server.service.keys.add("writer", "secret", Account(UID, (NO_DELETE,)))
        yield server


@pytest.fixture
def near(tmp_path: Path) -> Store:
    (tmp_path / "near").mkdir()
    return DirectoryStore("near", tmp_path / "near")


def far_store(server: OssServer, key: str = KEY_ID, secret: str = KEY_SECRET, patience: Patience = HASTY) -> OssStore:
    access = AccessKey(key, Secret(secret))
    return OssStore("far", "backup", server.endpoint, REGION, "", lambda: access, patience)


def lock_bucket(server: OssServer) -> None:
    bucket = oss2.Bucket(oss2.AuthV4(KEY_ID, KEY_SECRET), server.endpoint, "backup", region=REGION)
    bucket.complete_bucket_worm(bucket.init_bucket_worm(7).worm_id)


def image_in(store: Store, *, ranges: bool) -> tuple[Image, str]:
    """An image with one part of `BODY`, and that part's key. `ranges`: as images since format 2 are."""
    each = RangeSums()
    each.update(BODY)
    sums = Sums(
        plain_size=9, plain_sha256="0" * 64, stored_size=len(BODY), stored_sha256=hashlib.sha256(BODY).hexdigest(),
        ranges=each.finish() if ranges else (),
    )  # fmt: skip
    manifest = made.manifest(datetime(2026, 11, 20, tzinfo=UTC), Position("binlog.000001", 4), parts=1)
    manifest = replace(manifest, parts=(replace(manifest.parts[0], sums=sums),))
    key = layout.part_key(made.PREFIX, manifest.id, manifest.parts[0].name)
    store.put(key, BODY)
    made.put_manifest(store, manifest)
    return catalogue.all_images(store, "shop")[0], key


@pytest.mark.parametrize("size", [0, 1000, ONE_REQUEST + 1])
def test_the_service_refuses_spoiled_bytes_before_anybody_can_see_them(server: OssServer, size: int) -> None:
    """Not afterwards: who sent them may be gone by then, and the next one would believe the listing."""
    store, body = far_store(server), secrets.token_bytes(size)
    if size:
        server.fault("garble", method="PUT")
        with pytest.raises(StoreUnreachable, match="not what was sent") as raised:
            store.put("a", body)
        assert raised.value.retryable
        assert store.head("a") is None
        server.faults.rules.clear()
        server.fault("garble", method="PUT", times=1)
    store.put("a", body)
    assert store.get("a") == body
    assert server.faults.rules == []


def test_an_upload_that_somebody_dropped_is_not_taken_for_done(server: OssServer) -> None:
    """What lies there is older, and as large; the upload goes while its last request is tried again."""
    store, old = far_store(server), BODY[::-1]
    store.put("a", old)
    swept: list[int] = []

    def sweep(_: float, __: float) -> float:
        swept.append(store.sweep(time.time() + 86_400))
        return 0.0

    server.fault("status", method="POST", match="uploadId", status=503, times=1)
    with pytest.raises(StoreFailed, match="upload is gone, and what lies there is not what was sent"):
        far_store(server, patience=dataclasses.replace(HASTY, jitter=sweep)).put("a", BODY)
    assert swept == [1]
    assert store.get("a") == old


def test_what_lies_there_wrong_and_locked_is_called_so(server: OssServer) -> None:
    store = far_store(server)
    store.put("a", BODY[::-1])
    store.put("b", b"other")
    lock_bucket(server)
    for key, body in (("a", BODY), ("b", b"bytes")):
        with pytest.raises(StoreLocked, match=f"at {key}: what lies there is not what is to be written") as raised:
            store.put(key, body)
        assert "another prefix or bucket" in raised.value.help
        store.put(f"{key}2", body)


def test_what_a_lost_answer_left_in_a_locked_bucket_is_found_by_a_later_try(server: OssServer) -> None:
    store = far_store(server)
    lock_bucket(server)
    with store.writer("a", len(BODY)) as writer:
        writer.write(BODY)
        writer.commit()
    store.put("a", BODY)
    assert len([line for line in server.requests if "partNumber" in line]) == 3


def _joined_wrongly_once(monkeypatch: pytest.MonkeyPatch) -> None:
    true, joined = multipart._listed, []

    def listed(upload: Any, body: bytes) -> Any:
        joined.append(upload)
        pieces = true(upload, body)
        return (*pieces[1::-1], *pieces[2:]) if len(joined) == 1 else pieces

    monkeypatch.setattr(multipart, "_listed", listed)


def test_a_copy_replaces_what_was_put_together_wrongly_and_could_not_be_deleted(
    server: OssServer, near: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, key = image_in(near, ranges=True)
    far = far_store(server, "writer", "secret")
    _joined_wrongly_once(monkeypatch)
    with pytest.raises(StoreFailed, match="not put together"):
        copy_image(image, near, far)
    there = far.head(key)
    assert there is not None
    assert there.size == len(BODY)
    assert copy_image(image, near, far) == len(BODY)
    assert far.get(key) == BODY


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("into", ["bucket", "directory"])
def test_a_copy_looks_at_what_it_finds(
    server: OssServer, near: Store, tmp_path: Path, *, ranges: bool, into: str
) -> None:
    """As large as it should be is not enough; what is right is not sent again, and costs one request."""
    image, key = image_in(near, ranges=ranges)
    (tmp_path / "far").mkdir()
    far: Store = far_store(server) if into == "bucket" else DirectoryStore("far", tmp_path / "far")
    far.put(key, BODY[:-1] + bytes([BODY[-1] ^ 1]))
    assert copy_image(image, near, far) == len(BODY)
    assert far.get(key) == BODY
    server.requests.clear()
    assert copy_image(image, near, far) == 0
    if ranges:
        assert not any(line.startswith("GET") and key in line for line in server.requests)


def test_a_copy_stops_where_what_is_wrong_can_not_be_replaced(server: OssServer, near: Store) -> None:
    image, key = image_in(near, ranges=True)
    far = far_store(server)
    far.put(key, BODY[::-1])
    lock_bucket(server)
    for _ in range(2):
        with pytest.raises(StoreLocked, match="what lies there is not what is to be written"):
            copy_image(image, near, far)
        assert catalogue.all_images(far, "shop") == []


def test_the_sum_of_the_ranges_is_that_of_the_object(server: OssServer, near: Store) -> None:
    image, key = image_in(near, ranges=True)
    far = far_store(server)
    far.put(key, BODY)
    there = far.head(key)
    assert there is not None
    assert there.crc64 == stored_crc64(image.manifest.parts[0].sums)
