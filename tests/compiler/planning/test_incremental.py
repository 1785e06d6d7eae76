"""Incremental levels as jobs of a plan: what each holds, reads, and waits for; and what a plan may not say of them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from msgspec.structs import replace

from bkpc_compiler.planning.verified import faults
from bkpc_grammar.plan import Job, Plan
from tests.compiler.one_file import SMALL, check, planned

HOUR = 3_600_000
TEXT = SMALL.replace("  hot  to", "  incremental hourly within 30min to disk\n  hot  to").replace("  keep 14d", (
    "  cold daily at 05:00 within 4h from disk to far\n  keep 14d\n  flow { verify every backup }"
)).replace("writes 100MiB/h", "writes 100MiB/h  changes 36MB/h  prepares 1s")  # fmt: skip


def job(plan: Plan, name: str) -> Job:
    return next(one for one in plan.jobs if one.id == f"shop/{name}")


def test_a_job_of_its_own_that_reads_the_full_one_of_its_store() -> None:
    one = job(planned(TEXT), "incremental/disk")
    assert (one.kind, one.engine, one.stores, one.requires) == (
        "backup.incremental", "physical", ("disk",), ("shop/full/disk",),
    )  # fmt: skip
    assert job(planned(TEXT), "full/disk").engine == "physical"
    assert job(planned(TEXT), "incremental/disk/verify").requires == (one.id,)
    # What changes in an hour, until the end of its window, and in two hours that it may be left out for a full one.
    assert one.expect_bytes == 36_000_000 * 7 // 2
    assert one.schedule.slot_ms > 0


def test_a_copy_moves_what_the_newest_image_builds_on() -> None:
    # 25 h and half of an hour's window: 26 images, which half an hour each are being taken, and the last until its end.
    hours = 25 + Fraction(27, 2)
    assert job(planned(TEXT), "cold/far").expect_bytes == 2**30 + 36_000_000 * hours
    assert job(planned(TEXT), "cold/far").requires == ("shop/full/disk", "shop/incremental/disk")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"expect_bytes": 1}, "expects 1 bytes of an image of 36"),
        ({"kind": "backup.full"}, "no policy asks for it as it is scheduled"),
    ],
)
def test_what_the_second_opinion_refuses(change: dict[str, object], told: str) -> None:
    checked = check(TEXT)
    assert checked.analysis is not None
    made = planned(TEXT)
    assert faults(made, checked.analysis.program) == []
    wrong = replace(job(made, "incremental/disk"), **change)
    jobs = tuple(wrong if one.id == wrong.id else one for one in made.jobs)
    assert any(told in one for one in faults(replace(made, jobs=jobs), checked.analysis.program))


def test_a_slot_that_has_room_for_what_changed_only_is_refused() -> None:
    """All of the database is read to find it."""
    checked = check(TEXT)
    assert checked.analysis is not None
    made = planned(TEXT)
    one = job(made, "incremental/disk")
    rates = {reserved.resource: reserved.rate for reserved in one.reserve}
    moving = one.expect_bytes * 1100 // rates["store:disk:writes"]
    assert one.schedule.slot_ms * rates["database:shop:dump"] >= 1100 * (2**30 - one.expect_bytes)
    for slot_ms in (one.schedule.slot_ms - 100, moving + 1000):
        short = replace(one, schedule=replace(one.schedule, slot_ms=slot_ms))
        jobs = tuple(short if it.id == short.id else it for it in made.jobs)
        found = faults(replace(made, jobs=jobs), checked.analysis.program)
        assert any("can't read 1073741824 bytes to find the 126000000 that changed" in it for it in found), found


def test_a_window_too_short_to_read_all_says_so() -> None:
    text = TEXT.replace("incremental hourly within 30min", "incremental hourly within 15s")
    found = [one for one in check(text).diagnostics if one.code == "BKP2003"]
    assert any("shop/incremental/disk reads all of 1GiB to find what changed" in one.notes for one in found), found


def test_nobody_says_that_what_changes_can_not_be_moved() -> None:
    """All of the database would not pass in the time; but it need not all have changed."""
    text = TEXT.replace("changes 36MB/h", "").replace("within 30min", "within 1s").replace("size 1GiB", "size 10GiB")
    text = text.replace('disk at here { directory "backups" }', 'disk at here { directory "backups"  writes 200MB/s }')
    found = [one.message for one in check(text).diagnostics if one.code == "BKP2003" and "to `disk`" in one.message]
    assert found
    assert all("are not proved to be done" in one for one in found), found


def test_no_chain_is_proved_without_a_full_image_in_time() -> None:
    """Where the job that begins chains is late, nobody knows how long they get."""
    late = TEXT.replace("size 1GiB", "size 3TiB").replace("bandwidth 1Gbit/s", "bandwidth 100Gbit/s")
    answers = {one.kind: one for one in check(late).answers}
    assert answers["rto"].upper is None


def test_no_two_full_images_of_one_server_at_once() -> None:
    """Nor two incremental ones; one of each may meet: then the incremental one is left out, and the next holds more."""
    checked = check(TEXT)
    assert checked.analysis is not None
    made = planned(TEXT)
    full, adding = job(made, "full/disk"), job(made, "incremental/disk")
    again = replace(full, id="shop/full/disk/2", schedule=replace(full.schedule, offset_ms=full.schedule.offset_ms + 1))
    beside = replace(made, jobs=(*made.jobs, again))
    words = "shop/full/disk and shop/full/disk/2 take images of one server at 20"
    assert any(one.startswith(words) for one in faults(beside, checked.analysis.program))
    after = full.schedule.offset_ms + full.schedule.slot_ms
    apart = replace(again, schedule=replace(full.schedule, offset_ms=after))
    assert not any(
        "of one server" in one for one in faults(replace(made, jobs=(*made.jobs, apart)), checked.analysis.program)
    )
    long = replace(full, schedule=replace(full.schedule, slot_ms=5 * HOUR))
    longer = replace(made, jobs=tuple(long if one is full else one for one in made.jobs))
    found = faults(longer, checked.analysis.program)
    assert not any("of one server" in one for one in found)
    assert any(f"{adding.id} expects" in one for one in found)
