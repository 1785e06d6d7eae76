"""Many notes of one place: few are listed, none is lost that tells something."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bkpc_grammar.log_objects import LISTED
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import notes
from bkpc_runtime.repository.known_until import Known, known_until, parse_known, superseded
from bkpc_runtime.repository.segments import archived_file
from bkpc_runtime.stores.store import StoredObject
from tests.runtime.retention import made
from tests.runtime.retention.made import PREFIX
from tests.runtime.retention.memory import MemoryStore

NOW = datetime(2026, 6, 2, tzinfo=UTC)
FILE = made.binlog(1)
FOLDER = f"{PREFIX}/logs/000001/{FILE}/"
SECOND = timedelta(seconds=1)


class Counting(MemoryStore):
    """How many names it has told."""

    names = 0

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        for one in super().list(prefix, after):
            self.names += 1
            yield one


def filled(places: list[tuple[int, int, int]]) -> Counting:
    """Of each place so many notes, a second apart, the last so many seconds ago."""
    store = Counting("near")
    made.put_log(store, 1, 1, 0, 900)
    made.put_log(store, 1, 1, 900, 2000)
    for offset, count, ago in places:
        for number in range(count):
            known = Known(Position(FILE, offset), NOW - (ago + number) * SECOND)
            store.objects[known.key(PREFIX, 1)] = b""
    return store


@pytest.mark.parametrize(("ago", "most"), [(5, 3600), (7200, 82_000), (8 * 86_400, 90_000)])
def test_of_a_day_of_notes_only_those_of_late_are_listed(ago: int, most: int) -> None:
    store = filled([(900, 86_400, ago)])
    found = [*notes.listed(store, FOLDER, NOW)]
    assert store.names <= most + 2 * LISTED
    assert len([one for one in found if one.endswith(notes.NOTE)]) == 2
    newest = max(known.until for one in found if (known := parse_known(one)))
    assert newest == NOW - ago * SECOND
    assert sum(one.endswith(".zst") for one in found) == 2


@given(st.lists(st.tuples(st.sampled_from([1, 900, 1500, 2000]), st.integers(1, 9), st.integers(0, 9 * 86_400)),
                max_size=4, unique_by=lambda one: one[0]),
       st.integers(1, 4))  # fmt: skip
def test_what_is_left_out_tells_nothing(places: list[tuple[int, int, int]], at_once: int) -> None:
    store = filled(places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notes, "LISTED", at_once)
        found = {*notes.listed(store, FOLDER, NOW)}
    there = {key for key in store.objects if key.startswith(FOLDER)}
    assert found <= there
    assert {one for one in there if not one.endswith(notes.NOTE)} <= found
    for offset, count, _ in places:
        of_place = sorted(one for one in there if parse_known(one) and f"/{offset:012d}." in one)
        assert of_place[-1] in found
        assert sum(one in found for one in of_place) == min(2, count)


def test_all_that_say_nothing_more_go() -> None:
    store = filled([(900, 9, 50), (2000, 9, 5)])
    begin = Position(FILE, 4)
    assert known_until(store, PREFIX, 1, begin, Position(FILE, 1999)) == NOW - 50 * SECOND
    assert known_until(store, PREFIX, 1, begin, Position(FILE, 2000)) == NOW - 5 * SECOND
    assert archived_file(store, PREFIX, 1, FILE).notes == 4
    assert len([*superseded(store, PREFIX, 1, FILE)]) == 17
