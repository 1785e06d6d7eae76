"""Failovers that end in one log too many, and one on a bucket where each request fails once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bkpc_runtime.errors import Refused
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.recovery.choice import choose
from bkpc_runtime.repository import catalogue
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.steps.verify import verify_image
from bkpc_runtime.stores import oss
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.servers.conftest import FLAVOURS
from tests.servers.replica_set import caught_up, filled_pair, follow_again, promote, replica_word, write
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_through_trouble import HASTY, TROUBLES, again

Pair = tuple[ThrowawayServer, ThrowawayServer]


@pytest.fixture(params=FLAVOURS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    with filled_pair(request.param, tmp_path) as found:
        yield found


def image_of(server: ThrowawayServer, store: Store) -> None:
    source = Source("shop", parse_address(server.url), Secret(""))
    again(lambda: take_image(source, [store], [], expected_size=1))


def streamed(server: ThrowawayServer, store: Store, *, image: bool = False) -> None:
    with Streaming(server, store) as stream:
        if image:
            image_of(server, store)
        write(server, 2)
        wait_for(stream, position(server))


def test_latest_is_never_quietly_the_end_of_a_log_that_was_left(pair: Pair, disk: DirectoryStore) -> None:
    first, second = pair
    streamed(first, disk, image=True)
    caught_up(second, first)
    second.run(f"STOP {replica_word(second)}")
    # Neither the store nor the second ever has this.
    write(first, 1)
    first.kill()
    promote(second)
    streamed(second, disk, image=True)
    assert choose(disk, "shop", "latest", []).stop == position(second)
    # The first comes back with its own, without what the second committed.
    first.start()
    streamed(first, disk)
    with pytest.raises(
        Refused, match=r"the log of another server, .*, has gone on since, to .*/000001/binlog\.0"
    ) as told:
        choose(disk, "shop", "latest", [])
    place = str(told.value).rpartition("to ")[2]
    assert choose(disk, "shop", place, []).stop == position(first), "there it is"
    streamed(first, disk, image=True)
    assert choose(disk, "shop", "latest", []).stop == position(first), "the second's log was left for good"


def test_there_and_back_on_a_bucket_where_every_request_fails_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oss, "Patience", lambda: HASTY)
    key = AccessKey(KEY_ID, Secret(KEY_SECRET))
    with OssServer(tmp_path / "oss") as bucket, filled_pair(FLAVOURS[0], tmp_path) as (first, second):
        far = OssStore("far", bucket.bucket(), bucket.endpoint, REGION, "some/where", lambda: key)
        bucket.faults.rotation = TROUBLES
        streamed(first, far, image=True)
        write(first, 1)
        caught_up(second, first)
        first.kill()
        promote(second)
        streamed(second, far, image=True)
        follow_again(first, second)
        second.kill()
        promote(first)
        streamed(first, far)
        assert len(bucket.faults.known) > 30
        ways = [catalogue.window(far, one) for one in catalogue.all_images(far, "shop")]
        assert [len(one.stretches) for one in ways if one] == [2, 3]
        for one in filter(None, ways):
            assert one.tip_end == position(first)
            assert verify_image(one.image, far, []).problems == ()
        assert bucket.problems == []
