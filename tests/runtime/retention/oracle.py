"""What can be restored from stores, found without the code that decides what expires."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bkpc_runtime.repository import segments
from tests.runtime.retention.memory import MemoryStore

Place = tuple[int, int, int]
"""Epoch, number of the binlog, offset."""


@dataclass(frozen=True)
class Seen:
    """An image as its manifest tells it."""

    id: str
    parent: str
    began: str
    finished: str
    number: int
    offset: int


def images(store: MemoryStore, whole: bool = True) -> dict[str, Seen]:
    """By id; `whole`: only with all parts, and all that they build on."""
    found = {}
    for key, body in store.objects.items():
        if not key.endswith("/MANIFEST.json"):
            continue
        told = json.loads(body)
        folder = key.removesuffix("MANIFEST.json")
        there = all(folder + part["name"] in store.objects for part in told["parts"])
        if there or not whole:
            number = int(told["binlog_file"].rpartition(".")[2])
            found[told["id"]] = Seen(
                told["id"], told.get("parent", ""), told["began"], told["finished"], number, told["binlog_offset"]
            )
    if whole:
        found = {name: one for name, one in found.items() if chain(one, found) is not None}
    return found


def chain(image: Seen, there: dict[str, Seen]) -> list[Seen] | None:
    """The image and what it builds on; None where something is missing."""
    links = [image]
    while links[-1].parent:
        if links[-1].parent not in there:
            return None
        links.append(there[links[-1].parent])
    return links


def spans(store: MemoryStore) -> dict[tuple[int, int], tuple[int, int | None]]:
    """For each binlog of each epoch how far it is there without a gap, and where it ends if that is known."""
    pieces: dict[tuple[int, int], list[tuple[int, int]]] = {}
    ends: dict[tuple[int, int], int] = {}
    for key in store.objects:
        found = segments.parse_key(key)
        if found:
            pieces.setdefault((found.epoch, segments.sequence(found.file)), []).append((found.start, found.end))
        elif key.endswith(".end"):
            parts = key.split("/")
            ends[int(parts[-3]), segments.sequence(parts[-2])] = int(parts[-1].removesuffix(".end"))
    told: dict[tuple[int, int], tuple[int, int | None]] = {}
    for log, ranges in pieces.items():
        reach = 0
        for start, end in sorted(ranges):
            if start <= reach:
                reach = max(reach, end)
        told[log] = (reach, ends.get(log))
    return told


def reached(store_log: dict[tuple[int, int], tuple[int, int | None]], epoch: int, image: Seen) -> Place | None:
    """The last place to which the log of an epoch continues an image."""
    number, last = image.number, None
    least = image.offset
    while (epoch, number) in store_log:
        reach, end = store_log[epoch, number]
        if reach < least:
            break
        last = (epoch, number, reach)
        if end is None or reach != end:
            break
        number, least = number + 1, 0
    return last


def restorable(
    stores: Iterable[MemoryStore], epochs: dict[str, int], distrusted: Collection[str], points: Collection[Place]
) -> set[Place]:
    """Of `points` those that an image which is trusted and log after it lead to. `epochs`: each image's own."""
    everywhere = list(stores)
    logs = [spans(one) for one in everywhere]
    found: set[Place] = set()
    for store in everywhere:
        there = images(store)
        for image in there.values():
            links = chain(image, there) or []
            if any(one.id in distrusted for one in links):
                continue
            first = (epochs[image.id], image.number, image.offset)
            ends = [reached(one, first[0], image) for one in logs]
            end = max((one for one in ends if one is not None), default=None)
            found |= {one for one in points if end is not None and first <= one <= end}
    return found
