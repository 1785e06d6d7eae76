"""CRC-64 as OSS computes it (CRC-64/XZ): of bytes as they pass, and of parts put together."""

from __future__ import annotations

import time

import fastcrc
from oss2.utils import Crc64

combining = Crc64()
SLOW = 1_000_000_000
"""Bytes per second below which the sum, and not the network, may hold back what goes to OSS."""
_SAMPLE = bytes(1 << 20)


def crc64(data: bytes | memoryview, before: int = 0) -> int:
    """Of all bytes so far: those that gave `before`, then `data`."""
    return fastcrc.crc64.xz(data, before) if before else fastcrc.crc64.xz(data)


def combined(parts: list[tuple[int, int]]) -> int:
    """Of parts one after the other, from the CRC and size of each."""
    total = 0
    for crc, size in parts:
        total = combining.combine(total, crc, size)
    return int(total)


def measured() -> float:
    """Bytes per second on this machine, the best of some tries: a library without the processor's help is silent."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        crc64(_SAMPLE)
        times.append(time.perf_counter() - began)
    return len(_SAMPLE) / max(min(times), 1e-9)
