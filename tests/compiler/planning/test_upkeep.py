"""Verification and expiry in the plan: jobs that hold nothing, and what is kept for how long."""

from __future__ import annotations

from collections.abc import Iterator

from bench.large_estate import estate
from msgspec.structs import replace

from bkpc_compiler.feasibility.verdict import analyse
from bkpc_compiler.planning.emit import emit
from bkpc_compiler.planning.upkeep import retention_of, upkeep_of
from bkpc_compiler.planning.verified import faults
from bkpc_compiler.program.resolve import resolve
from bkpc_grammar.plan import Flow, Job, Plan, Reservation
from tests.compiler import shop
from tests.compiler.one_file import changed, planned
from tests.compiler.planning.test_emit import nowhere

DAY = 86_400_000


def jobs(plan: Plan, kind: str) -> dict[str, Job]:
    return {one.id: one for one in plan.jobs if one.kind == kind}


def test_what_keeps_by_rule_expires_at_noon_of_its_own_zone() -> None:
    plan = planned(
        'timezone "Asia/Shanghai"\n'.join(changed().partition("\n")[::2]).replace("edition 1", "edition 1\n")
    )
    (expiry,) = jobs(plan, "expire").values()
    assert (expiry.id, expiry.stores, expiry.reserve) == ("shop/expire", ("disk", "far"), ())
    assert (expiry.schedule.at_minute, expiry.schedule.timezone) == (720, "Asia/Shanghai")
    assert {one.timezone for one in plan.retention} == {"Asia/Shanghai"}


def test_what_keeps_everything_has_no_expiry() -> None:
    plan = planned(changed(("  keep 14d\n", "")))
    assert jobs(plan, "expire") == {}
    assert [(one.store, one.keep_ms, one.daily) for one in plan.retention] == [("disk", None, 0), ("far", None, 0)]


def test_the_grace_is_longer_than_any_job_may_take() -> None:
    slow, _ = planned(
        changed(("rto 30min", "rto 2h"), ("daily at 02:00 within 1h", "weekly on sunday at 02:00 within 5d"))
    ).retention
    assert slow.grace_ms == 30 * DAY  # a job has failed after three times its window
    assert {one.grace_ms for one in planned(changed()).retention} == {3 * DAY}


def test_a_store_is_fresh_while_no_two_images_in_a_row_are_missing() -> None:
    image, log = planned(changed()).retention
    assert image.fresh_ms == 2 * (DAY + DAY // 24)
    assert log.fresh_ms == 0  # of log alone
    cold = ("  hot ", "  cold weekly on sunday at 05:00 within 8h from disk to far\n  hot ")
    _, copied = planned(changed(cold, ("keep 14d", "keep 60d"))).retention
    assert copied.fresh_ms == 2 * (DAY + DAY // 24 + 7 * DAY + DAY // 3)


def test_every_image_and_copy_is_verified_after_its_slot_where_the_policy_says_so() -> None:
    cold = ("  hot ", "  cold daily at 05:00 within 8h from disk to far\n  flow { verify every backup }\n  hot ")
    plan = planned(changed(cold))
    found = jobs(plan, "verify")
    assert list(found) == ["shop/cold/far/verify", "shop/full/disk/verify"]
    for one in found.values():
        (image,) = (job for job in plan.jobs if job.id == one.requires[0])
        assert (one.stores, one.reserve) == (image.stores, ())
        assert one.schedule.offset_ms == image.schedule.offset_ms + image.schedule.slot_ms
    # A quarter of what the link gives, and of what is idle on it.
    (link,) = (one for one in plan.resources if one.name.startswith("link:"))
    limit = found["shop/cold/far/verify"].limit
    assert limit is not None
    assert 0 < limit <= link.usable // 4
    assert all(one.verified for one in plan.retention)
    assert jobs(planned(changed()), "verify") == {}


def test_what_images_are_compared_with_is_said_exactly_and_to_the_strict_side() -> None:
    flow = ("  hot ", "  flow { size warn 12.55% hold 50% }\n  hot ")
    assert planned(changed(flow)).flow == (
        Flow(database="shop", size_warn_permille=125, size_hold_permille=500, verify=False),
    )
    assert planned(changed()).flow == ()


def test_an_upkeep_that_holds_something_is_found() -> None:
    plan = emit(analyse(shop.payments()), "0.1.0", nowhere)
    expiry = jobs(plan, "expire")["orders/expire"]
    greedy = replace(expiry, reserve=(Reservation(resource="link:hangzhou -- beijing", rate=1),))
    found = faults(replace(plan, jobs=(greedy,)), shop.payments())
    assert "orders/expire holds what no bound has counted" in found


def test_a_drill_is_held_from_every_store_with_images_and_holds_nothing() -> None:
    held = (
        "  hot ",
        "  cold daily at 05:00 within 8h from disk to far\n  flow { drill weekly on sunday at 10:00 }\n  hot ",
    )
    plan = planned(changed(held))
    (drill,) = jobs(plan, "drill").values()
    assert (drill.id, drill.stores, drill.reserve) == ("shop/drill", ("disk", "far"), ())
    assert (drill.schedule.cadence, drill.schedule.weekday, drill.schedule.at_minute) == ("weekly", 6, 600)
    assert jobs(planned(changed()), "drill") == {}


def test_what_must_thaw_is_not_read_back() -> None:
    bucket = 'oss "bucket" endpoint "https://oss.example.com" credentials env OSS_ID, OSS_SECRET class tape'
    tape = f"storage class tape {{ thaw 5h }}\nstore far at there {{ {bucket} }}"
    cold = "  cold weekly on sunday at 05:00 within 8h from disk to far\n  flow { verify every backup }\n  hot "
    plan = planned(
        changed(
            ("  hot ", cold),
            ('store far at there { directory "backups" }', tape),
            ("keep 14d", "keep 60d"),
            ("to disk, far", "to disk"),
        )
    )
    assert list(jobs(plan, "verify")) == ["shop/full/disk/verify"]
    assert [(one.store, one.verified) for one in plan.retention] == [("disk", True), ("far", False)]


class Counted(tuple[Job, ...]):
    """Jobs that count how often one of them is looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[Job]:
        for job in super().__iter__():
            Counted.looked_at += 1
            yield job


def looked_at(databases: int) -> int:
    """How often a job is, while upkeep and retention of an estate are worked out."""
    program = resolve(["estate.bkp"], lambda _: estate(databases, sites=5, policies=5, links=5))[0]
    assert program is not None
    analysis = analyse(program)
    placed = Counted(one for one in emit(analysis, "0", nowhere).jobs if one.kind not in {"expire", "verify"})
    Counted.looked_at = 0
    assert upkeep_of(analysis, placed)
    assert retention_of(analysis, placed)
    return Counted.looked_at


def test_ten_times_the_databases_take_ten_times_the_looking() -> None:
    assert looked_at(100) <= 12 * looked_at(10)
