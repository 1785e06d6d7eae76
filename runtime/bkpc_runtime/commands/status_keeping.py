"""What `status` and `list` say of what is kept: what can be restored, what is held, verified, and about to go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import layout, marks
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.expiry import Decision, Rules, decide, resting_as_shown
from bkpc_runtime.repository.holdings import Holding, KnownImage, held, holdings_where_known
from bkpc_runtime.repository.marks import Mark
from bkpc_runtime.repository.restorable import stretches, whole
from bkpc_runtime.repository.windows import split_label
from bkpc_runtime.stores.store import Store
from bkpc_runtime.upkeep import rules
from bkpc_runtime.world import World

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Kept:
    """Of one database in one store: what is there, and what the plan makes of it."""

    holding: Holding
    decision: Decision
    rules: Rules


def kept_of(world: World, database: str, now: datetime) -> dict[str, Kept]:
    """By store; what every store holds is looked at once. One that does not answer says so in its `holding.unknown`."""
    holdings = holdings_where_known([world.store(name) for name in world.stores_of(database)], database, now)
    ours = rules(world.plan, database)
    decisions = decide(holdings, ours, now)
    return {
        holding.store: Kept(holding, decision, ours[holding.store])
        for holding, decision in zip(holdings, decisions, strict=True)
    }


def fields(kept: Kept, now: datetime) -> dict[str, Any]:
    """What a row of `status --format json` says of it."""
    images = kept.holding.images
    windows = list(_windows(kept.holding))
    inside = {image for one in windows for image in one["images"]}
    last = max(_verified(kept.holding), default=None)
    return {
        "windows": [{name: value for name, value in one.items() if name != "images"} for one in windows],
        "single_images": sum(image.id not in inside for image in whole(kept.holding)),
        "held": [{"image": one.id, "why": one.held} for one in images if one.held],
        "damaged": [one.id for one in images if one.damaged],
        "newest": images[-1].id if images else None,
        "log_damaged": list(_log_damaged(kept.holding)),
        "last_verified": {"image": last.subject, "at": last.at.isoformat(), "word": last.word} if last else None,
        "newest_verified": bool(images) and images[-1].verified,
        "expiring": list(_expiring(kept)),
        "expiry_rests": resting_as_shown(kept.holding, kept.rules, now),
    }


def _log_damaged(holding: Holding) -> Iterator[str]:
    """Where the log of a store was found damaged."""
    for prefix, epochs in holding.logs:
        for epoch in epochs:
            for one in epoch.binlogs:
                if one.damaged:
                    yield f"{layout.log_label(prefix, epoch.number)}{one.file}:{one.reach}"


def damaged_after(holding: Holding, image: KnownImage) -> bool:
    """Whether a store's own log of an image ends where it was found damaged."""
    for store, _, end in image.windows:
        if store == holding.store:
            prefix, number = image.tip(store)
            place = Position(split_label(end.file)[1], end.offset)
            epochs = dict(holding.logs).get(prefix, ())
            return any(one.damaged_after(place) for one in epochs if one.number == number)
    return False


def _windows(holding: Holding) -> Iterator[dict[str, Any]]:
    """Stretches of time of which any point can be restored, oldest first: by the log that the store itself has of its
    images, where it has any."""
    found = stretches([holding])
    for one in [one for one in found if one.log == holding.store] or found:
        yield {
            "from": one.since.isoformat(),
            "until": one.until.isoformat() if one.until else None,
            "log_to": one.end.text,
            "log_in": one.log,
            "images": one.images,
        }


def _verified(holding: Holding) -> Iterator[Mark]:
    for _, told in holding.marks:
        yield from (one for one in told if one.kind == marks.VERIFIED)


def _expiring(kept: Kept) -> Iterator[dict[str, Any]]:
    """What has a tombstone, or gets one at the next run; and from when on it is deleted."""
    standing = {subject: mark for _, told in kept.holding.marks for subject, mark in marks.tombstones(told).items()}
    for image in reversed(kept.decision.gone):
        mark = standing.get(image.id)
        yield {"image": image.id, "not_before": (mark.at + kept.rules.grace).isoformat() if mark else None}


def lines(row: Mapping[str, Any]) -> Iterator[str]:
    """For people, below the store's first lines."""
    yield from (f"restorable: {words}" for words in _restorable(row))
    for one in row["held"][:_SHOWN]:
        yield f"problem: image {one['image']} is held: {one['why']}; see it, then bkpc release"
    for image in row["damaged"][:_SHOWN]:
        due = "a new one is due" if image == row["newest"] else "it brings nothing back, nor what builds on it"
        yield f"problem: image {image} is damaged: {due}"
    for place in row["log_damaged"][:_SHOWN]:
        yield (
            f"problem: the log was found damaged at {place}: nothing after that is restored from here until the next "
            "image; bkpc verify looks again"
        )
    last = row["last_verified"]
    if last:
        newest = "" if row["newest_verified"] else "; the newest not yet"
        yield f"verified: last {_moment(last['at'])}{newest}"
    if row["expiry_rests"]:
        yield f"expiry: nothing goes: {row['expiry_rests']}"
    elif row["expiring"]:
        first = min((one["not_before"] for one in row["expiring"] if one["not_before"]), default=None)
        when = f"from {_moment(first)} on" if first else "after the grace"
        yield f"expiry: {len(row['expiring'])} images are to go, {when}"


def _restorable(row: Mapping[str, Any]) -> Iterator[str]:
    windows: Sequence[Mapping[str, Any]] = row["windows"]
    for one in windows[-_SHOWN:]:
        until = f" (until {_moment(one['until'])})" if one["until"] else ""
        yield f"any point from {_moment(one['from'])} to {one['log_to']}{until}"
    if row["single_images"]:
        yield f"the moments of {row['single_images']} images"


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def untrusted(store: Store, image: Image) -> Iterator[str]:
    """What a person who is about to restore an image must know of it."""
    told = marks.marks(store, image.prefix)
    if held(image.manifest.id, told):
        judged = marks.newest(told, marks.JUDGED, image.manifest.id)
        reasons = marks.read(store, image.prefix, judged).get("reasons", []) if judged else []
        yield f"HELD: {'; '.join(map(str, reasons)) or 'it differs from its predecessors'}"
    verified = marks.newest(told, marks.VERIFIED, image.manifest.id)
    if verified and verified.word == "damaged":
        yield f"DAMAGED when it was read back at {verified.at:%Y-%m-%d %H:%M} UTC"
    condemned = marks.tombstones(told).get(image.manifest.id)
    if condemned:
        yield (
            f"ABOUT TO GO: expiry has marked it at {condemned.at:%Y-%m-%d %H:%M} UTC, and deletes it after the grace, "
            "unless this restore can hold it (a key that may only read can't)"
        )


def troubled(row: Mapping[str, Any]) -> bool:
    """Whether somebody must look at an image."""
    return bool(row["held"] or row["damaged"] or row["log_damaged"])


def why_kept(kept: Kept, image: KnownImage) -> tuple[str, ...]:
    """Reasons in words; empty where it is to go."""
    return kept.decision.kept.get(image.key, ())
