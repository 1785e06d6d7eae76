"""The way out where a trigger can't be made."""

from __future__ import annotations

from bkpc_runtime.recovery.kept_triggers import _way_out


def test_a_trigger_that_lacks_a_privilege_is_not_to_be_dropped() -> None:
    assert "log_bin_trust_function_creators = ON" in _way_out("the server: You do not have … (error 1419)")
    assert "has the privilege" in _way_out("the server: TRIGGER command denied (error 1142)")
    assert _way_out("the server: Unknown column 'gone' in 'NEW' (error 1054)") == "drop the trigger"
