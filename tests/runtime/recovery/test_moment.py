"""MariaDB's log says when a statement began: when it was committed, where nothing shows it, is not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bkpc_runtime.errors import Refused
from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.mysql.binlog.search import defined
from bkpc_runtime.mysql.binlog.transactions import Change, Transaction
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.gtid import NONE
from bkpc_runtime.recovery.narrowing import Survey
from bkpc_runtime.recovery.point import AtTime, Course, search_for

START = datetime(2026, 11, 27, 14, tzinfo=UTC)
FIRST = Position("b.000001", 100)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def log(*told: tuple[int, str]) -> list[Transaction]:
    """One after the other: the second in which it began, and what is told of it, `shown` or `waited`."""
    return [
        Transaction(
            "b.000001", 100 * number, 100 * number + 100, at(second), timedelta(seconds=1), "", (), (),
            shown=words == "shown", waited=words == "waited",
        )
        for number, (second, words) in enumerate(told, 1)
    ]  # fmt: skip


def stop(made: Sequence[Transaction], moment: float, stored: float | None = None, *, complete: bool = False) -> int:
    """How many are before a moment, if the last of them was in the store at `stored`."""
    asked: list[Transaction] = []

    def when(one: Transaction) -> datetime | None:
        asked.append(one)
        return None if stored is None else at(stored)

    search = search_for(AtTime(at(moment), complete=complete), NONE, when)
    course = Course(FIRST, Position("b.000001", made[-1].end), search)
    taken = sum([course.take(one) for one in made])
    course.passed(Position("b.000001", made[-1].end))
    assert course.conclude().offset == 100 + 100 * taken
    assert all(one == made[taken - 1] for one in asked)
    return taken


def refused(made: Sequence[Transaction], moment: float, stored: float | None = None, *, complete: bool = False) -> str:
    with pytest.raises(Refused, match="does not tell whether what begins at") as raised:
        stop(made, moment, stored, complete=complete)
    return f"{raised.value}\n{raised.value.help}"


LONG = [(0, ""), (2, ""), (18, "")]
"""The second began in the second 2 and ended who knows when: at 16, say."""


def test_a_statement_that_may_have_ended_later_is_not_brought_back() -> None:
    for stored in (None, 17):
        said = refused(log(*LONG), 10, stored)
        assert "b.000001:200 was committed" in said
        assert "--to b.000001:200 leaves it out, --to b.000001:300 has it" in said
        assert f"until {at(stored or 18).isoformat()}" in said
        assert f"in a group --to {at(2).isoformat()} leaves it out" in said
    # The times that it names are points.
    assert stop(log(*LONG), 2) == 1
    assert stop(log(*LONG), 17, 17) == 2


def test_it_is_where_something_shows_that_it_had_ended() -> None:
    assert stop(log(*LONG), 10, 9) == 2  # its log was stored by then
    assert stop(log(*LONG), 10, 6) == 2
    assert stop(log((0, ""), (2, ""), (6, "")), 5) == 2  # what came next began soon
    assert stop(log((0, ""), (2, "shown"), (18, "")), 10) == 2  # a COMMIT, or a statement that says how long it took
    assert stop(log((0, ""), (2, ""), (8, "shown"), (18, "")), 10) == 3


def test_who_waited_for_its_locks_shows_nothing() -> None:
    """All that wanted its rows began while it ran, and was committed after it."""
    waiting = [(0, ""), (2, ""), (4, "waited"), (8, "waited"), (12, "waited"), (18, "")]
    said = refused(log(*waiting), 10, 17)
    assert "--to b.000001:200 leaves it out, --to b.000001:500 has it" in said
    assert stop(log((0, ""), (2, ""), (4, "waited"), (6, "")), 5) == 3


def test_what_was_committed_before_it_began_later_stays_out() -> None:
    """Others did not wait: the log has them before it, for it is in the order of commits."""
    assert stop(log((0, ""), (9, ""), (11, ""), (2, ""), (18, "")), 10) == 2


def test_the_end_of_a_log_that_is_known_to_be_complete_is_looked_at_as_well() -> None:
    assert stop(log((0, ""), (2, "")), 10, 4, complete=True) == 2
    refused(log((0, ""), (2, "")), 10, 17, complete=True)


def changed(made: Sequence[Transaction], since: float, stored: float | None = None) -> set[str]:
    survey = Survey(at(since), stored=lambda _: None if stored is None else at(stored))
    for number, one in enumerate(made):
        survey.take(replace(one, changes=(Change("delete", "w", f"t{number}"),)))
    survey.end()
    return {table for _, table in survey.changed}


def test_what_may_have_changed_since_counts_as_changed() -> None:
    assert changed(log(*LONG), 10) == changed(log(*LONG), 10, 17) == {"t1", "t2"}
    assert changed(log(*LONG), 10, 9) == {"t2"}
    assert changed(log((0, ""), (2, ""), (6, "")), 5) == {"t2"}
    waiting = [(0, ""), (2, ""), (4, "waited"), (12, "waited"), (18, "")]
    assert changed(log(*waiting), 10, 17) == {"t1", "t2", "t3", "t4"}
    assert changed(log((0, ""), (2, "")), 10, 17) == {"t1"}
    assert changed(log((0, ""), (2, "")), 10, 4) == set()
    assert changed(log((9, ""), (11, ""), (2, ""), (3, "waited")), 10) == {"t1", "t2", "t3"}


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX i ON same (id)",
        "CREATE UNIQUE INDEX i ON w.same (id)",
        "CREATE SEQUENCE w.q",
        "DROP INDEX i ON w.same",
    ],
)
def test_an_index_is_no_table(text: str) -> None:
    assert defined(Statement("w", text)) == set()
    assert defined(Statement("w", "TRUNCATE same")) == {("w", "same")}
