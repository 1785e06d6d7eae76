"""All buckets of a region share what one account may move there."""

from __future__ import annotations

from bkpc_compiler.feasibility.verdict import Verdict
from tests.compiler.one_file import check

ESTATE = """\
edition 1
import "std/oss"
REGION
site here { region "cn-hangzhou" }
store one at here {
  oss "one" endpoint "https://oss-cn-hangzhou-internal.aliyuncs.com" credentials env KEY_ID, KEY_SECRET
  reads 16Gbit/s  writes 16Gbit/s
}
store two at here {
  oss "two" endpoint "https://oss-cn-hangzhou-internal.aliyuncs.com" credentials env KEY_ID, KEY_SECRET
  reads 16Gbit/s  writes 16Gbit/s
}
database first at here {
  mysql "first:3306" credentials env USER_ONE, WORD_ONE
  size 5TiB  writes 1MiB/h  dumps 20Gbit/s  restores 20Gbit/s
}
database second at here {
  mysql "second:3306" credentials env USER_TWO, WORD_TWO
  size 5TiB  writes 1MiB/h  dumps 20Gbit/s  restores 20Gbit/s
}
policy to_one { promise against corruption { rpo 30h }  full daily at 02:00 within 1h to one  keep 7d }
policy to_two { promise against corruption { rpo 30h }  full daily at 02:00 within 1h to two  keep 7d }
protect first with to_one
protect second with to_two
"""


def late(region: str) -> list[str]:
    analysis = check(ESTATE.replace("REGION", region)).analysis
    assert analysis is not None
    assert all(job.slot for job in analysis.demand.jobs)
    proved = all(one.verdict is Verdict.PROVED for one in analysis.answers)
    assert proved is all(job.timely for job in analysis.demand.jobs)
    return [f"{one.resource.words}, {one.resource.origin.value}" for one in analysis.demand.shortages]


def test_two_buckets_take_from_one_account() -> None:
    """5 TiB and retries in an hour ask for 13.4 Gbit/s; each bucket carries 14.4 Gbit/s, the account 18 Gbit/s."""
    assert late("") == ["writing to OSS in cn-hangzhou, std"]


def test_a_region_of_ones_own_counts_instead() -> None:
    assert late('region "cn-hangzhou" { writes 40Gbit/s }') == []
    found = late('region "cn-hangzhou" { writes 10Gbit/s }')
    assert found == ["writing to OSS in cn-hangzhou, declared"]


def test_a_region_is_declared_once() -> None:
    twice = 'region "cn-hangzhou" { writes 40Gbit/s }\n' * 2
    codes = [one.code for one in check(ESTATE.replace("REGION", twice)).diagnostics]
    assert codes == ["BKP1004"]
