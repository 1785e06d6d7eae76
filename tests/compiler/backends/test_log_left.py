"""Where the plan brings back an image without its log, people are told so, and what the log would save and cost."""

from __future__ import annotations

import pytest

from bkpc_compiler.backends.runbook import runbook_markdown
from bkpc_compiler.commands.verdicts import verdict_table
from tests.compiler.one_file import check, planned

ESTATE = """\
edition 1
site a {{ region "r1" }}
store na at a {{ directory "/srv/a" }}
database db at a {{ mysql "db.a" credentials env U, P size 10GiB writes 5GiB/h starts 0s table 0s }}
policy p {{
  {promises}
  full daily at 02:00 within 2h to na
  hot to na every 5s
  keep 30d
}}
protect db with p
"""
WHOLE = "bkpc restore plan.json db --store na --to"


def policy(*promises: str) -> str:
    return ESTATE.format(promises="\n  ".join(f"promise against {one}" for one in promises))


def typed(text: str) -> list[str]:
    """The restores of a runbook that run when what is typed there is pasted."""
    return [line for line in runbook_markdown(planned(text)).split("\n") if line.startswith("bkpc restore")]


@pytest.mark.parametrize("host", ["rto 30min", "rpo 26h  rto 30min"])
def test_the_image_alone_is_restored_where_the_bound_is_of_it(host: str) -> None:
    text = policy("corruption { rpo 10s }", f"host {{ {host} }}")
    table = verdict_table(check(text))
    assert "≤ 8min 48s  from the image alone; with the log ≤ 3h 4" in table
    assert "were no other to come back" in table
    page = runbook_markdown(planned(text))
    assert f"{WHOLE} image \\" in page
    assert f"# or, with the log:\n# {WHOLE} latest \\\n#   --into" in page
    assert "as the plan does: at most 24h" in page
    assert "back after at most 3h 4" in page
    assert [line for line in typed(text) if "--to latest" in line] == []


def test_after_a_corruption_it_is_an_image_from_before() -> None:
    text = policy("corruption { rpo 26h  rto 40min }", "host { rpo 10s }")
    assert typed(text)[0] == f"{WHOLE} IMAGE \\"
    assert f"# {WHOLE} POINT \\" in runbook_markdown(planned(text))


def test_with_the_log_nothing_is_left_out() -> None:
    text = policy("host { rpo 10s  rto 5h }")
    assert "image alone" not in verdict_table(check(text))
    assert planned(text).recoveries[0].logs_left == ()
    assert typed(text) == [f"{WHOLE} latest \\"]


def test_where_there_is_no_log_nothing_is_left_out() -> None:
    text = policy("host { rpo 26h  rto 5h }").replace("hot to na every 5s", "")
    assert "image alone" not in verdict_table(check(text))
    assert planned(text).recoveries[0].logs_left == ()
