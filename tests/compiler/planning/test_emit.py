"""The plan of the shop: complete, valid against its schema, the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from msgspec.structs import replace

from bkpc_compiler.feasibility.verdict import analyse
from bkpc_compiler.passes import compile_sources
from bkpc_compiler.planning.emit import emit
from bkpc_compiler.planning.verified import PlanUnsound, faults, verified
from bkpc_compiler.source import Span
from bkpc_grammar.canonical import PlanRejected, canonical_bytes, canonical_pieces, read_plan
from bkpc_grammar.plan import Plan
from bkpc_grammar.schema import PATH
from tests.compiler import shop
from tests.compiler.one_file import changed

ROOT = Path(__file__).parents[3]


def nowhere(span: Span) -> tuple[str, str]:
    """Hand-built programs have no text."""
    return f"{span.file}:1", "clause"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return emit(analyse(shop.payments()), "0.1.0", nowhere)


def test_jobs_and_streams_are_named_after_database_level_and_store(plan: Plan) -> None:
    levels = ("cold/far", "expire", "full/near")
    assert [job.id for job in plan.jobs] == [
        f"{database}/{level}" for database in ("accounts", "config", "orders") for level in levels
    ]
    assert [stream.id for stream in plan.streams] == ["accounts/hot", "config/hot", "orders/hot"]
    assert plan.streams[0].stores == ("far", "near")


def test_a_copy_requires_what_it_reads(plan: Plan) -> None:
    (copy,) = [job for job in plan.jobs if job.id == "orders/cold/far"]
    assert (copy.source_store, copy.requires) == ("near", ("orders/full/near",))


def test_reservations_fit_every_derated_capacity(plan: Plan) -> None:
    usable = {one.name: one.usable for one in plan.resources}
    assert usable["link:hangzhou -- beijing"] == 112_500_000
    assert usable["store:near:writes"] == 112_500_000
    assert usable["store:near:reads"] == 225_000_000
    assert faults(plan, shop.payments()) == []


def test_one_job_more_is_found_to_be_too_many(plan: Plan) -> None:
    (copy,) = [job for job in plan.jobs if job.id == "orders/cold/far"]
    again = [replace(copy, id=f"{copy.id}/{number}") for number in range(4)]
    found = faults(replace(plan, jobs=(*plan.jobs, *again)), shop.payments())
    assert any(one.startswith("link:hangzhou -- beijing is promised twice at ") for one in found)
    assert any("orders/cold/far/3" in one for one in found)
    with pytest.raises(PlanUnsound, match="promised twice"):
        verified(replace(plan, jobs=(*plan.jobs, *again)), shop.payments())


def test_a_job_that_ends_late_is_found(plan: Plan) -> None:
    job = plan.jobs[0]
    late = replace(job, schedule=replace(job.schedule, offset_ms=job.schedule.window_ms))
    with pytest.raises(PlanUnsound, match="ends after its window"):
        verified(replace(plan, jobs=(late, *plan.jobs[1:])), shop.payments())


def test_a_step_before_what_it_needs_is_found(plan: Plan) -> None:
    first = plan.recoveries[0]
    steps = tuple(replace(one, start_ms=0) for one in first.steps)
    with pytest.raises(PlanUnsound, match="begins too early"):
        verified(replace(plan, recoveries=(replace(first, steps=steps), *plan.recoveries[1:])), shop.payments())


@pytest.mark.parametrize(
    ("address", "mode"),
    [
        ("127.0.0.1:3306", "off"),
        ("LOCALHOST", "off"),
        ("[::1]", "off"),
        ("/run/mysqld.sock", "off"),
        ("localhost-db.prod:3306", "verify-identity"),
        ("127.db.prod:3306", "verify-identity"),
        ("ip6-localhost", "verify-identity"),
    ],
)
def test_tls_is_left_out_only_where_bytes_never_leave_the_machine(address: str, mode: str) -> None:
    text = changed(("127.0.0.1:3306", address))
    made, _ = compile_sources(["policy.bkp"], lambda _: text, "0")
    assert made is not None
    assert [one.tls.mode for one in made.estate.databases] == [mode]


def test_recoveries_bring_back_what_is_needed_first(plan: Plan) -> None:
    (site,) = [one for one in plan.recoveries if one.scope == "site"]
    ids = [step.id for step in site.steps]
    assert site.databases == ("accounts", "config", "orders")
    assert ids.index("config/check.service") < ids.index("accounts/check.service") < ids.index("orders/check.service")
    seen: set[str] = set()
    for step in site.steps:
        assert seen.issuperset(step.needs), step.id
        seen.add(step.id)


def test_proved_bounds_are_within_what_is_promised(plan: Plan) -> None:
    assert len(plan.objectives) == 15
    for objective in plan.objectives:
        assert objective.rpo_ms is not None
        assert objective.rpo_proved_ms is not None
        assert objective.rpo_proved_ms <= objective.rpo_ms


def test_servers_keep_their_log_for_two_periods(plan: Plan) -> None:
    assert {one.binlog_expiry_ms for one in plan.preflight} == {2 * 86_400_000}


def test_plan_is_valid_against_its_schema(plan: Plan) -> None:
    schema = json.loads(PATH.read_bytes())
    jsonschema.Draft202012Validator(schema).validate(json.loads(canonical_bytes(plan)))


def test_its_pieces_are_its_canonical_json(plan: Plan) -> None:
    encoded = json.loads(canonical_bytes(plan))
    text = json.dumps(encoded, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert b"".join(canonical_pieces(plan)).decode() == text
    assert len([*canonical_pieces(plan)]) > len(plan.objectives)
    assert any(getattr(plan, name) == () for name in plan.__struct_fields__)


def test_a_plan_with_more_behind_it_is_rejected(plan: Plan) -> None:
    for other in (
        canonical_bytes(plan) + b"\n",
        canonical_bytes(plan)[:-1],
        canonical_bytes(plan).replace(b"  ", b" "),
    ):
        with pytest.raises(PlanRejected, match="was changed after it was compiled"):
            read_plan(other, "plan.json")


def test_what_was_let_go_of_is_worked_out_again() -> None:
    analysis = analyse(shop.payments())
    first = emit(analysis, "0.1.0", nowhere)
    assert emit(analysis, "0.1.0", nowhere) == first


def test_plan_reads_back(plan: Plan) -> None:
    assert read_plan(canonical_bytes(plan), "plan.json") == plan


def test_an_edited_plan_is_rejected(plan: Plan) -> None:
    edited = canonical_bytes(plan).replace(b'"flush_ms": 5000', b'"flush_ms": 6000', 1)
    with pytest.raises(PlanRejected, match="was changed after it was compiled"):
        read_plan(edited, "plan.json")


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_same_bytes_whatever_the_hash_seed_and_folder(seed: str, tmp_path: Path, plan: Plan) -> None:
    script = (
        "import hashlib, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.compiler.planning.test_emit import *\n"
        "plan = emit(analyse(shop.payments()), '0.1.0', nowhere)\n"
        "print(hashlib.sha256(canonical_bytes(plan)).hexdigest())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == hashlib.sha256(canonical_bytes(plan)).hexdigest()
