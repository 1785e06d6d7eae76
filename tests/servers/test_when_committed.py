"""When a transaction was committed, by the log of a real server; and that a restore to a time believes no more."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bkpc_runtime.errors import Refused
from bkpc_runtime.mysql.binlog.transactions import Transaction, transactions
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.recovery import common_point as common_point_
from bkpc_runtime.recovery import moment
from bkpc_runtime.recovery.choice import choose
from bkpc_runtime.recovery.common_point import common_point
from bkpc_runtime.recovery.point import AtPosition, AtTime, Latest
from bkpc_runtime.stores.directory import DirectoryStore
from tests.database_server import ThrowawayServer
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_breaks import image, writing

__all__ = ["writing"]


def ran(server: ThrowawayServer, *statements: str) -> None:
    subprocess.run([*server.client_command(), "-e", "; ".join(statements)], check=True, stdout=subprocess.DEVNULL)


def last(server: ThrowawayServer) -> Transaction:
    body = (Path(server.datadir) / position(server).file).read_bytes()
    return list(transactions([(position(server).file, 0, body)]))[-1]


def now() -> datetime:
    return datetime.now(UTC)


def test_a_long_statement_is_not_taken_for_committed_when_it_began(
    writing: ThrowawayServer, disk: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moment, "SOON", timedelta(seconds=1))
    writing.run("INSERT INTO w.t VALUES (1), (2)")
    image(writing, disk)
    time.sleep(1)  # MariaDB's times are whole seconds
    with Streaming(writing, disk) as stream:
        began = now()
        ran(writing, "DELETE FROM w.t WHERE SLEEP(1.5) = 0")
        ended = now()
        long, middle = last(writing), began + timedelta(seconds=2)
        wait_for(stream, position(writing))
        if writing.flavour == "mysql":  # it writes when it was committed
            assert long.shown
            assert middle < long.committed < ended
            return
        assert not long.shown
        assert long.committed <= began
        with pytest.raises(Refused, match=f"`shop`: .* begins at {long.file}:{long.start} was committed"):
            common_point({"shop": disk}, AtTime(middle), ["shop"], [])
        # The latest that all have is before it, until something shows that it has ended.
        with monkeypatch.context() as patch:
            patch.setattr(moment, "stored_with", lambda *_: lambda _: ended)
            patch.setattr(common_point_, "stored_with", lambda *_: lambda _: ended)
            found, (member,) = common_point({"shop": disk}, Latest(), [], [])
        assert found == long.committed
        assert member.start.point == AtPosition(Position(long.file, long.start))
        time.sleep(1)
        ran(writing, "BEGIN", "INSERT INTO w.t VALUES (3)", "DO SLEEP(1.1)", "COMMIT")
        assert last(writing).shown
        ran(writing, "SET binlog_format = STATEMENT", "INSERT INTO w.t SELECT 4 + SLEEP(1.1)")
        told = last(writing)
        assert told.shown
        assert now() - told.committed < timedelta(seconds=2)
        wait_for(stream, position(writing))
    with pytest.raises(Refused, match=f"begins at {long.file}:{long.start} was committed") as raised:
        choose(disk, "shop", middle.isoformat(), [])
    assert f"--to {long.file}:{long.start} leaves it out, --to {long.file}:{long.end} has it" in raised.value.help
    stored = moment.stored_with(disk, choose(disk, "shop", "latest", []).start.window)  # type: ignore[arg-type]
    at = stored(long)
    assert at is not None
    assert choose(disk, "shop", at.isoformat(), []).stop.offset == long.end  # type: ignore[union-attr]
