"""Ages of images, by hand."""

from __future__ import annotations

from bkpc_compiler.feasibility.verdict import Verdict
from tests.compiler.one_file import changed, check


def verdict(promise: str, *levels: str) -> Verdict:
    """Of the only RPO promised; images alone come to `disk`."""
    text = changed(
        ("promise against corruption { rpo 10s  rto 30min }", f"promise against corruption {{ {promise} }}"),
        ("full daily at 02:00 within 1h to disk", "\n  ".join(levels)),
        ("  hot  to disk, far every 2s\n", ""),
    )
    analysis = check(text).analysis
    assert analysis is not None
    (answer,) = analysis.answers
    return answer.verdict


def test_two_levels_a_day_apart_are_seldom_stale() -> None:
    """Mondays and Tuesdays: the worst age is 6 days and more, yet in half of all instants it is below 2.5 days.

    Half of the worst gap, 3 days, is no lower bound for half of all instants: `rpo 67h for 50%` can be kept.
    """
    levels = ("full weekly on monday at 02:00 within 1h to disk", "full weekly on tuesday at 02:00 within 1h to disk")
    assert verdict("rpo 67h for 50%", *levels) is Verdict.PROVED
    assert verdict("rpo 41h for 50%", *levels) is Verdict.REFUTED
    assert verdict("rpo 142h", *levels) is Verdict.REFUTED
    assert verdict("rpo 170h", *levels) is Verdict.PROVED
