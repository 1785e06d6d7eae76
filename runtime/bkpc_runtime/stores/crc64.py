"""CRC-64 as OSS computes it (CRC-64/XZ): of bytes as they pass, and of parts put together."""

from __future__ import annotations

import time
from functools import lru_cache

import fastcrc

_REVERSED = 0xC96C5795D7870F42
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
        total = _times(_zeros(size), total) ^ crc
    return total


@lru_cache(64)
def _zeros(size: int) -> tuple[int, ...]:
    """What `size` more bytes do to each bit of a sum: kept, as nearly all parts of an object are as large."""
    power = (_REVERSED, *(1 << bit for bit in range(63)))
    done = tuple(1 << bit for bit in range(64))
    bits = size * 8
    while bits:
        if bits & 1:
            done = tuple(_times(power, one) for one in done)
        power = tuple(_times(power, one) for one in power)
        bits >>= 1
    return done


def _times(matrix: tuple[int, ...], vector: int) -> int:
    total, bit = 0, 0
    while vector:
        if vector & 1:
            total ^= matrix[bit]
        vector >>= 1
        bit += 1
    return total


def measured() -> float:
    """Bytes per second on this machine, the best of some tries: a library without the processor's help is silent."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        crc64(_SAMPLE)
        times.append(time.perf_counter() - began)
    return len(_SAMPLE) / max(min(times), 1e-9)
