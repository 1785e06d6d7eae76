"""A help says what it takes from other promises, and names the schedule that it is about."""

from __future__ import annotations

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
