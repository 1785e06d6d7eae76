"""Expiry in a bucket whose retention lock outlives it: what is refused stays whole, and goes when it may."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import oss2
import pytest

from bkpc_runtime.errors import StoreLocked
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout, marks
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.expire import Source, expire
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY, PREFIX, SERVER, rules


def test_a_locked_bucket(tmp_path: Path) -> None:
    with OssServer(tmp_path) as server:
        name = server.bucket()
        bucket = oss2.Bucket(oss2.AuthV4(KEY_ID, KEY_SECRET), server.endpoint, name, region=REGION)
        bucket.complete_bucket_worm(bucket.init_bucket_worm(1).worm_id)
        key = AccessKey(KEY_ID, Secret(KEY_SECRET))
        store = OssStore("near", name, server.endpoint, REGION, "", lambda: key)
        now = datetime.now(UTC)
        old = made.put_image(store, made.manifest(now - 20 * DAY, Position("", 0)))
        made.put_image(store, made.manifest(now - 9 * DAY, Position("", 0)))
        made.put_image(store, made.manifest(now - DAY / 2, Position("", 0)))
        with pytest.raises(StoreLocked, match="retention policy"):
            store.delete(layout.part_key(PREFIX, old.id, old.parts[0].name))
        marks.put(store, PREFIX, marks.EXPIRING, old.id, "due", now - 4 * DAY)

        kept = {"near": rules(7 * DAY)}
        (locked,) = expire([store], "shop", kept, Source(SERVER, now), now)
        assert (locked.images, locked.locked) == (0, 1)
        assert len(catalogue.all_images(store, "shop")) == 3
        # A tombstone that can't be removed is taken back by another mark, and stays so.
        (spared,) = expire([store], "shop", {"near": rules(90 * DAY)}, Source(SERVER, now), now)
        assert spared.spared == 1
        assert marks.tombstones(marks.marks(store, PREFIX)) == {}

        server.advance(2 * DAY)
        marks.put(store, PREFIX, marks.EXPIRING, old.id, "due", now - 4 * DAY)
        (done,) = expire([store], "shop", kept, Source(SERVER, now), now)
        assert (done.images, done.locked) == (1, 0)
        assert not list(store.list(f"{layout.images_folder(PREFIX)}{old.id}/"))
