"""Which tests may run side by side."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_WITH_SERVERS = ("tests/servers/", "tests/crash/")


class ServersApart(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """One process runs what starts database servers, in order, and the others run the rest, file by file.

    Server tests wait for the clock as often as for the processor: two of them at once would disturb each other's times.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "servers" if nodeid.startswith(_WITH_SERVERS) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ServersApart:
    """What `pytest -n 2` deals out tests by."""
    return ServersApart(config, log)
