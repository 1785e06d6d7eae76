"""What gives jobs room in their windows does, as a change of the text; one step less does not."""

from __future__ import annotations

import re

import pytest

from bkpc_compiler.diagnostics.diagnostic import Diagnostic
from tests.compiler.one_file import check

ESTATE = """\
edition 1

site here { region "local" }
site there { region "local" }
link here -- there { bandwidth 20Mbit/s }
store disk at here { directory "backups" reads 1Gbit/s writes 1Gbit/s }
store far at there { directory "backups" reads 1Gbit/s writes 1Gbit/s }

database shop at here {
  mysql "127.0.0.1:3306"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 60GiB  writes 100MiB/h
}

policy basic {
  promise against corruption { rpo 30h }
  full daily at 02:00 within 2h to disk
  cold daily at 05:00 within WINDOW from disk to far
  keep 14d
}

protect shop with basic
"""


def found(text: str) -> list[Diagnostic]:
    return [one for one in check(text).diagnostics if one.code == "BKP2003"]


@pytest.mark.parametrize(("window", "edit"), [("4h", "9h"), ("6h", "9h"), ("8h", "9h")])
def test_a_wider_window_makes_room(window: str, edit: str) -> None:
    text = ESTATE.replace("WINDOW", window)
    (one,) = found(text)
    assert one.edit is not None
    assert one.edit.text == edit
    assert f"`within {edit}`" in (one.help or "")
    assert not found(text[: one.edit.span.start] + edit + text[one.edit.span.end :])
    less = f"{int(edit.removesuffix('h')) - 1}h"
    assert found(text[: one.edit.span.start] + less + text[one.edit.span.end :])


def test_so_does_a_wider_link_and_no_less() -> None:
    text = ESTATE.replace("WINDOW", "4h")
    (one,) = found(text)
    told = re.search(r"`bandwidth (\d+)Mbit/s`", one.help or "")
    assert told is not None
    enough = int(told[1])
    assert not found(text.replace("20Mbit/s", f"{enough}Mbit/s"))
    assert found(text.replace("20Mbit/s", f"{enough - 1}Mbit/s"))


def test_what_no_schedule_moves_is_shown_with_its_interval_and_jobs() -> None:
    (one,) = found(ESTATE.replace("WINDOW", "4h"))
    assert "cannot all be done" in one.message
    witness = next(note for note in one.notes if note.startswith("in 4h"))
    assert "60GiB are due (shop/cold/far)" in witness
    assert "link here -- there moves at most 33.5GiB" in witness


MONTHLY = """\
edition 1

site here { region "local" }
store disk at here { directory "backups" reads 1MB/s writes 0.1B/s }
database shop at here {
  mysql "127.0.0.1:3306"
  credentials env U, P
  size 1TB  writes 100MiB/h
}
policy basic {
  promise against corruption { rpo 70d }
  full monthly on 28 at 03:00 WITHIN to disk
  keep 14d
}
protect shop with basic
"""


@pytest.mark.parametrize("within", ["", "within 30d", "within 28d"])
def test_of_a_monthly_job_no_window_is_widened_beyond_a_february(within: str) -> None:
    (one,) = found(MONTHLY.replace("WITHIN", within))
    assert one.help == (
        "no window helps: it must be done within 28d, before it is due again after a February; "
        "make room on writing to `disk`, or send less through it"
    )


def test_of_a_monthly_job_a_wider_window_is_found() -> None:
    text = MONTHLY.replace("WITHIN", "within 2d").replace("0.1B/s", "1MB/s")
    (one,) = found(text)
    assert one.edit is not None
    assert one.edit.text == "15d"
    assert not found(text.replace("within 2d", "within 15d"))
    assert found(text.replace("within 2d", "within 14d"))
