"""Whether our acknowledgement is needed: what preflight finds, and what it tells to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.mysql.semi_sync import LONGEST_MS, SemiSync, not_in_force, sync_findings
from bkpc_runtime.steps.standing import _nobody

MYSQL = ServerFacts("mysql", (9, 7, 4), "9.7.4", "u", 1, True, "ROW", "FULL", "CRC32", "", 0, ())
MARIADB = replace(MYSQL, flavour="mariadb", version=(10, 11, 19))
OLD = replace(MYSQL, version=(8, 0, 11))
GOOD = SemiSync("rpl_semi_sync_source_", True, True, 1, 0, 1, LONGEST_MS, True, "AFTER_SYNC", 0, 0, 0)


def test_all_is_well() -> None:
    assert list(sync_findings(GOOD, MYSQL, None)) == []
    assert list(sync_findings(replace(GOOD, timeout_ms=14_000), MYSQL, 10_000)) == []
    assert list(sync_findings(replace(GOOD, others=2, needed=3), MYSQL, None)) == []
    assert not_in_force(GOOD) == ""


@pytest.mark.parametrize(
    ("state", "facts", "patience", "kind", "says", "mend"),
    [
        (replace(GOOD, prefix=""), MYSQL, None, "problem", "no semi-sync", "INSTALL PLUGIN rpl_semi_sync_source"),
        (replace(GOOD, prefix=""), OLD, None, "problem", "no semi-sync", "semisync_master"),
        (replace(GOOD, enabled=False), MYSQL, None, "warning", "OFF", "SET PERSIST rpl_semi_sync_source_enabled"),
        (replace(GOOD, others=1), MYSQL, None, "problem", "theirs would do", "wait_for_replica_count = 2"),
        (replace(GOOD, others=1), MARIADB, None, "problem", "theirs would do", "rpl_semi_sync_slave_enabled = OFF"),
        (replace(GOOD, timeout_ms=10_000), MYSQL, None, "problem", "hold", "timeout = 4294967295"),
        (replace(GOOD, timeout_ms=10_000), MYSQL, 10_000, "problem", "give up by itself", "timeout = 14000"),
        (replace(GOOD, timeout_ms=LONGEST_MS), MYSQL, 10_000, "warning", "no agent runs", "timeout = 14000"),
        (replace(GOOD, waits_without_replica=False), MYSQL, None, "problem", "not connected", "wait_no_replica"),
        (replace(GOOD, wait_point="AFTER_COMMIT"), MARIADB, None, "warning", "others see", "wait_point = 'AFTER_SYNC'"),
    ],
)  # fmt: skip
def test_what_is_found(
    state: SemiSync, facts: ServerFacts, patience: int | None, kind: str, says: str, mend: str
) -> None:
    (found,) = sync_findings(state, facts, patience)
    assert found.kind == kind
    assert says in found.text
    assert mend in " ".join(found.mend)


def test_what_is_not_in_force() -> None:
    assert "switched off" in not_in_force(replace(GOOD, enabled=False))
    assert "FALLEN BACK" in not_in_force(replace(GOOD, on=False, not_waited=7))
    assert "no agent" in not_in_force(replace(GOOD, ours=0))
    assert "without ours" in not_in_force(replace(GOOD, others=1))


def test_replicas_of_others_may_be_enough_for_commits_to_return() -> None:
    """Then a server can be made to go on to another binlog, whether an agent is there or not."""
    assert not _nobody(GOOD)
    assert _nobody(replace(GOOD, ours=0))
    assert not _nobody(replace(GOOD, ours=0, others=1))
    assert _nobody(replace(GOOD, ours=0, others=1, needed=2))
    assert not _nobody(replace(GOOD, ours=0, on=False))
