"""A replay through the client: `mysqlbinlog | mysql`, fed with the log as it comes."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from bkpc_runtime.engines.process import Program
from bkpc_runtime.errors import ServerFailed, ToolFailed
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.mysql.identifiers import quote
from bkpc_runtime.mysql.tools import client_options, find_tool
from bkpc_runtime.recovery.loading import client_command
from bkpc_runtime.recovery.spool import LogFile, Spool
from bkpc_runtime.recovery.target import Target

log = logging.getLogger(__name__)
_PACKET = 1 << 30
_MAGIC = 4
_DONE = b"all of it is executed\n"
_LAST = b"\nSELECT '" + _DONE.strip() + b"';\n"
"""What comes behind the log: a client that has not answered it has not come to its end, whatever its status says."""
_EMPTY = "the target is not restored: empty it, then restore to a position before that"
_DELIMITER = b"/*!*/;\n"
_ROWS_COME = b" START TRANSACTION\n" + _DELIMITER
_KEPT = 4 << 20
"""Bytes of text in which the failing statement is looked for: more than a pipe and the client's own buffer hold."""
_AT_LINE = re.compile(r" at line (\d+)")
_BEGINS = re.compile(rb"# at (\d+)")
_ENDS = re.compile(rb"^#.* end_log_pos (\d+)")


def replay_by_client(
    spool: Spool, target: Target, facts: ServerFacts, progress: Callable[[str, int], None], after: int = 0
) -> None:
    """Everything that is spooled beyond the first `after` files.

    Raises:
        ToolFailed: the tool or the client stopped; the client's last position is named.
    """
    command = [find_tool(facts.flavour, "binlog"), "--no-defaults"]
    # Of the first file only what comes after the image is there, which strictness takes for a loss.
    command += ["--skip-gtids", "-"] if facts.flavour == "mysql" else ["--loose-skip-gtid-strict-mode", "-"]
    with (
        ExitStack() as stack,
        _large_packets(target, facts),
        client_options(target.address, facts.flavour) as options,
        Program(command, feeds=True, gives=True) as reader,
        Program([*client_command(facts, str(options)), "--skip-column-names"], feeds=True, gives=True) as client,
    ):
        feeding = _Feeding(spool.stream(after), reader, progress)
        place = _Place()
        answers = stack.enter_context(ThreadPoolExecutor(1)).submit(_end_of, client)
        text = harmless(reader.chunks(), lambda: spool.broken_names)
        for chunk in uncommented(text) if facts.flavour == "mysql" else text:
            place.note(chunk)
            try:
                client.feed(chunk)
            except ToolFailed as problem:
                raise place.named(problem, feeding) from problem
        feeding.finish()
        # The reader first: what it did not print must not be committed as if it were all.
        reader.finish()
        try:
            client.feed(_LAST)
            client.end_input()
            said = answers.result()
            client.finish()
        except ToolFailed as problem:
            raise place.named(problem, feeding) from problem
        if not said.endswith(_DONE):
            raise ToolFailed(f"{client.name} ended before it had executed all of the log", help=_EMPTY)


def _end_of(program: Program) -> bytes:
    """The last it answers; what comes before must be read, or it stops."""
    last = b""
    for chunk in program.chunks():
        last = (last + chunk)[-len(_DONE) :]
    return last


def harmless(chunks: Iterable[bytes], names: Callable[[], Collection[tuple[str, str]]]) -> Iterator[bytes]:
    """The binlog tool's text, without line ends in the names of tables in its comments.

    It writes names there as they are: what comes after a line end would be run as a statement.
    """
    waiting = b""
    for chunk in chunks:
        known = names()
        # MariaDB's tool doubles backticks, MySQL's does not.
        comments = [f"Table_map: {quote(*one)} mapped to".encode() for one in known]
        comments += [f"Table_map: `{schema}`.`{table}` mapped to".encode() for schema, table in known]
        text = waiting + chunk
        for one in comments:
            text = text.replace(one, one.replace(b"\n", b" "))
        kept = max((len(one) - 1 for one in comments), default=0)
        cut = max(0, len(text) - kept)
        if cut:
            yield text[:cut]
        waiting = text[cut:]
    if waiting:
        yield waiting


def uncommented(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The binlog tool's text, without its comments between a `CREATE TABLE … START TRANSACTION` and its end: that is
    what MySQL's log has of `CREATE TABLE … SELECT`. Nothing but rows may come there, and the client before MySQL 9
    sends comments as statements.
    """
    waiting, inside, between = b"", False, False
    for chunk in chunks:
        text, at = waiting + chunk, 0
        kept: list[bytes] = []
        while True:
            wanted = b"\n" if inside else _ROWS_COME
            found = text.find(wanted, at)
            if found < 0:
                break
            line, at = text[at : found + len(wanted)], found + len(wanted)
            if not inside:
                inside = between = True
            elif between and (line.startswith(b"#") or line == b"\n"):
                continue
            else:
                between = line.endswith(_DELIMITER)
                inside = not (between and line.startswith((b"COMMIT", b"ROLLBACK")))
            kept.append(line)
        # What may be the beginning of something waits for the rest.
        sure = at if inside else max(at, len(text) - len(_ROWS_COME) + 1)
        if news := b"".join(kept) + text[at:sure]:
            yield news
        waiting = text[sure:]
    if waiting:
        yield waiting


class _Feeding:
    """Feeds the binlog tool on a thread: all files as one stream, as if they were one."""

    def __init__(
        self, pieces: Iterator[tuple[LogFile, bytes]], reader: Program, progress: Callable[[str, int], None]
    ) -> None:
        self._pieces, self._reader, self._progress = pieces, reader, progress
        self._failure: BaseException | None = None
        self._begins: list[tuple[int, str]] = []
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            fed = 0
            for one, chunk in self._stream():
                if not self._begins or self._begins[-1][1] != one.name:
                    self._begins.append((fed, one.name))
                fed += len(chunk)
                self._reader.feed(chunk)
                self._progress(one.name, len(chunk))
        except BaseException as problem:  # noqa: BLE001 - raised again by finish
            self._failure = problem
        finally:
            self._reader.end_input()

    def _stream(self) -> Iterator[tuple[LogFile, bytes]]:
        current = ""
        for one, chunk in self._pieces:
            # A later file goes on where the one before ended: its format description needs no magic before it.
            yield (one, chunk[_MAGIC:]) if current not in {"", one.name} else (one, chunk)
            current = one.name

    def file_at(self, at: int | None) -> str:
        """The binlog that is at a place of the stream; the last one for None."""
        there = [name for begin, name in self._begins if at is None or begin <= at]
        return there[-1] if there else "its first binlog"

    def finish(self) -> None:
        self._thread.join()
        if self._failure:
            raise self._failure


class _Place:
    """Where in the log the client was when it failed at a line: what it was given last is kept."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._lines, self._held = 1, 0

    def note(self, chunk: bytes) -> None:
        self._chunks.append((self._lines, chunk))
        self._held += len(chunk)
        while self._held - len(self._chunks[0][1]) > _KEPT:
            self._held -= len(self._chunks.popleft()[1])
        self._lines += chunk.count(b"\n")

    def named(self, problem: ToolFailed, feeding: _Feeding) -> ToolFailed:
        found = _AT_LINE.search(str(problem))
        where = self._before(int(found[1]), feeding) if found else ""
        return ToolFailed(
            f"the replay stopped {where or f'in {feeding.file_at(None)}'}: {problem}",
            help=_EMPTY,
        )

    def _before(self, line: int, feeding: _Feeding) -> str:
        """In the words of the event whose text is before a line."""
        kept = b"".join(chunk for _, chunk in self._chunks)
        first = self._chunks[0][0] if self._chunks else line
        end = b""
        for text in reversed(kept.split(b"\n")[: max(0, line - first + 1)]):
            if not end and (mark := _ENDS.search(text)):
                end = mark[1]
            elif end and (at := _BEGINS.fullmatch(text)):
                return f"at the event that ends at {feeding.file_at(int(at[1]))}:{end.decode()}"
        return ""


@contextmanager
def _large_packets(target: Target, facts: ServerFacts) -> Iterator[None]:
    """A large event is one statement of the client: longer than most servers take."""
    before = int(facts.variable("max_allowed_packet", "0"))
    if before >= _PACKET:
        yield
        return
    _set_packet(target, _PACKET)
    try:
        yield
    finally:
        with contextlib.suppress(ServerFailed):
            _set_packet(target, before)


def _set_packet(target: Target, size: int) -> None:
    connection = target.connect()
    try:
        query(connection, f"SET GLOBAL max_allowed_packet = {size}")
    except ServerFailed as problem:
        log.warning("max_allowed_packet stays as it is, and a large event would stop the replay: %s", problem)
    finally:
        connection.close()
