"""Incremental images name their parent, and only whole chains count."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.repository.catalogue import Image, chain
from bkpc_runtime.repository.layout import manifest_key
from bkpc_runtime.repository.manifest import FORMAT_VERSION, Manifest, Part, decode_manifest, encode_manifest
from bkpc_runtime.steps.image import newest_to_continue
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.transfer.sums import Sums

PREFIX = "shop/mariadb-1-0"


def image(number: int, parent: int = 0, lsn: tuple[int, int] = (0, 100)) -> Manifest:
    return Manifest(
        format_version=FORMAT_VERSION, id=_id(number), database="shop", identity="mariadb-1-0",
        kind="incremental" if parent else "full", engine="mariabackup", flavour="mariadb", server_version="10.11.1",
        variables={}, binlog_file="binlog.000001", binlog_offset=4, binlog_origin="", gtid="", encrypted=False,
        parts=(), inventory=(), sequences=(), not_included=(), began="2026-11-23T14:00:00+00:00",
        finished="2026-11-23T14:00:00+00:00", parent=_id(parent) if parent else "", from_lsn=lsn[0], to_lsn=lsn[1],
    )  # fmt: skip


def _id(number: int) -> str:
    return f"20261123T14000{number}Z-0000000{number}"


def test_a_manifest_comes_back_and_a_full_one_says_nothing_of_chains() -> None:
    for one in (image(1), image(2, 1, (100, 200))):
        assert decode_manifest(encode_manifest(one), "key") == one
    logical = replace(image(1), engine="logical", to_lsn=0)
    assert b"parent" not in encode_manifest(logical)
    assert b"lsn" not in encode_manifest(logical)


def test_both_formats_are_read_and_no_other() -> None:
    sums = Sums(plain_size=9, plain_sha256="0" * 64, stored_size=9, stored_sha256="0" * 64)
    old = Part(name="part-000001.zst", kind="table", schema="s", table="t", sums=sums)
    first = replace(image(1), format_version=1, parts=(old,))
    assert b"ranges" not in encode_manifest(first), "as it was written"
    second = replace(image(1), parts=(replace(old, sums=replace(sums, ranges=("0123456789abcdef",))),))
    for one in (first, second):
        assert decode_manifest(encode_manifest(one), "key") == one
    with pytest.raises(DamagedBackup, match="has format version 3, this bkpc reads 1 and 2"):
        decode_manifest(encode_manifest(replace(image(1), format_version=3)), "key")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (replace(image(1), parent=_id(1)), "a full image names a parent"),
        (replace(image(2, 1), parent=""), "names no parent"),
        (replace(image(2, 1), parent=_id(2)), "names no parent"),  # itself
        (replace(image(2, 1), parent="../../x"), "names no parent"),
    ],
)
def test_a_manifest_against_itself_is_refused(broken: Manifest, words: str) -> None:
    with pytest.raises(DamagedBackup, match=words):
        decode_manifest(encode_manifest(broken), "key")


def test_a_chain_begins_with_its_full_image() -> None:
    full, first, second = image(1), image(2, 1, (100, 200)), image(3, 2, (200, 300))
    all_ = [Image(PREFIX, one) for one in (second, first, full)]
    assert [one.manifest.id for one in chain(all_[0], all_)] == [_id(1), _id(2), _id(3)]
    assert chain(all_[2], all_) == (all_[2],)


def test_a_chain_with_a_hole_or_of_another_history_is_none() -> None:
    last = Image(PREFIX, image(3, 2, (200, 300)))
    full = Image(PREFIX, image(1))
    with pytest.raises(DamagedBackup, match=f"needs image {_id(2)}"):
        chain(last, [last, full])
    elsewhere = Image("shop/mariadb-2-0", image(2, 1, (100, 200)))
    with pytest.raises(DamagedBackup, match=f"needs image {_id(2)}"):
        chain(last, [last, elsewhere, full])
    other = Image(PREFIX, image(2, 1, (100, 190)))
    with pytest.raises(DamagedBackup, match="at LSN 200, which ends at 190"):
        chain(last, [last, other, full])


def test_what_comes_next_builds_on_the_newest_full_image(tmp_path: Path) -> None:
    """Also where an image of the older chain began while that was taken, and so is newer: chains would never end."""
    store = DirectoryStore("disk", tmp_path)
    first, full, while_taken = image(1), image(2), image(3, 1, (100, 200))
    for one in (first, full, while_taken):
        store.put(manifest_key(PREFIX, one.id), encode_manifest(one))
    now = datetime.fromisoformat(while_taken.began)
    found, _ = newest_to_continue(store, PREFIX, "mariabackup", now)
    assert found is not None
    assert found.manifest == full
    before, why = newest_to_continue(store, PREFIX, "mariabackup", now - timedelta(days=400))
    assert (before, "has no image by mariabackup" in why) == (None, True)  # all are of the future
    following = image(4, 2, (100, 300))
    store.put(manifest_key(PREFIX, following.id), encode_manifest(following))
    found, _ = newest_to_continue(store, PREFIX, "mariabackup", now)
    assert found is not None
    assert found.manifest == following
