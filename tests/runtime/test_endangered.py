"""Which promises fall with what is wrong: those whose recovery reads it, and no others."""

from __future__ import annotations

import pytest
from msgspec import structs

from bkpc_compiler.main import main
from bkpc_grammar import plan as contract
from bkpc_grammar.canonical import read_plan
from bkpc_runtime.commands.status_promises import promised_lines, promised_rpos, stream_troubles
from bkpc_runtime.endangered import Part, Trouble, endangered

POLICY = """\
edition 1
import "std/oss"
site here { region "cn-hangzhou" }
site there { region "cn-beijing" }
link here -- there { bandwidth 1Gbit/s  latency 30ms }
store near at here { oss "near"  endpoint "https://oss-cn-hangzhou.aliyuncs.com"  credentials env A, B  class standard }
store far at there { oss "far"  endpoint "https://oss-cn-beijing.aliyuncs.com"  credentials env A, B  class standard }
database shop at here {
  mysql "db:3306"
  credentials env A, B
  size 1GiB  writes 10MiB/h  burst 8MiB
  standby there { provision 5min }
}
policy tier {
  promise against corruption { rpo 10s  rto 2h }
  promise against site, region { rpo 28h  rto 4h }
  promise against intruder { rpo 2d }
  respond detect 5min activate 5min
  full daily at 01:00 within 1h to near
  hot to near every 5s
  cold daily at 03:00 within 1h from near to far
  keep 14d
  lock 7d
}
protect shop with tier
"""


INTRUDER = "rpo 2d against intruder: it broke"
"""Proved by the images in `near`."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> contract.Plan:
    folder = tmp_path_factory.mktemp("plan")
    (folder / "shop.bkp").write_text(POLICY)
    assert main(["compile", str(folder / "shop.bkp"), "-o", str(folder / "plan.json")]) == 0
    return read_plan((folder / "plan.json").read_bytes(), "plan.json")


@pytest.mark.parametrize(
    ("store", "part", "fall"),
    [
        ("near", "log", ["rpo 10s against corruption: it broke"]),
        ("near", "image", ["rto 2h against corruption: it broke", INTRUDER]),
        ("near", "all", ["rpo 10s against corruption: it broke", "rto 2h against corruption: it broke", INTRUDER]),
        ("far", "image", ["rpo 28h against region, site: it broke", "rto 4h against region, site: it broke"]),
        ("far", "log", []),
        ("near", "lock", [INTRUDER]),
        ("far", "lock", []),
        ("near", "commits", []),
    ],
)
def test_what_falls(plan: contract.Plan, store: str, part: Part, fall: list[str]) -> None:
    assert [one.text for one in endangered(plan, [Trouble("shop", store, part, "it broke")])] == fall


def test_a_lag_endangers_what_promises_less(plan: contract.Plan) -> None:
    def of(**told: object) -> list[str]:
        stream = {"agent": "running", "pausing": "", "lag_seconds": 0.0, **told}
        return [one.text for one in endangered(plan, stream_troubles("shop", "near", stream))]

    assert of(lag_seconds=9.5) == []
    nothing = structs.replace(
        plan, objectives=tuple(structs.replace(one, rpo_ms=0) if one.rpo_ms else one for one in plan.objectives)
    )
    on_its_way = "commits wait for what is on its way"
    assert endangered(nothing, [Trouble("shop", "near", "log", "it lags 0s", 40)]) == [], on_its_way
    assert endangered(nothing, [Trouble("shop", "near", "log", "it lags 1s", 1200)])
    assert of(lag_seconds=90.0) == ["rpo 10s against corruption: the log in near lags 1min 30s"]
    assert of(agent="stopped") == ["rpo 10s against corruption: the agent that streamed into near has stopped"]
    assert of(pausing="the disk is full") == ["rpo 10s against corruption: no log is read: the disk is full"]
    assert of(agent="none here") == []


def test_of_which_share_of_all_instants_a_promise_speaks(plan: contract.Plan) -> None:
    shared = tuple(
        structs.replace(one, rpo_millionths=995_000) if one.scope == "corruption" else one for one in plan.objectives
    )
    of_share = structs.replace(plan, objectives=shared)
    (found,) = endangered(of_share, [Trouble("shop", "near", "log", "it lags", 90_000)])
    assert found.text == "rpo 10s for 99.5% of all instants (this is one) against corruption: it lags"
    row = promised_rpos(of_share, "shop")
    assert row["promised_rpo_seconds"] == 28 * 3600
    assert row["promised_rpo_for_share"] == [{"seconds": 10.0, "share": 0.995}]
    assert list(promised_lines(row)) == ["promised: rpo 28h", "promised: rpo 10s for 99.5% of all instants"]
