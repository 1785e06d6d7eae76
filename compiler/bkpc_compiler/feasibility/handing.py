"""What it costs a replay that an applier is given whole binlogs. See docs/feasibility.md."""

from __future__ import annotations

from bkpc_grammar.log_objects import HANDED_MS, HANDED_PARTS, LARGEST_BINLOG


def milliseconds(bytes_: int, rate: int) -> int:
    """What `bytes_` take at `rate`, rounded up: the plan's grain."""
    return -(-bytes_ * 1000 // rate)


def handing(bytes_: int, burst: int, rate: int) -> int:
    """Milliseconds beside the bytes of a log since an applier gets whole binlogs, all that are there when it is done
    with those before: no more than where it gets all at once, at the end."""
    if not bytes_:
        return 0
    takes = milliseconds(bytes_, rate)
    largest = milliseconds(min(bytes_, LARGEST_BINLOG + burst), rate)
    often = min(-(-takes // part) + HANDED_MS * part // 2 for part in HANDED_PARTS)
    return min(largest + often, takes) + HANDED_MS
