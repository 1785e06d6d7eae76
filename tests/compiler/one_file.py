"""Checking a policy given as text."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from bkpc_compiler.commands.source_files import FileReader
from bkpc_compiler.passes import Checked, check_sources, compile_sources
from bkpc_compiler.program.resolve import Reader
from bkpc_grammar.plan import Plan
from tests.compiler.facts_made import circumstances

SMALL = """\
edition 1

site here { region "local" }
site there { region "local" }
link here -- there { bandwidth 1Gbit/s }
store disk at here { directory "backups" }
store far at there { directory "backups" }

database shop at here {
  mysql "127.0.0.1:3306"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h
}

policy basic {
  promise against corruption { rpo 10s  rto 30min }
  full daily at 02:00 within 1h to disk
  hot  to disk, far every 2s
  keep 14d
}

protect shop with basic
"""


def check(text: str, **others: str) -> Checked:
    """What `check` says of `text`; `others` are files beside it, by their name without `.bkp`."""
    return check_sources(["policy.bkp"], _reader(text, others))


def check_with(text: str, *made: dict[str, Any], today: date | None = None, **others: Any) -> Checked:
    """What `check` says of `text` beside measured figures."""
    return check_sources(["policy.bkp"], _reader(text, {}), circumstances(*made, today=today, **others))


def compiled(text: str, **others: str) -> Checked:
    """What `compile` says of it."""
    return compile_sources(["policy.bkp"], _reader(text, others), "0")[1]


def planned(text: str, **others: str) -> Plan:
    """The plan of it."""
    plan, checked = compile_sources(["policy.bkp"], _reader(text, others), "0")
    assert plan is not None, checked.diagnostics
    return plan


def _reader(text: str, others: dict[str, str]) -> Reader:
    beside = {f"{name}.bkp": body for name, body in others.items()} | {"policy.bkp": text}
    elsewhere = FileReader(Path("/nowhere"))
    return lambda path: beside[path] if path in beside else elsewhere(path)


def changed(*pairs: tuple[str, str]) -> str:
    """`SMALL` with the first of each pair, which must be in it, replaced by the second."""
    text = SMALL
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    return text
