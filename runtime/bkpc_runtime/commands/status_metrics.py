"""`bkpc status --format prometheus`: the rows of `status` as metrics. docs/monitoring.md lists them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bkpc_runtime.errors import StoreDenied, StoreUntrusted

Row = Mapping[str, Any]
Value = float | int | None


def _stream(name: str) -> Callable[[Row], Value]:
    return lambda row: (row["stream"] or {}).get(name)


def _agent(row: Row) -> Value:
    """None where no agent ever ran with this work folder: it may run elsewhere."""
    said = (row["stream"] or {}).get("agent", "none here")
    return None if said == "none here" else int(said == "running")


def _oldest_point(row: Row) -> Value:
    return min((datetime.fromisoformat(one["from"]).timestamp() for one in row["windows"]), default=None)


def _last_verified(row: Row) -> Value:
    last = row["last_verified"]
    return datetime.fromisoformat(last["at"]).timestamp() if last else None


def _drill(name: str) -> Callable[[Row], Value]:
    """Of the newest drill; None where none was held."""
    return lambda row: None if (value := (row["drill"] or {}).get(name)) is None else int(value)


def answers(row: Row) -> bool:
    """Whether the store of a row could be asked; else only what the agent and the server say is known."""
    return "unanswered" not in row


METRICS: tuple[tuple[str, str, Callable[[Row], Value]], ...] = (
    ("bkpc_store_answers", "1 when the store can be read, 0 when nothing else of it is known",
     lambda row: int(answers(row))),
    ("bkpc_store_refuses", "1 while it answers, and refuses: a key, what it may do, a certificate",
     lambda row: int(row.get("what") in {StoreDenied.words, StoreUntrusted.words})),
    ("bkpc_images", "complete images in the store", lambda row: row["images"]),
    ("bkpc_image_age_seconds", "age of the newest image", lambda row: row["image_age_seconds"]),
    ("bkpc_image_of_the_future", "1 while an image says that it was begun later than now",
     lambda row: int(bool(row["ahead"]))),
    ("bkpc_images_held", "images that wait for a release", lambda row: len(row["held"])),
    (
        "bkpc_log_damaged",
        "places where the log was found damaged when it was last read",
        lambda row: len(row["log_damaged"]),
    ),
    ("bkpc_images_damaged", "images found damaged when they were last read", lambda row: len(row["damaged"])),
    ("bkpc_images_expiring", "images that are to go", lambda row: len(row["expiring"])),
    ("bkpc_expiry_resting", "1 while nothing may expire", lambda row: int(bool(row["expiry_rests"]))),
    ("bkpc_newest_image_verified", "1 when the newest image was read back and is whole",
     lambda row: int(row["newest_verified"])),
    ("bkpc_last_verified_timestamp_seconds", "when an image was last read back", _last_verified),
    ("bkpc_oldest_point_timestamp_seconds", "from here on points can be restored by log", _oldest_point),
    ("bkpc_log_severed", "1 when the log does not continue the newest image", lambda row: int(bool(row["severed"]))),
    ("bkpc_log_behind_bytes", "what the server has written and the store lacks", lambda row: row["bytes_not_stored"]),
    ("bkpc_log_lag_seconds", "the same as time, where the agent runs here", _stream("lag_seconds")),
    ("bkpc_agent_running", "1 while the agent that streams from here runs, 0 when it has stopped", _agent),
    ("bkpc_jobs_overdue", "images and copies that are overdue", lambda row: len(row["overdue"])),
    ("bkpc_drill_passed", "1 when the newest drill from the store passed", _drill("passed")),
    ("bkpc_drill_age_seconds", "since the newest drill from the store began", _drill("age_seconds")),
    ("bkpc_drill_overdue", "1 when a drill that the policy asks for was not held", _drill("overdue")),
    ("bkpc_promises_endangered", "promises that what is wrong there keeps from being kept",
     lambda row: len(row["endangered"])),
    ("bkpc_promised_rpo_seconds", "the shortest RPO that is promised for all instants",
     lambda row: row["promised_rpo_seconds"]),
    ("bkpc_promised_rpo_for_share_seconds", "the shortest RPO that is promised for a share of all instants",
     lambda row: min((one["seconds"] for one in row["promised_rpo_for_share"]), default=None)),
)  # fmt: skip
"""Name, help, and its value of a row; None: not known, and left out."""
_ALWAYS = {
    "bkpc_store_answers",
    "bkpc_store_refuses",
    "bkpc_log_lag_seconds",
    "bkpc_agent_running",
    "bkpc_promises_endangered",
}
"""Known of a store that does not answer, too."""


def metrics(rows: Sequence[Row], fine: bool) -> Iterator[str]:
    """Lines of the text format; `fine`: what the exit code says."""
    yield "# HELP bkpc_status_ok 1 when `bkpc status` ends with 0"
    yield "# TYPE bkpc_status_ok gauge"
    yield f"bkpc_status_ok {int(fine)}"
    for name, words, value in METRICS:
        known = rows if name in _ALWAYS else [row for row in rows if answers(row)]
        found = [(row, number) for row in known if (number := value(row)) is not None]
        if found:
            yield f"# HELP {name} {words}"
            yield f"# TYPE {name} gauge"
        for row, number in found:
            yield f'{name}{{database="{_escaped(row["database"])}",store="{_escaped(row["store"])}"}} {number}'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
