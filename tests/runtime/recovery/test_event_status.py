"""What status an event has after statements about it."""

from __future__ import annotations

import pytest

from bkpc_runtime.mysql.binlog.events import Statement
from bkpc_runtime.recovery.event_status import followed, is_of_event

BEFORE = {("w", "off"): "DISABLED", ("w", "on"): "ENABLED", ("w", "replica"): "SLAVESIDE_DISABLED"}


@pytest.mark.parametrize(
    ("text", "event", "status"),
    [
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1", "e", "ENABLED"),
        ("CREATE DEFINER=`a`@`%` EVENT IF NOT EXISTS `w`.`e` ON SCHEDULE AT '2035-01-01' DISABLE DO SELECT 'ENABLE'",
         "e", "DISABLED"),
        ("CREATE EVENT w.e ON SCHEDULE EVERY 1 DAY DISABLE ON REPLICA DO SELECT 1", "e", "SLAVESIDE_DISABLED"),
        ("CREATE OR REPLACE EVENT off ON SCHEDULE EVERY 1 DAY COMMENT 'DISABLE' DO SELECT 1", "off", "ENABLED"),
        ("ALTER EVENT off COMMENT 'x'", "off", "DISABLED"),
        ("ALTER EVENT `w` . `off` ENABLE", "off", "ENABLED"),
        ("ALTER DEFINER = b EVENT w.off RENAME TO `w`.`new`", "new", "DISABLED"),
        ("ALTER EVENT on ON COMPLETION PRESERVE RENAME TO new2 DISABLE", "new2", "DISABLED"),
        ("ALTER EVENT replica COMMENT 'x'", "replica", "SLAVESIDE_DISABLED"),
    ],
)  # fmt: skip
def test_one_statement(text: str, event: str, status: str) -> None:
    statement = Statement("w", text)
    assert is_of_event(statement)
    assert followed(BEFORE, [statement])["w", event] == status


def test_others() -> None:
    for text in ("DROP EVENT e", "CREATE TABLE t (id INT)", "INSERT INTO event VALUES (1)"):
        assert not is_of_event(Statement("w", text))
