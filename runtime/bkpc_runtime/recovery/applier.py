"""A replay by the target's own parallel applier: archived binlogs are handed over as relay logs of a channel of ours.

It goes on from batch to batch of whole files, while later ones still come. Nothing is left of it: neither channel
nor files, and variables are as they were.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from bkpc_grammar.log_objects import HANDED_MS
from bkpc_runtime.errors import ServerFailed, ToolFailed
from bkpc_runtime.mysql.binlog.events import HEADER, OF_THE_FILE
from bkpc_runtime.mysql.connection import query, server_errors
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.recovery.spool import LogFile, Spool
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import ByApplier

log = logging.getLogger(__name__)
_CHANNEL = "bkpc"
_MAGIC = b"\xfebin"
_SINCE = (8, 0, 23)
_SHORTEST, _LONGEST = 0.02, HANDED_MS / 1000 / 4
"""What is proved of a recovery counts on that: what is left is for the server to begin and to stop."""
_FEWEST_WORKERS = 16
"""MySQL's coordinator burns processor time while it waits for one that is free: measured, five times with 4."""
_EMPTY = "the target is not restored: empty it, then restore to a position before that"
_HIGHEST_ID = 2**32 - 2


def replay_by_applier(
    spool: Spool, target: Target, facts: ServerFacts, way: ByApplier, progress: Callable[[str, int], None]
) -> int:
    """Everything that is spooled, but for what begins with a file of tagged GTIDs; how many files that were.

    Raises:
        ToolFailed: the applier stopped before the end; where is named.
    """
    with closing(target.connect()) as connection:
        query(connection, "SET SESSION wait_timeout = 31536000")
        channel = _Channel(connection, facts)
        channel.reset()
        done = 0
        with _settings(connection) as settings:
            while files := list(takewhile(lambda one: not one.tagged, spool.files(done))):
                _prepare(settings, facts, spool)
                done += len(files)
                # MySQL never says that it is at the end of a file in which nothing is executed.
                while files and not _holds_anything(files[-1]):
                    files.pop()
                if not files:
                    continue
                try:
                    channel.apply(files, way, progress)
                finally:
                    channel.reset()
        return done


def _holds_anything(file: LogFile) -> bool:
    """Whether a binlog has more than what tells of itself: then something of it is executed."""
    with file.path.open("rb") as log_:
        at = len(_MAGIC)
        while at < file.size:
            log_.seek(at)
            kind, length = struct.unpack("<4xB4xI", log_.read(13))
            if kind not in OF_THE_FILE or length < HEADER:
                return True
            at += length
    return False


class _Channel:
    """Our channel, in the words of the server."""

    def __init__(self, connection: Connection[Any], facts: ServerFacts) -> None:
        self._connection, self._facts = connection, facts
        self._mariadb = facts.flavour == "mariadb"
        self._modern = facts.flavour == "mysql" and facts.version >= _SINCE

    def apply(self, files: Sequence[LogFile], way: ByApplier, progress: Callable[[str, int], None]) -> None:
        """Hands the files over, and waits until all of them is executed."""
        names = self._hand_over(files, way)
        self._run(self._change(names[0], files[0].name))
        self._start()
        pause = _SHORTEST
        while not self._done(files, names):
            self._insist(self._status(), files, names)
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST)
        self._stop()
        if not self._done(files, names):
            raise ToolFailed(f"the applier did not come to the end of {files[-1].name}", help=_EMPTY)
        for one in files:
            progress(one.name, one.size)

    def _done(self, files: Sequence[LogFile], names: Sequence[str]) -> bool:
        if self._mariadb:
            # What it says of its position may be ahead of its workers; what is committed is not.
            wanted = {one.partition("-")[0]: one for file in files for one in file.gtids}
            reached = str(query(self._connection, "SELECT @@GLOBAL.gtid_slave_pos")[0][0]).split(",")
            if wanted:
                return set(wanted.values()) <= set(reached)
        status = self._status()
        at, last = _number(str(status["Relay_Log_File"])), len(names)
        return at > last or (at == last and int(status["Relay_Log_Pos"]) >= files[-1].size)

    def _insist(self, status: dict[str, Any], files: Sequence[LogFile], names: Sequence[str]) -> None:
        error = int(status["Last_SQL_Errno"])
        running = status.get("Replica_SQL_Running", status.get("Slave_SQL_Running"))
        if not error and running == "Yes":
            return
        if not error and self._done(files, names):
            return
        at = _number(str(status["Relay_Log_File"]))
        name = files[min(max(at, 1), len(files)) - 1].name
        offset = status.get("Exec_Source_Log_Pos", status.get("Exec_Master_Log_Pos"))
        said = status["Last_SQL_Error"] or "it stopped and gave no reason"
        if self._modern and error:
            said = self._worker_error() or said
        raise ToolFailed(f"the replay stopped after {name}:{offset}: {said}", help=_EMPTY)

    def _worker_error(self) -> str:
        """The error itself: the channel's own is but that there is one."""
        with contextlib.suppress(ServerFailed):
            rows = query(
                self._connection,
                "SELECT last_error_message FROM performance_schema.replication_applier_status_by_worker "
                "WHERE channel_name = %s AND last_error_number <> 0",
                (_CHANNEL,),
            )
            return str(rows[0][0]) if rows else ""
        return ""

    def _forget_killed(self) -> None:
        """MySQL tries its folder for loads with a file of the channel's name, which one that was killed leaves behind,
        and which then no longer can be made."""
        folder = self._facts.variable("replica_load_tmpdir") or self._facts.variable("slave_load_tmpdir")
        for left in Path(folder).glob(f"SQL_LOAD-{_CHANNEL}*") if folder and not self._mariadb else ():
            left.unlink(missing_ok=True)

    def _hand_over(self, files: Sequence[LogFile], way: ByApplier) -> list[str]:
        self._forget_killed()
        base = self._relay_base(way)
        names = []
        for number, one in enumerate(files, 1):
            path = Path(f"{base}.{number:06d}")
            one.path.rename(path)
            _give(path, way)
            names.append(path.name)
        index = Path(f"{base}.index")
        # As the server itself would write them.
        folder = "." if base.parent.samefile(self._facts.variable("datadir")) else str(base.parent)
        index.write_text("".join(f"{folder}/{name}\n" for name in names))
        _give(index, way)
        return names

    def _relay_base(self, way: ByApplier) -> Path:
        """Where the channel's relay logs are, and how they begin."""
        if not self._mariadb:
            return Path(f"{self._facts.variable('relay_log_basename')}-{_CHANNEL}")
        # Nothing tells before there is a channel.
        self._run(f"CHANGE MASTER '{_CHANNEL}' TO MASTER_HOST = 'none', MASTER_USER = 'none'")
        name = str(self._status()["Relay_Log_File"]).rpartition(".")[0]
        self.reset()
        return way.folder / name

    def _change(self, first: str, source: str) -> str:
        if self._mariadb:
            # Without a name of the source's log MariaDB's parallel applier crashes (10.11).
            file = source.rpartition("/")[2]
            return (
                f"CHANGE MASTER '{_CHANNEL}' TO MASTER_HOST = 'none', MASTER_USER = 'none', MASTER_USE_GTID = no, "
                f"MASTER_LOG_FILE = '{file}', MASTER_LOG_POS = 4, RELAY_LOG_FILE = '{first}', RELAY_LOG_POS = 4"
            )
        if not self._modern:
            return (
                f"CHANGE MASTER TO MASTER_HOST = 'none', RELAY_LOG_FILE = '{first}', RELAY_LOG_POS = 4 "
                f"FOR CHANNEL '{_CHANNEL}'"
            )
        own = self._facts.variable("gtid_mode") == "ON"
        gtids = ", ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = LOCAL" if own else ""
        return (
            f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'none', RELAY_LOG_FILE = '{first}', RELAY_LOG_POS = 4{gtids} "
            f"FOR CHANNEL '{_CHANNEL}'"
        )

    def _start(self) -> None:
        if self._mariadb:
            self._run(f"START SLAVE '{_CHANNEL}' SQL_THREAD")
        else:
            self._run(f"START {self._replica} SQL_THREAD FOR CHANNEL '{_CHANNEL}'")

    def _stop(self) -> None:
        if self._mariadb:
            self._run(f"STOP SLAVE '{_CHANNEL}'")
        else:
            self._run(f"STOP {self._replica} FOR CHANNEL '{_CHANNEL}'")

    def reset(self) -> None:
        """No channel and no files of it, whether there were any or not."""
        with contextlib.suppress(ServerFailed):
            self._stop()
        with contextlib.suppress(ServerFailed):
            if self._mariadb:
                self._run(f"RESET SLAVE '{_CHANNEL}' ALL")
            else:
                self._run(f"RESET {self._replica} ALL FOR CHANNEL '{_CHANNEL}'")

    @property
    def _replica(self) -> str:
        return "REPLICA" if self._modern else "SLAVE"

    def _status(self) -> dict[str, Any]:
        words = f"SHOW SLAVE '{_CHANNEL}' STATUS"
        if not self._mariadb:
            words = f"SHOW {self._replica} STATUS FOR CHANNEL '{_CHANNEL}'"
        with server_errors(""), self._connection.cursor() as cursor:
            cursor.execute(words)
            row = cursor.fetchone()
            if row is None:
                raise ServerFailed("the channel of the replay is gone: somebody has reset it")
            return dict(zip((one[0] for one in cursor.description), row, strict=True))

    def _run(self, statement: str) -> None:
        query(self._connection, statement)


def _number(name: str) -> int:
    digits = name.rpartition(".")[2]
    return int(digits) if digits.isdigit() else 0


def _give(path: Path, way: ByApplier) -> None:
    """Files of the server belong to the server."""
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, *way.owner)


class _Settings:
    """Global variables that a replay needs otherwise."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._before: dict[str, str] = {}
        self.emptied = False

    def set(self, name: str, value: str) -> None:
        before = str(query(self._connection, f"SELECT @@GLOBAL.{name}")[0][0])
        if before != value:
            query(self._connection, f"SET GLOBAL {name} = {_literal(value)}")
            self._before.setdefault(name, before)

    def put_back(self) -> None:
        for name, value in self._before.items():
            try:
                query(self._connection, f"SET GLOBAL {name} = {_literal(value)}")
            except ServerFailed as problem:
                # What stopped the replay says more than that the server is gone now.
                log.warning("%s was %s before the replay, and can't be put back: %s", name, value or "empty", problem)


@contextmanager
def _settings(connection: Connection[Any]) -> Iterator[_Settings]:
    settings = _Settings(connection)
    try:
        yield settings
    finally:
        settings.put_back()


def _literal(value: str) -> str:
    return value if value.isdigit() else f"'{value}'"


def _prepare(settings: _Settings, facts: ServerFacts, spool: Spool) -> None:
    # A server skips what it once committed itself, by its number: the restored one often has that of the source.
    if facts.server_id in spool.server_ids or facts.server_id == 0:
        free = (one for one in range(_HIGHEST_ID, 0, -1) if one not in spool.server_ids)
        settings.set("server_id", str(next(free)))
    workers = max(_FEWEST_WORKERS, os.cpu_count() or 1)
    words = "replica" if facts.variable("replica_exec_mode") else "slave"
    settings.set(f"{words}_exec_mode", "STRICT")
    threads = f"{words}_parallel_workers" if facts.flavour == "mysql" else "slave_parallel_threads"
    if int(facts.variable(threads, "0")) < workers:
        settings.set(threads, str(workers))
    if facts.flavour == "mariadb":
        settings.set("gtid_strict_mode", "0")
        if not settings.emptied:
            # So that it tells what this replay has done, and nothing from before.
            settings.set("gtid_slave_pos", "")
            settings.emptied = True
