"""Levels that lead nowhere."""

from __future__ import annotations

import pytest

from tests.compiler.one_file import SMALL, changed, check

DAILY = "daily at 03:00 within 1h"


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("link here -> there { bandwidth 1Gbit/s }", []),
        ("link there -> here { bandwidth 1Gbit/s }", ["no link leads from `shop` at `here` to store `far`"]),
        ("", ["no link leads from `shop` at `here` to store `far`"]),
    ],
)
def test_links_lead_one_way(link: str, found: list[str]) -> None:
    text = changed(("link here -- there { bandwidth 1Gbit/s }", link))
    assert [one.message for one in check(text).diagnostics] == found


@pytest.mark.parametrize(
    ("levels", "nothing_in"),
    [
        (f"cold {DAILY} from disk to far", []),
        (f"cold {DAILY} from far to disk", ["far"]),
        (f"cold {DAILY} from far to third\n  cold {DAILY} from disk to far", []),
        (f"cold {DAILY} from far to third\n  cold {DAILY} from third to far", ["far", "third"]),
    ],
)
def test_copies_need_images(levels: str, nothing_in: list[str]) -> None:
    text = changed(
        ("keep 14d", f"{levels}\n  keep 14d"), ("store far", 'store third at here { directory "c" }\nstore far')
    )
    found = [one.message for one in check(text).diagnostics if one.code == "BKP4005"]
    assert len(found) == len(nothing_in)
    assert all(f"no image to `{name}`" in words for name, words in zip(nothing_in, found, strict=True))


def test_a_rule_for_nobody_is_told() -> None:
    (found,) = check(f'{SMALL}\nrequire every database where env == "prod" {{ keep >= 1d }}\n').diagnostics
    assert (found.code, found.severity) == ("BKP1010", "warning")
