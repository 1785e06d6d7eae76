"""What refutes: reasons that hold whatever the plan, and the words for them."""

from __future__ import annotations

import re
from pathlib import Path

from bkpc_compiler.feasibility.verdict import Verdict
from bkpc_compiler.passes import Checked
from tests.compiler.one_file import check

CORNERS = Path(__file__).parents[2] / "cases" / "corners"
THIN = """\
edition 1

site a { region "r1" }
site b { region "r2" }
site c { region "r3" }
link a -- c { bandwidth 1Mbit/s latency 1ms }
link a -- b { bandwidth 10Gbit/s latency 1ms }
link b -- c { bandwidth 10Gbit/s latency 1ms }
store far at c { directory "/far"  reads 10GiB/s  writes 10GiB/s }
database shop at a {
  mysql "shop.example"  credentials env U, P
  size 1GiB  writes 50KiB/s  burst 1KiB
  dumps 50MiB/s  restores 100MiB/s  replays 10GiB/s
}
policy tier {
  promise against host { rpo 25h  rto 30min }
  full daily at 01:00 within 4h to far
}
protect shop with tier
"""


def said(checked: Checked, code: str) -> list[str]:
    """The messages, labels, notes and helps of one code."""
    found = [one for one in checked.diagnostics if one.code == code]
    return [" ".join((one.message, one.primary.text, *one.notes, one.help or "")) for one in found]


def test_a_thin_link_before_a_wide_way_around_is_named() -> None:
    checked = check(THIN)
    for code in ("BKP2001", "BKP3001"):
        (text,) = said(checked, code)
        assert "routes take the fewest links, then the widest: link a -- c is taken" in text
        assert "over a -- b, b -- c, carries 1.2GB/s" in text
        assert "no link a -- c, so that its traffic takes the wider way around" in text
    without = check(re.sub(r"link a -- c .*\n", "", THIN))
    assert {one.verdict for one in without.answers} == {Verdict.PROVED}


def test_no_way_around_is_named_where_it_is_no_wider() -> None:
    narrow = THIN.replace("bandwidth 10Gbit/s", "bandwidth 1Mbit/s")
    assert not any("wide" in text for text in said(check(narrow), "BKP2001"))


def test_logs_that_are_too_much_together_name_each_other() -> None:
    checked = check((CORNERS / "logs_together_more_than_the_link.bkp").read_text())
    one, two = said(checked, "BKP2001")
    assert "with `two` 120MB/s are written, and link here -- there carries at most 100MB/s" in one
    assert "with `one` 120MB/s are written" in two


def test_who_needs_one_that_never_comes_back_never_does() -> None:
    """`base` has no standby: after the loss of its site nothing says where to rebuild it."""
    text = THIN.replace("link a -- c { bandwidth 1Mbit/s latency 1ms }\n", "")
    text = text.replace("  dumps", "  standby b { provision 1min }\n  needs base\n  dumps").replace(
        "against host", "against site"
    )
    base = text[text.index("database shop") : text.index("policy")].replace("shop", "base")
    base = base.replace("  standby b { provision 1min }\n  needs base\n", "")
    checked = check(text.replace("policy", base + "policy", 1).replace("protect shop", "protect base, shop"))
    (shop,) = [one for one in checked.answers if one.database.name == "shop" and one.kind == "rto"]
    assert (shop.verdict, shop.lower) == (Verdict.REFUTED, None)
    assert any("never: `base`, which it needs, cannot be brought back" in one for one in said(checked, "BKP3001"))
