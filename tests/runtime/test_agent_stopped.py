"""Whether the agent that streamed from here still runs is part of what `status` promises."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from bkpc_runtime.commands.status_metrics import metrics
from bkpc_runtime.commands.status_stream import stream_fine, stream_lines, stream_rows
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.steps.log_state import StoreState, StreamState
from bkpc_runtime.work_folder import held, publish, stream_folder
from bkpc_runtime.world import World
from tests.compiler.one_file import changed, planned

AT = Position("binlog.000001", 4)
WELL = StreamState(
    connected=True, received=AT, acknowledged=AT, acknowledged_lag=0.0,
    stores=(StoreState("disk", 1, AT, 0.0, 0.0, 0, ""), StoreState("far", 1, AT, 0.0, 0.0, 0, "")),
    sync="off", degraded_since=None, commit_waits=0.0, spooled=0, pausing="", problem="",
)  # fmt: skip


def test_one_that_has_stopped_is_a_promise_that_nobody_keeps(tmp_path: Path) -> None:
    world = World(planned(changed()), tmp_path, {})
    (stream,) = world.plan.streams

    def found() -> tuple[bool, str, str]:
        row = stream_rows(world, tmp_path)["shop", "disk"]
        told = "\n".join(
            metrics(
                [{"database": "shop", "store": "disk", "unanswered": "", "what": "", "stream": row, "endangered": []}],
                fine=True,
            )
        )
        running = "".join(line[-1] for line in told.splitlines() if line.startswith("bkpc_agent_running{"))
        return stream_fine(row), next(stream_lines(row)), running

    assert found() == (True, "agent: none has run with this work folder; lag is only known as bytes", "")
    folder = stream_folder(tmp_path, stream.id)
    with held(folder):
        publish(folder, dataclasses.replace(WELL))
        fine, line, running = found()
        assert (fine, running) == (True, "1"), line
    fine, line, running = found()
    assert (fine, running) == (False, "0")
    assert line.startswith("agent: NOT RUNNING here since ")
