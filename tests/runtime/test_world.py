"""Where the addresses of a plan lead."""

from __future__ import annotations

import pytest

from bkpc_runtime.errors import BadUsage
from bkpc_runtime.world import _place


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("db:3307", ("db", 3307, "")),
        ("db", ("db", 3306, "")),
        ("[::1]:3307", ("::1", 3307, "")),
        ("[::1]", ("::1", 3306, "")),
        ("/run/mysqld.sock", ("", 0, "/run/mysqld.sock")),
    ],
)
def test_an_address_of_a_plan(address: str, place: tuple[str, int, str]) -> None:
    assert _place(address) == place


def test_a_port_that_is_none() -> None:
    with pytest.raises(BadUsage):
        _place("db:port")
