"""Which tests may run side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_WITH_SERVERS = [_HERE / "servers", _HERE / "crash"]


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--dist loadgroup` one process runs what starts database servers, in order, and the others run the rest.

    Server tests wait for the clock as often as for the processor: two of them at once would disturb each other's times.
    """
    for item in items:
        if any(folder in item.path.parents for folder in _WITH_SERVERS):
            item.add_marker(pytest.mark.xdist_group("servers"))
