"""Images beside their predecessors: by percentage, by what is usual, and what a person frees."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from bkpc_runtime.errors import BadUsage
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, marks
from bkpc_runtime.repository.judgement import Judgement, Limits, Measure, Totals, judge
from bkpc_runtime.repository.manifest import Inventory, Manifest, Part
from bkpc_runtime.steps.copy import copy_image
from bkpc_runtime.steps.judge import judge_images, release
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY, HOUR, PREFIX
from tests.runtime.retention.memory import MemoryStore

MIB = 1 << 20
LIMITS = Limits(0.2, 0.5)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def measure(plain: int, stored: int = 0, tables: dict[str, int] | None = None, kind: str = "full") -> Measure:
    told = tables or {"shop.t": plain}
    objects = frozenset(f"table {name}" for name in told)
    return Measure(Totals(("logical", kind), plain, stored or plain // 4), objects, told)


def judged(image: Measure, *before: Measure, limits: Limits = LIMITS) -> Judgement:
    return judge(image, before[-1] if before else None, [one.totals for one in before], limits)


@pytest.mark.parametrize(
    ("size", "word"), [(100, "ok"), (119, "ok"), (120, "warn"), (149, "warn"), (150, "hold"), (81, "ok"), (50, "hold")]
)
def test_the_policys_percentages_without_history(size: int, word: str) -> None:
    assert judged(measure(size * MIB), measure(100 * MIB)).word == word


def test_the_first_of_its_kind_is_fine_and_so_is_a_difference_of_nothing() -> None:
    assert judged(measure(100)).word == "ok"
    assert judged(measure(3 * 1024), measure(1024)).word == "ok"
    assert judged(measure(100 * MIB), measure(1 * MIB), limits=Limits(None, None)).word == "ok"


def test_one_limit_alone() -> None:
    assert judged(measure(300 * MIB), measure(100 * MIB), limits=Limits(0.2, None)).word == "warn"
    assert judged(measure(140 * MIB), measure(100 * MIB), limits=Limits(None, 0.5)).word == "ok"
    assert judged(measure(300 * MIB), measure(100 * MIB), limits=Limits(None, 0.5)).word == "hold"


def test_a_quiet_database_is_told_earlier_and_a_restless_one_later() -> None:
    quiet = [measure((1000 + day) * MIB) for day in range(12)]
    assert judged(measure(int(1012 * 1.15) * MIB), *quiet).word == "warn"
    assert judged(measure(int(1012 * 1.15) * MIB), *quiet[-3:]).word == "ok"
    dice = random.Random(7)  # noqa: S311 - the same ever
    restless = [measure(int(1000 * (1 + dice.uniform(-0.15, 0.15))) * MIB) for _ in range(20)]
    restless.append(measure(1000 * MIB))
    assert judged(measure(1300 * MIB), *restless).word == "ok"
    assert judged(measure(2100 * MIB), *restless).word == "hold"  # twice the percentage is the end of it


def test_what_grows_steadily_is_expected_to_grow() -> None:
    growing = [measure(int(1000 * 1.1**day) * MIB) for day in range(12)]
    assert judged(measure(int(1000 * 1.1**12) * MIB), *growing).word == "ok"
    assert judged(measure(int(1000 * 1.1**11 * 0.9) * MIB), *growing).word == "warn"


def test_encrypted_tables_no_longer_compress() -> None:
    found = judged(measure(100 * MIB, 99 * MIB), measure(100 * MIB, 20 * MIB))
    assert found.word == "hold"
    assert "what compression leaves of it" in found.reasons[0]
    assert (
        judged(measure(40 * MIB, 39 * MIB, kind="incremental"), measure(40 * MIB, 8 * MIB, kind="incremental")).word
        == "hold"
    )
    assert judged(measure(400 * MIB, kind="incremental"), measure(40 * MIB, kind="incremental")).word == "ok"


def test_objects_that_are_no_longer_there_are_named() -> None:
    before = {f"shop.t{number}": 10 * MIB for number in range(10)}
    after = {name: size for name, size in before.items() if name not in {"shop.t3", "shop.t7"}}
    found = judged(measure(100 * MIB, tables=after), measure(100 * MIB, tables=before))
    assert found == Judgement("warn", ("2 of 10 objects are no longer there: table shop.t3, table shop.t7",))


def test_a_large_table_that_was_emptied_holds_and_a_small_one_is_told() -> None:
    before = {"shop.orders": 50 * MIB, "shop.queue": 5 * MIB, "shop.rest": 200 * MIB}
    queue = judged(measure(251 * MIB, tables=before | {"shop.queue": 1 * MIB}), measure(255 * MIB, tables=before))
    assert queue == Judgement("warn", ("the rows of shop.queue are 80% less",))
    orders = judged(measure(215 * MIB, tables=before | {"shop.orders": 10 * MIB}), measure(255 * MIB, tables=before))
    assert orders == Judgement("hold", ("the rows of shop.orders are 80% less",))


# ---------------------------------------------------------------- in stores


def sized(day: int, megabytes: int) -> Manifest:
    plain = made.manifest(NOW - 20 * DAY + day * DAY, Position("", 0))
    sums = replace(plain.parts[0].sums, plain_size=megabytes * MIB)
    part = Part(name=plain.parts[0].name, kind="table", schema="shop", table="t", sums=sums)
    inventory = (Inventory(schema="shop", tables=("t",), views=(), triggers=(), routines=(), events=()),)
    return replace(plain, parts=(part,), inventory=inventory)


def word(store: MemoryStore, image: str) -> str:
    mark = marks.newest(marks.marks(store, PREFIX), marks.JUDGED, image)
    return mark.word if mark else ""


def test_each_image_is_judged_once_against_those_that_are_trusted() -> None:
    store = MemoryStore("near")
    images = [made.put_image(store, sized(day, size)) for day, size in enumerate((100, 101, 300, 299, 102))]
    done = judge_images([store], "shop", LIMITS, NOW)
    assert [one.word for _, one in done] == ["ok", "ok", "hold", "hold", "ok"]
    before = store.changes
    assert judge_images([store], "shop", LIMITS, NOW) == []
    assert store.changes == before
    told = marks.newest(marks.marks(store, PREFIX), marks.JUDGED, images[2].id)
    assert told
    assert marks.read(store, PREFIX, told)["reasons"][0] == "its size is 197% larger than expected after 2 images"


def test_a_release_frees_what_is_like_it_too() -> None:
    store = MemoryStore("near")
    images = [made.put_image(store, sized(day, size)) for day, size in enumerate((100, 300, 301, 900))]
    judge_images([store], "shop", LIMITS, NOW)
    assert [word(store, one.id) for one in images] == ["ok", "hold", "hold", "hold"]
    with pytest.raises(BadUsage, match="is not held"):
        release([store], "shop", images[0].id, "why", LIMITS, NOW)
    with pytest.raises(BadUsage, match="no store has"):
        release([store], "shop", "20260101T000000Z-00000000", "why", LIMITS, NOW)
    freed = release([store], "shop", images[1].id, "the archive was loaded", LIMITS, NOW + HOUR)
    assert freed == [images[2].id]
    assert word(store, images[3].id) == "hold"
    (mark,) = (one for one in marks.marks(store, PREFIX) if one.kind == marks.RELEASED)
    assert marks.read(store, PREFIX, mark)["because"] == "the archive was loaded"


def test_a_copy_is_held_and_freed_with_its_original() -> None:
    near, far = MemoryStore("near"), MemoryStore("far")
    made.put_image(near, sized(0, 100))
    held = made.put_image(near, sized(1, 300))
    judge_images([near, far], "shop", LIMITS, NOW)
    copy_image(catalogue.all_images(near, "shop")[0], near, far)
    judge_images([near, far], "shop", LIMITS, NOW)
    assert word(far, held.id) == "hold"
    release([near, far], "shop", held.id, "why", LIMITS, NOW + HOUR)
    assert [one.kind for one in marks.marks(far, PREFIX)] == [marks.JUDGED, marks.RELEASED]


def counted(plain: int, **rows: int) -> Measure:
    told = {f"shop.{name}": count for name, count in rows.items()}
    objects = frozenset(f"table {name}" for name in told)
    return Measure(Totals(("logical", "full"), plain, plain // 4, told, frozenset({"shop"})), objects, {})


def test_a_table_that_was_never_empty_and_is_now_holds_however_small() -> None:
    before = counted(1000 * MIB, orders=5_000_000, prices=1200)
    found = judged(counted(1000 * MIB, orders=5_000_000, prices=0), before)
    assert found == Judgement("hold", ("table shop.prices is empty, 1,200 rows are in the image before it",))
    assert judged(counted(1000 * MIB, orders=5_000_000, prices=1), before).word == "ok"
    warned = judged(counted(1000 * MIB, orders=5_000_000, prices=0), before, limits=Limits(0.2, None))
    assert warned.word == "warn"


def test_a_table_that_is_empty_now_and_then_is_no_news() -> None:
    full, emptied = counted(1000 * MIB, orders=9, queue=500), counted(1000 * MIB, orders=9, queue=0)
    assert judged(emptied, full, emptied, full).word == "ok"
    assert judged(counted(1000 * MIB, orders=0, queue=500), full, full).word == "ok"  # nine rows say nothing
    # Images of before counts were kept say nothing of rows.
    assert judged(emptied, measure(1000 * MIB, tables={"shop.queue": 1}), full).word == "hold"


def test_a_schema_that_was_dropped_holds_however_small() -> None:
    before = measure(1000 * MIB, tables={f"shop.t{number}": MIB for number in range(200)})
    two = replace_schemas(before, "shop", "audit")
    found = judged(replace_schemas(before, "shop"), two, two)
    assert found == Judgement("hold", ("schema audit is no longer there, which all 2 images before it have",))
    assert judged(replace_schemas(before, "shop"), replace_schemas(before, "shop"), two).word == "ok"


def replace_schemas(of: Measure, *schemas: str) -> Measure:
    totals = of.totals
    return Measure(Totals(totals.kind, totals.plain, totals.stored, {}, frozenset(schemas)), of.objects, of.tables)


def test_a_released_image_makes_an_empty_table_usual() -> None:
    store = MemoryStore("near")
    images = [
        made.put_image(store, replace(sized(day, 100), rows={"shop": {"t": rows}}))
        for day, rows in enumerate((500, 500, 0, 0))
    ]
    judge_images([store], "shop", LIMITS, NOW)
    assert [word(store, one.id) for one in images] == ["ok", "ok", "hold", "hold"]
    assert release([store], "shop", images[2].id, "the season is over", LIMITS, NOW + HOUR) == [images[3].id]
