"""What docs/operations ships is right: metrics that exist, alerts that are explained, units that systemd takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bkpc_runtime.commands.status_metrics import METRICS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "operations"
KNOWN = {name for name, _, _ in METRICS} | {"bkpc_status_ok"}
_METRIC = re.compile(r"\bbkpc_[a-z_]+")


def expressions() -> list[str]:
    alerts = re.findall(r"^ +expr: (.+)$", (FOLDER / "alerts.yml").read_text(), re.MULTILINE)
    panels = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    return alerts + [target["expr"] for panel in panels for target in panel["targets"]]


def test_alerts_and_dashboard_ask_for_metrics_that_exist() -> None:
    asked = {name for one in expressions() for name in _METRIC.findall(one)}
    assert asked <= KNOWN
    assert len(expressions()) > 15


def test_every_alert_is_explained() -> None:
    alerts = set(re.findall(r"alert: (\w+)", (FOLDER / "alerts.yml").read_text()))
    explained = set(re.findall(r"^\| `(Bkpc\w+)`", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))
    assert alerts == explained


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units() -> None:
    units = sorted(str(path) for path in FOLDER.glob("bkpc-*.*"))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    mine = [line for line in done.stderr.splitlines() if "bkpc" in line and "not executable" not in line]
    assert mine == [], done.stderr
