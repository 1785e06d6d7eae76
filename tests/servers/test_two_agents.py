"""Two agents of one plan in two folders: the server shows each the other."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from bkpc_runtime import stream_watch
from bkpc_runtime.commands.status_stream import stream_fine, stream_lines, stream_rows
from bkpc_runtime.mysql.other_readers import reads_here
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stream_watch import ServerWatch
from bkpc_runtime.work_folder import held, publish, stream_folder
from bkpc_runtime.world import World
from tests.compiler.one_file import changed, planned
from tests.database_server import ThrowawayServer
from tests.servers.streaming import Streaming, position, wait_for

READS = """
import sys
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.binlog.receiver import receive
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.flavour import Position, read_facts

address = parse_address(sys.argv[1])
for _ in receive(connect(address), read_facts(connect(address)), Position(sys.argv[2], 4)):
    print("reads", flush=True)
"""


class Elsewhere:
    """A connection to another server."""

    open = True

    def __init__(self, number: int) -> None:
        self._number = number

    def thread_id(self) -> int:
        return self._number


def test_each_is_told_of_the_other(
    server: ThrowawayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream_watch, "_LOOKS", 1)
    # What this process reads from another server, which numbers its connections from 1, too.
    elsewhere = [Elsewhere(number) for number in range(2000)]
    for one in elsewhere:
        reads_here(cast(Any, one), "another-server")
    command = [sys.executable, "-c", READS, server.url, position(server).file]
    with Streaming(server, DirectoryStore("disk", tmp_path / "backups")) as stream:
        wait_for(stream, position(server))
        watch = ServerWatch("shop/hot", stream)
        for _ in range(3):
            watch.look()
        assert watch.others == (), "its own connections are no other agent's"
        other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert other.stdout
            assert other.stdout.readline() == "reads\n"
            with caplog.at_level(logging.WARNING):
                watch.look()
                assert watch.others == (), "who asks for the beginning of a binlog is gone in a moment"
                watch.look()
        finally:
            other.kill()
            other.communicate()
        text = "".join(watch.others)
        assert text.startswith("localhost since ")
        assert f"stream shop/hot: another agent reads this log, too, and stores it again: from {text}" in caplog.text
        state = dataclasses.replace(stream.state(), others=watch.others)
    world = World(planned(changed()), tmp_path, {})
    folder = stream_folder(tmp_path, world.plan.streams[0].id)
    with held(folder):
        publish(folder, state)
        row = stream_rows(world, tmp_path)["shop", "disk"]
        assert f"note: another agent reads this log, too: from {text}" in [*stream_lines(row)]
        assert row["other_agents"] == [text]
        assert stream_fine(row), "each byte is stored, and once more"
