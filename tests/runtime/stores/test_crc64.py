"""CRC-64 against the table-driven definition, and parts put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.preflight import _slow_sums
from bkpc_runtime.stores import crc64 as sums
from bkpc_runtime.stores.crc64 import SLOW, combined, crc64, measured

REVERSED = 0xC96C5795D7870F42


def by_hand(data: bytes) -> int:
    """Bit by bit, from the parameters that OSS documents: ECMA-182 reflected, all ones before and after."""
    crc = (1 << 64) - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ REVERSED * (crc & 1)
    return crc ^ (1 << 64) - 1


def test_the_published_check_value() -> None:
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_in_pieces_and_in_parts_is_the_same_as_at_once(pieces: list[bytes]) -> None:
    whole, running = b"".join(pieces), 0
    for piece in pieces:
        running = crc64(memoryview(piece), running)
    assert running == crc64(whole) == by_hand(whole)
    assert combined([(crc64(piece), len(piece)) for piece in pieces]) == running


def test_it_is_fast_here() -> None:
    assert measured() > SLOW


def test_a_slow_one_is_told_by_preflight(monkeypatch: pytest.MonkeyPatch) -> None:
    """As crcmod without its C extension is: right, silent, and a hundred times slower."""
    assert list(_slow_sums()) == []
    monkeypatch.setattr(sums, "crc64", lambda data: by_hand(bytes(data[:2_000])))
    (found,) = _slow_sums()
    assert found.kind == "warning"
    assert "CRC-64 is slow" in found.text
