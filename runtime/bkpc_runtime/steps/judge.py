"""Comparing images with their predecessors, each once: what is found is a mark, and that a person has freed one is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bkpc_grammar import plan as contract
from bkpc_runtime.errors import BadUsage, DamagedBackup, ObjectMissing
from bkpc_runtime.repository import catalogue, layout, marks
from bkpc_runtime.repository.holdings import held
from bkpc_runtime.repository.judgement import Judgement, Limits, Measure, Totals, judge, measure_of, totals_of
from bkpc_runtime.repository.manifest import Manifest, decode_manifest
from bkpc_runtime.repository.marks import Mark
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
_PREDECESSORS = 30


@dataclass(slots=True)
class _Known:
    """One image of all stores. `places`: each store that may have it, its folder there, and what marks say of it."""

    image: str
    places: list[tuple[Store, str, list[Mark]]] = field(default_factory=list)
    totals: Totals | None = None

    @property
    def told(self) -> list[Mark]:
        return [mark for _, _, found in self.places for mark in found]

    @property
    def trusted(self) -> bool:
        damaged = (marks.newest(found, marks.VERIFIED, self.image) for _, _, found in self.places)
        return not held(self.image, self.told) and not any(one and one.word == "damaged" for one in damaged)

    def manifest(self) -> Manifest | None:
        """None where no store has one that can be read: then it is no image."""
        for store, prefix, _ in self.places:
            key = layout.manifest_key(prefix, self.image)
            try:
                found = decode_manifest(store.get(key), key)
            except (ObjectMissing, DamagedBackup):
                continue
            self.totals = totals_of(found)
            return found
        return None


def limits_of(flow: contract.Flow | None) -> Limits | None:
    """What the policy says of sizes; None where it says nothing."""
    if flow is None or (flow.size_warn_permille is None and flow.size_hold_permille is None):
        return None
    warn, hold = flow.size_warn_permille, flow.size_hold_permille
    return Limits(warn / 1000 if warn else None, hold / 1000 if hold else None)


def judge_images(stores: Sequence[Store], database: str, limits: Limits, now: datetime) -> list[tuple[str, Judgement]]:
    """Judges every image of all `stores` that no mark tells of, oldest first, and gives each copy the marks of its
    original; those judged now. Where all are judged no manifest is read."""
    known = _known(stores, database)
    done = []
    for number, one in enumerate(known):
        if marks.newest(one.told, marks.JUDGED, one.image) is None:
            judgement = _judged(one, known[:number], limits)
            if judgement is None:
                continue
            _tell(one, judgement, now)
            done.append((one.image, judgement))
        _share(one)
    return done


def release(
    stores: Sequence[Store], database: str, image: str, because: str, limits: Limits, now: datetime
) -> list[str]:
    """Frees a held image, and judges those after it that are held again; the ids of those that are free now, too.

    Raises:
        BadUsage: there is no such image, or it is not held.
    """
    known = _known(stores, database)
    found = next((one for one in known if one.image == image), None)
    if found is None or found.manifest() is None:
        raise BadUsage(f"no store has an image {image} of `{database}`", help="bkpc list shows those there are")
    if not held(image, found.told):
        raise BadUsage(f"image {image} of `{database}` is not held", help="bkpc status shows those that are")
    for store, prefix, there in found.places:
        there.append(marks.put(store, prefix, marks.RELEASED, image, "released", now, because=because))
    freed = []
    for number, one in enumerate(known):
        if one.image > image and held(one.image, one.told):
            again = _judged(one, known[:number], limits)
            if again is not None and again.word != "hold":
                _tell(one, again, now)
                freed.append(one.image)
    return freed


def _known(stores: Sequence[Store], database: str) -> list[_Known]:
    """By id, without reading manifests."""
    found: dict[tuple[str, str], _Known] = {}
    for store in stores:
        for prefix in catalogue.prefixes(store, database):
            told: dict[str, list[Mark]] = {}
            for mark in marks.marks(store, prefix):
                told.setdefault(mark.subject, []).append(mark)
            for name in (one.rstrip("/") for one in store.folders(layout.images_folder(prefix))):
                if layout.is_image_id(name):
                    one = found.setdefault((name, prefix), _Known(name))
                    one.places.append((store, prefix, told.get(name, [])))
    return [found[key] for key in sorted(found)]


def _judged(one: _Known, before: Sequence[_Known], limits: Limits) -> Judgement | None:
    """None where it is no image."""
    manifest = one.manifest()
    if manifest is None:
        return None
    totals: list[Totals] = []
    last: Measure | None = None
    for other in reversed(before):
        if len(totals) == _PREDECESSORS:
            break
        if not other.trusted:
            continue
        theirs = other.manifest() if other.totals is None or last is None else None
        if other.totals is None or other.totals.kind != (manifest.engine, manifest.kind):
            continue
        if last is None and theirs is not None:
            last = measure_of(theirs)
        totals.append(other.totals)
    return judge(measure_of(manifest), last, totals[::-1], limits)


def _tell(one: _Known, judgement: Judgement, now: datetime) -> None:
    for store, prefix, there in one.places:
        if store.head(layout.manifest_key(prefix, one.image)) is not None:
            reasons = list(judgement.reasons)
            there.append(marks.put(store, prefix, marks.JUDGED, one.image, judgement.word, now, reasons=reasons))
    if judgement.word == "hold":
        log.error("image %s is held, and nothing older expires: %s", one.image, "; ".join(judgement.reasons))
    elif judgement.word == "warn":
        log.warning("image %s differs from its predecessors: %s", one.image, "; ".join(judgement.reasons))


def _share(one: _Known) -> None:
    """A copy outlives its original: what was said of that is said of it."""
    for kind in (marks.JUDGED, marks.RELEASED):
        last = marks.newest(one.told, kind, one.image)
        for store, prefix, there in one.places:
            if last is not None and marks.newest(there, kind, one.image) is None:
                marks.put_again(store, prefix, last)
                there.append(last)
