"""A window that is too short for its job alone: nobody who shares its way is blamed."""

from __future__ import annotations

from pathlib import Path

from tests.compiler.one_file import check

CORNERS = Path(__file__).parents[2] / "cases" / "corners"


def test_what_fills_a_window_is_told_part_by_part() -> None:
    """Of a copy: that it thaws, and is asked for, and not that it shares what it has for itself."""
    text = (CORNERS / "copies_that_thaw_ask_together.bkp").read_text().replace("within 4h", "within 3h1min")
    found = [one for one in check(text).diagnostics if one.code == "BKP2003"]
    assert sorted(one.message for one in found) == [
        f"{job} is not proved to be done in its window, were nothing else on its way"
        for job in ("mill/cold/away", "shop/cold/far")
    ]
    for one in found:
        (note,) = one.notes
        assert "3h to thaw, 42s to ask for the thaw of its objects and those of other copies" in note
        assert "sharing" not in note
    unproved = [one for one in check(text).diagnostics if one.code == "BKP2002"]
    assert len(unproved) == 2
    assert all(any("3h to thaw" in note for note in one.notes) for one in unproved)
    assert not any("beside each other" in note for one in unproved for note in one.notes)
