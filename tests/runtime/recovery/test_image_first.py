"""A log that is read ahead leaves its image what both are read through; alone it has all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from bkpc_compiler.main import main
from bkpc_grammar.canonical import read_plan
from bkpc_grammar.plan import Plan
from bkpc_runtime.recovery.image_first import ImageFirst, image_first
from bkpc_runtime.stores.store import Store
from bkpc_runtime.stores.thawing import ThawingStore, spared
from bkpc_runtime.transfer.throttle import Throttle

LINK, OBJECT, CHUNK, IMAGE = 4_000_000, 100_000, 20_000, 4_000_000
MB = 1_000_000


class Linked:
    """A store behind a link that shares itself out by requests: `log` counts what of it has passed."""

    name, spares = "far", False

    def __init__(self) -> None:
        self._link, self._lock, self.log = Throttle(LINK), threading.Lock(), 0

    def get(self, key: str) -> bytes:
        return b"".join(self.read(key))

    def read(self, key: str, *_: object, **_limit: object) -> Iterator[bytes]:
        for _at in range(0, IMAGE if key == "image" else OBJECT, CHUNK):
            self._link.take(CHUNK)
            with self._lock:
                self.log += CHUNK if key != "image" else 0
            yield bytes(CHUNK)


def beside(first: ImageFirst, objects: int = 60) -> tuple[float, int, int]:
    """What an image takes beside a log that many fetch at once, what of the log had passed then, and in the end."""
    store = Linked()
    log = first.log_of(cast(Store, store))
    with ThreadPoolExecutor(32) as pool:
        with first:
            began = time.monotonic()
            fetched = [pool.submit(log.get, str(number)) for number in range(objects)]
            for _ in store.read("image"):
                pass
            took, ahead = time.monotonic() - began, store.log
        assert [len(one.result(20)) for one in fetched] == [OBJECT] * objects
    return took, ahead, store.log


def test_an_image_is_later_by_no_more_than_its_log_may_have() -> None:
    took, ahead, in_the_end = beside(ImageFirst(LINK // 100))
    assert ahead <= took * LINK / 100 + 2 * CHUNK
    assert in_the_end == 60 * OBJECT
    _, ahead, _ = beside(ImageFirst())
    assert ahead >= 15 * OBJECT  # the same log, as fast as it goes


def test_what_the_image_leaves_the_log_has() -> None:
    """All of it is there before an image that is loaded more slowly than it could be read."""
    first, store = ImageFirst(LINK // 2), Linked()
    log = first.log_of(cast(Store, store))
    with first:
        began = time.monotonic()
        for number in range(10):
            log.get(str(number))
        assert time.monotonic() - began < 5


def test_a_load_that_fails_lets_its_log_go_at_once() -> None:
    first = ImageFirst(1024)
    log = first.log_of(cast(Store, Linked()))
    with ThreadPoolExecutor(4) as pool:
        first.begin()
        fetched = [pool.submit(log.get, str(number)) for number in range(4)]
        time.sleep(0.1)
        first.end()
        began = time.monotonic()
        assert all(one.result(30) for one in fetched)
        assert time.monotonic() - began < 10  # at that rate it were 390 s


@pytest.mark.parametrize("spares", [True, False])
def test_what_a_store_spares_it_spares_behind_an_image(spares: bool) -> None:
    cold = ThawingStore(cast(Store, Linked()), lambda _: 0, spares=spares)
    assert spared(ImageFirst(1).log_of(cast(Store, cold))) is spares


ESTATE = """\
edition 1
site here {{ region "r1" }}
site there {{ region "r2" }}
link here -- there {{ bandwidth 100MB/s  latency 10ms }}
store far at there {{ directory "/far"  reads 1GB/s  writes 1GB/s }}
store near at here {{ directory "/near"  reads 400MB/s  writes 1GB/s }}
{databases}
policy tier {{
  promise against host {{ rpo 1min  rto 6h }}
  full daily at 00:00 within 8h to {to}
  hot to {to} every 5s
}}
"""
DATABASE = """\
database {name} at here {{
  mysql "{name}.example"  credentials env U, P  size 30GB  writes 1MB/s  burst 1MB
  dumps 1GB/s  {restores}  replays 90MB/s
}}
protect {name} with tier
"""


def plan_of(folder: Path, restores: str, to: str = "far") -> Plan:
    databases = DATABASE.format(name="shop", restores=restores)
    (folder / "p.bkp").write_text(ESTATE.format(databases=databases, to=to), encoding="utf-8")
    assert main(["compile", str(folder / "p.bkp"), "-o", str(folder / "plan.json")]) == 0
    return read_plan((folder / "plan.json").read_bytes(), "the plan")


class Named:
    def __init__(self, *names: str) -> None:
        self.name, self.names = names[0], (names[0], names[-1])


@pytest.mark.parametrize(
    ("restores", "least", "most"),
    [
        ("restores 1GB/s", 0, MB),  # the image has all of the link: the log what keeps its connections
        ("restores 40MB/s", 9 * MB, 11 * MB),  # 50 are idle, of which a fifth
    ],
)
def test_the_plan_says_what_an_image_leaves(tmp_path: Path, restores: str, least: int, most: int) -> None:
    plan = plan_of(tmp_path, restores)
    for store in (Named("far"), Named("other")):  # who reads elsewhere holds no more either
        rate = image_first(plan, "shop", cast(Store, store)).rate
        assert rate is not None
        assert least < rate < most


def test_where_the_plan_brings_back_nothing_nothing_is_held_up(tmp_path: Path) -> None:
    assert image_first(plan_of(tmp_path, "restores 1GB/s"), "other", cast(Store, Named("far"))).rate is None
