"""Which image a drill takes, made without a server: one that log leads on from to where the source was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bkpc_runtime.errors import PolicyBroken, Refused
from bkpc_runtime.mysql.fingerprint import Fingerprint
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.gtid import parse_gtids
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.joins import Join
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.steps.drill_compare import Held
from bkpc_runtime.steps.drill_reach import image_in_turn, image_of, reached
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY, PREFIX, SERVER
from tests.runtime.retention.memory import MemoryStore

BEGAN = datetime(2026, 6, 1, tzinfo=UTC)
LATER = "mariadb-2-0"


def source(number: int, offset: int, *, server: str = SERVER, epoch: int = 1) -> Held:
    where = Position(made.binlog(number), offset)
    return Held(Fingerprint(where, {}, frozenset()), None, server, made.origin_of(epoch, number))


def image(store: MemoryStore, number: int, offset: int, *, days: int = 0, epoch: int = 1) -> Manifest:
    place = Position(made.binlog(number), offset)
    return made.put_image(store, made.manifest(BEGAN + days * DAY, place, origin=made.origin_of(epoch, number)))


@pytest.fixture
def store() -> MemoryStore:
    """Two images, and a log that goes on from both."""
    store = MemoryStore("near")
    image(store, 1, 4)
    image(store, 1, 60, days=1)
    made.put_log(store, 1, 1, 0, 100)
    return store


def opens(image: Image) -> None:
    """All can be read."""


def taken(store: MemoryStore, held: Held | None, openable: Callable[[Image], None] = opens) -> Position:
    return image_in_turn(store, "shop", held, openable).position


def aimed(store: MemoryStore, held: Held | None, begin: str = "", *, streamed: bool = True) -> tuple[object, ...]:
    told: list[str] = []
    image = image_of(store, "shop", begin) if begin else image_in_turn(store, "shop", held, opens)
    aim = reached(store, image, held, 0.0, told.append, streamed=streamed)
    return aim.stop, aim.source is not None, *told


def test_those_before_a_gap_are_passed_over(store: MemoryStore) -> None:
    assert taken(store, source(1, 100)).offset == 60
    made.put_gap(store, 2, BEGAN)
    made.put_log(store, 2, 1, 0, 900)
    held = source(1, 800, epoch=2)
    with pytest.raises(PolicyBroken, match=r"leads to what the source holds now.* breaks off at \S+1:100") as no:
        taken(store, held)
    assert "a new full image is due" in no.value.help
    new = image(store, 1, 30, days=2, epoch=2)
    assert aimed(store, held) == (Position(made.binlog(1), 800), True)
    # The old ones by name, as far as they lead: positions of the new log mean nothing there.
    old = manifests(store)[0].split("/")[-2]
    assert old != new.id
    stop, compared, told = aimed(store, held, old)
    assert (stop, compared) == (Position(made.binlog(1), 100), False)
    assert "rows are not compared" in str(told)


def test_a_log_that_has_yet_to_arrive_is_waited_for_and_one_that_never_will_is_not(store: MemoryStore) -> None:
    with pytest.raises(PolicyBroken, match=r"ends at binlog.000001:100: .* did not arrive within 0 s"):
        aimed(store, source(1, 101))
    assert aimed(store, source(1, 101), streamed=False) == (Position(made.binlog(1), 100), False)
    assert aimed(store, None) == (Position(made.binlog(1), 100), False)
    # Begun anew, and no agent has seen it: by its position all of it would seem to be here.
    with pytest.raises(PolicyBroken, match="its log was begun anew"):
        taken(store, source(1, 80, epoch=2))


def test_log_of_a_server_that_took_over_leads_there(store: MemoryStore) -> None:
    held = source(5, 70, server=LATER, epoch=2)
    with pytest.raises(PolicyBroken, match=f"does not go on at {LATER}"):
        taken(store, held)
    gtids = parse_gtids("0-1-57")
    assert gtids
    there = f"shop/{LATER}"
    passed = Position(made.binlog(5), 40)
    join = Join(PREFIX, 1, Position(made.binlog(1), 100), there, 2, made.binlog(5), gtids, passed, 9)
    store.put(join.key, join.body())
    made.put_log(store, 2, 5, 0, 60, there)
    with pytest.raises(PolicyBroken, match="did not arrive"):
        aimed(store, held)
    made.put_log(store, 2, 5, 60, 90, there)
    assert aimed(store, held) == (Position(f"{LATER}/000002/{made.binlog(5)}", 70), True)


def test_what_can_not_be_read_waits_for_its_turn(store: MemoryStore) -> None:
    def frozen(image: Image) -> None:
        if image.position.offset == 60:
            raise Refused("must thaw")

    held = source(1, 100)
    assert taken(store, held, frozen).offset == 4
    store.delete(manifests(store)[0])
    with pytest.raises(Refused, match="must thaw"):
        taken(store, held, frozen)
    # One whose beginning is gone can't come back.
    store.delete(manifests(store)[0])
    position = Position(made.binlog(1), 60)
    child = made.put_image(store, made.manifest(BEGAN, position, parent="20260101T000000Z-00000000"))
    with pytest.raises(PolicyBroken, match=f"of the newest, {child.id}, .*which is not beside it"):
        taken(store, held)


def manifests(store: MemoryStore) -> list[str]:
    return sorted(key for key in store.objects if key.endswith("MANIFEST.json"))


def test_a_quiet_server_needs_no_log(store: MemoryStore) -> None:
    held = replace(source(1, 60), origin="")
    assert aimed(store, held) == (None, True)
