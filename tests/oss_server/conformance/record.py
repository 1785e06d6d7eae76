"""What came of a run, kept beside the sources it was a run of, and the page made of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.oss_server.conformance.runner import Outcome
from tests.oss_server.conformance.suites import SUITES, Suite

SERVER = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PAGE = SERVER / "CONFORMANCE.md"
_KINDS = ("passed", "offline", "failed", "excluded", "skipped")


def sources() -> str:
    """A digest of the sources of the server and of what runs the suites: what a result is a result of."""
    folders = (SERVER, SERVER / "operations", SERVER / "conformance")
    files = sorted(path for folder in folders for path in folder.glob("*.py"))
    whole = hashlib.sha256()
    for path in files:
        if not path.name.startswith("test_"):
            whole.update(f"{path.relative_to(SERVER)}\n".encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def keep(suite: Suite, outcomes: Iterable[Outcome], version: str) -> None:
    """Writes the results of a suite."""
    rows = [asdict(one) for one in sorted(outcomes, key=lambda one: (one.file, one.test))]
    document = {"suite": suite.name, "version": version, "sources": sources(), "outcomes": rows}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{suite.name}.json").write_text(json.dumps(document, indent=0, ensure_ascii=False) + "\n")


def kept(suite: Suite) -> dict[str, Any]:
    """The results of a suite's last run."""
    document: dict[str, Any] = json.loads((RESULTS / f"{suite.name}.json").read_text())
    return document


def page() -> str:
    """CONFORMANCE.md."""
    lines = [
        "# How alike the server is",
        "",
        "Alibaba's SDKs carry live test-suites, written against the real service. `make oss-conformance` runs them",
        "against this server and writes this page. A test fails when oss2's results are older than the server's",
        "sources, or when the page isn't what the results say. The other suite isn't on PyPI: where its results are",
        "older than the server, the page says so.",
        "",
        "`offline` tests passed without asking the server anything, so they say nothing about it; `skipped` ones skip",
        "themselves; `excluded` ones ask for what this server leaves out, for the reason given below.",
        "",
        f"| suite | version | {' | '.join(_KINDS)} |",
        f"|---|---|{'--:|' * len(_KINDS)}",
    ]
    for suite in SUITES:
        document = kept(suite)
        counts = Counter(one["result"] for one in document["outcomes"])
        cells = " | ".join(str(counts[kind]) for kind in _KINDS)
        lines.append(f"| {suite.name} | {document['version']} | {cells} |")
    for suite in SUITES:
        lines += _section(suite, kept(suite))
    return "\n".join(lines) + "\n"


def _section(suite: Suite, document: dict[str, Any]) -> list[str]:
    rows = document["outcomes"]
    lines = ["", f"## {suite.name} {document['version']}", "", f"From {suite.origin}. Sources `{document['sources']}`."]
    if document["sources"] != sources():
        lines += ["", "**The server has changed since this run.**"]
    failed = [one for one in rows if one["result"] == "failed"]
    if failed:
        lines += ["", "### Failed", ""]
        lines += [f"- `{one['file']}::{one['test']}`: {_short(one['reason'])}" for one in failed]
    reasons: dict[str, list[str]] = {}
    for one in rows:
        if one["result"] == "excluded":
            reasons.setdefault(one["reason"], []).append(one["file"])
    lines += ["", "### Excluded", "", "| reason | tests | files |", "|---|--:|---|"]
    for reason, files in sorted(reasons.items()):
        names = ", ".join(f"`{Path(name).name}`" for name in sorted(set(files)))
        lines.append(f"| {reason} | {len(files)} | {names} |")
    lines += ["", "### By file", "", f"| file | {' | '.join(_KINDS)} |", f"|---|{'--:|' * len(_KINDS)}"]
    for name in sorted({one["file"] for one in rows}):
        counts = Counter(one["result"] for one in rows if one["file"] == name)
        lines.append(f"| `{name}` | {' | '.join(str(counts[kind] or '') for kind in _KINDS)} |")
    return lines


def _short(reason: str) -> str:
    return " ".join(reason.split())[:160].replace("|", "\\|").replace("`", "'")
