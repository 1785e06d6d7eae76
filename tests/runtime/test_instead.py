"""A full image in the place of an incremental one that can't be continued."""

from __future__ import annotations

from msgspec.structs import replace

from bkpc_runtime.steps.image import limit_of_full
from tests.compiler.one_file import planned
from tests.compiler.planning.test_incremental import TEXT


def test_it_is_taken_at_the_rate_of_the_full_image() -> None:
    """What is reserved for what changes in an hour would take days for all there is."""
    plan = planned(TEXT)
    (small,) = [one for one in plan.jobs if one.kind == "backup.incremental"]
    (full,) = [one for one in plan.jobs if one.id in small.requires]
    assert full.kind == "backup.full"
    assert limit_of_full(plan, small) == full.limit
    slow, fast = replace(small, limit=1_000), replace(full, limit=90_000_000)
    limited = replace(plan, jobs=(slow, fast))
    assert limit_of_full(limited, slow) == 90_000_000
    assert limit_of_full(replace(plan, jobs=(slow, replace(full, limit=None))), slow) is None
    assert limit_of_full(replace(plan, jobs=(slow,)), slow) == 1_000
