"""A help says what it takes from other promises, and names the schedule that it is about."""

from __future__ import annotations

from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.passes import Checked
from bkpc_compiler.remedies.harm import harm_of
from tests.compiler.one_file import check

TWO = """\
edition 1

site here { region "r1" }
site there { region "r2" }
store near at here { directory "/near"  reads 1GB/s  writes 1GB/s }
database one at here {
  mysql "box.example:3306"  credentials env U, P
  size 90GB  starts 0s  table 0s  writes 0B/s  burst 0B
  dumps 100MB/s  restores 100MB/s  replays 90MB/s
  standby there { provision 10min }
}
database two at here {
  mysql "box.example:3307"  credentials env U, P
  size 90GB  starts 0s  table 0s  writes 0B/s  burst 0B
  dumps 100MB/s  restores 100MB/s  replays 90MB/s
  standby there { provision 10min }
}
policy tier {
  promise against host { rpo 87300s  rto 1800s }
  full daily at 00:00 within 4h to near
}
protect one, two with tier
"""
SEVERAL = """\
edition 1
site a { region "r1" }
site b { region "r2" }
link a -- b { bandwidth 8Gbit/s }
store na at a { directory "/srv/a" }
store nb at b { directory "/srv/b" }
database db at a { mysql "db.a" credentials env U, P size 40GiB writes 0B/s burst 1B standby b { provision 1min } }
policy p {
  promise against site { rpo 13h }
  full daily at 00:00 within 4h to na
  full daily at 12:00 within 4h to nb
}
protect db with p
"""
FULL = """\
edition 1
site here { region "r1" }
site there { region "r2" }
store near at here { directory "/near"  reads 100MB/s  writes 100MB/s }
database shop at here {
  mysql "shop.example"  credentials env U, P
  size 90GB  writes 1MB/s  burst 1GB
  dumps 1GB/s  restores 1GB/s  replays 90MB/s
  standby there { provision 10min }
}
policy tier {
  promise against host { rpo 6000ms }
  full daily at 00:00 within 4h to near
  hot to near every 5s
}
protect shop with tier
"""


def test_less_of_one_turns_the_order_and_the_other_is_late() -> None:
    (found,) = [one for one in check(TWO).diagnostics if one.code == "BKP3002"]
    assert found.help is not None
    assert "(but `rto 1800s` of `one` against host is then no longer proved)" in found.help
    assert "`size 60GB` of `two` (now 90GB), `size 8" in found.help  # what takes nothing comes first
    assert found.edit is not None
    assert found.edit.text == "size 60GB"


def test_of_two_full_levels_the_help_says_which() -> None:
    helps = [one.help or "" for one in check(SEVERAL).diagnostics if one.code.startswith("BKP200")]
    assert len(helps) == 1
    assert "instead of `daily at " in helps[0]
    assert "instead," not in helps[0]


def test_what_proves_a_promise_leaves_room_for_the_jobs() -> None:
    """190MB/s would prove it, and the log then reserve so much that the image is not done in its window."""
    (found,) = [one for one in check(FULL).diagnostics if one.code == "BKP2001"]
    assert found.edit is not None
    assert found.edit.text == "writes 200MB/s"
    assert found.help is not None
    assert "(but" not in found.help
    less, enough = (check(FULL.replace("writes 100MB/s", f"writes {rate}MB/s")) for rate in (190, 200))
    assert [one.code for one in less.diagnostics] == ["BKP2003"]
    assert not enough.diagnostics
    lost = harm_of(analysis_of(check(FULL)), analysis_of(less).program)
    assert lost == " (but shop/full/near does then not fit)"


def analysis_of(checked: Checked) -> Analysis:
    assert checked.analysis is not None
    return checked.analysis
