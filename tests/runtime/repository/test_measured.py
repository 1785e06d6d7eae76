"""What was measured becomes figures that are never better than the worst of them."""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace

from bkpc_grammar.facts import DatabaseFact
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.drills import DRILL_VERSION, Drill, MeasuredStep
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.repository.measured import NEWEST, database_facts
from bkpc_runtime.transfer.sums import Sums
from tests.runtime.repository.test_chains import PREFIX, image

MIB = 1 << 20


def taken(mib: int, seconds: int, day: int = 20) -> Image:
    sums = Sums(plain_size=mib * MIB, plain_sha256="", stored_size=mib, stored_sha256="")
    part = Part(name="part-000001.zst", kind="table", schema="s", table="t", sums=sums)
    began, finished = (f"2026-11-{day:02d}T14:{at // 60:02d}:{at % 60:02d}+00:00" for at in (0, seconds))
    return Image(PREFIX, replace(image(1), parts=(part,), began=began, finished=finished, engine="logical"))


def held(load: tuple[int, int], replay: tuple[int, int], *, problems: tuple[str, ...] = (), day: int = 21) -> Drill:
    """(MiB, milliseconds) of the image and of the log."""
    steps = (
        MeasuredStep(kind="restore.image", milliseconds=load[1], plain_bytes=load[0] * MIB),
        MeasuredStep(kind="restore.log", milliseconds=replay[1], plain_bytes=replay[0] * MIB),
    )
    return Drill(
        format_version=DRILL_VERSION, id=f"202611{day}T000000Z-00000000", database="shop", store="near", image="",
        point="", server_version="", began=f"2026-11-{day}T00:00:00+00:00", finished="", steps=steps,
        tables=1, rows=1, compared=1, not_compared=(), problems=problems, expected_ms=None,
    )  # fmt: skip


def figures(found: list[DatabaseFact]) -> dict[str, int]:
    return {one.figure: one.value for one in found}


def test_the_worst_counts_rounded_against_the_promise() -> None:
    images = [taken(100, 10), taken(120, 7), taken(80, 30)]
    drills = [held((100, 3000), (50, 700)), held((100, 999), (50, 1000))]
    found = database_facts("shop", images, drills, unthrottled=True)
    assert figures(found) == {
        "size": 120 * MIB,
        "tables": 1,
        "dumps": 80 * MIB * 1000 // 30_001,
        "restores": 100 * MIB * 1000 // 3001,
        "replays": 50 * MIB * 1000 // 1001,
    }
    assert {one.figure: one.samples for one in found} == {
        "size": 3, "tables": 3, "dumps": 3, "restores": 2, "replays": 2,
    }  # fmt: skip
    assert found[0].measured_at == date(2026, 11, 20)


def test_what_was_throttled_failed_or_is_too_little_tells_no_rate() -> None:
    images = [taken(100, 10)]
    drills = [held((100, 3000), (50, 700), problems=("a table is missing",)), held((15, 3000), (15, 700))]
    assert set(figures(database_facts("shop", images, drills, unthrottled=False))) == {"size", "tables"}
    assert set(figures(database_facts("shop", [taken(15, 1)], [], unthrottled=True))) == {"size", "tables"}
    assert database_facts("shop", [], [], unthrottled=True) == []


def test_what_is_long_past_no_longer_counts() -> None:
    images = [taken(50, 10)] * NEWEST + [taken(900, 10)]
    assert figures(database_facts("shop", images, [], unthrottled=True))["size"] == 50 * MIB


def test_tables_and_schemas_are_counted_in_logical_images_only() -> None:
    many = taken(50, 10)
    parts = tuple(
        replace(many.manifest.parts[0], kind=kind) for kind in ("schema", "table", "table", "objects", "views")
    )
    logical = Image(PREFIX, replace(many.manifest, parts=parts))
    physical = Image(PREFIX, replace(many.manifest, parts=parts, engine="mariabackup"))
    assert figures(database_facts("shop", [taken(50, 10), logical], [], unthrottled=True))["tables"] == 3
    assert "tables" not in figures(database_facts("shop", [physical], [], unthrottled=True))
