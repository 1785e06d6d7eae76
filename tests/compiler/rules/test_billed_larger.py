"""A log in pieces smaller than the class bills: exact at the border."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.compiler.one_file import check

PAGE = (Path(__file__).parents[3] / "docs" / "errors" / "BKP4006.md").read_text()
POLICY = re.findall(r"```bkp\n(.*?)```", PAGE, re.DOTALL)[0]


def told(text: str) -> list[str]:
    return [one.message for one in check(text).diagnostics if one.code == "BKP4006"]


@pytest.mark.parametrize(
    ("writes", "every", "found"),
    [
        ("64KiB/s", "1s", 0),  # just as much as is billed
        ("65535B/s", "1s", 1),
        ("100MiB/h", "1s", 1),
        ("100MiB/h", "2s", 1),
        ("100MiB/h", "3s", 0),
    ],
)
def test_the_border_is_exact(writes: str, every: str, found: int) -> None:
    assert len(told(POLICY.replace("100MiB/h", writes).replace("every 1s", f"every {every}"))) == found


def test_the_help_names_a_time_that_is_enough() -> None:
    (diagnostic,) = [one for one in check(POLICY).diagnostics if one.code == "BKP4006"]
    assert "holds 29,128 bytes at most" in diagnostic.message
    (seconds,) = re.findall(r"every (\d+)s", diagnostic.help or "")
    assert told(POLICY.replace("every 1s", f"every {seconds}s")) == []
    assert told(POLICY.replace("every 1s", f"every {int(seconds) - 1}s"))


def test_a_class_without_a_minimum_and_a_directory_are_fine() -> None:
    assert told(POLICY.replace("infrequent_access", "standard")) == []
