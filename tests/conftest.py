"""Which tests may run side by side."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

BY_THE_CLOCK = frozenset(
    f"tests/servers/test_{name}.py"
    for name in (
        *("day_on_a_bucket", "demo", "failover", "group", "hot_sync", "hot_sync_whole", "known_until"),
        *("log_begun_anew", "side_by_side", "through_trouble", "torture", "troubled_servers"),
    )
)
"""Files that judge how many seconds something took, or hold for some what must not happen meanwhile."""


class ByTheClockApart(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """One process runs what judges seconds, file after file: two of those at once would disturb each other's times. All
    else goes file by file to whoever is free, with database servers or without."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "by the clock" if file in BY_THE_CLOCK else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByTheClockApart:
    """What `pytest -n 2` deals out tests by."""
    return ByTheClockApart(config, log)
