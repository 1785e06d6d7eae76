"""CRC-64 as OSS computes it (CRC-64/XZ): of bytes as they pass, and of parts put together."""

from __future__ import annotations

import fastcrc
from oss2.utils import Crc64

combining = Crc64()


def crc64(data: bytes | memoryview, before: int = 0) -> int:
    """Of all bytes so far: those that gave `before`, then `data`."""
    return fastcrc.crc64.xz(data, before) if before else fastcrc.crc64.xz(data)


def combined(parts: list[tuple[int, int]]) -> int:
    """Of parts one after the other, from the CRC and size of each."""
    total = 0
    for crc, size in parts:
        total = combining.combine(total, crc, size)
    return int(total)
