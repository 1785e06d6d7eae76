"""Replaying archived log into a restored server, up to an exact position.

The binlog files are written out as the server had them, ending exactly where the replay must stop, and
go through the flavour's own tool into its own client.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bkpc_runtime.engines.process import Program
from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.mysql.binlog.transactions import Transaction, transactions
from bkpc_runtime.mysql.flavour import Position, ServerFacts
from bkpc_runtime.mysql.tools import client_options, find_tool
from bkpc_runtime.recovery.accounts import Range, is_of_accounts, without
from bkpc_runtime.recovery.load import Target, client_command
from bkpc_runtime.repository.catalogue import Window
from bkpc_runtime.repository.segments import order, read_log
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import unpacked


def replay(
    window: Window,
    stop: Position,
    store: Store,
    target: Target,
    facts: ServerFacts,
    identities: Sequence[Secret],
    progress: Callable[[str, int], None],
) -> tuple[Transaction, ...]:
    """Everything after the image's position and before `stop`, which is the start of a transaction.

    Returns what is about accounts, which it left out.

    Raises:
        ToolFailed: the tool or the client stopped: the target is then not restored, and must be emptied.
        LogGap: the archive lacks part of the way.
        DamagedBackup: a segment is not what was stored.
    """
    start = window.image.position
    if order(stop) <= order(start):
        return ()
    log_ = transactions(_pieces(window, stop, store, identities))
    after = (one for one in log_ if order(Position(one.file, one.start)) >= order(start))
    # A physical image has its accounts with it, and the log goes on from there.
    physical = window.image.manifest.physical
    accounts = () if physical else tuple(one for one in after if is_of_accounts(one))
    left_out = [(one.file, one.start, one.end) for one in accounts]
    with tempfile.TemporaryDirectory(prefix="bkpc-replay-") as folder:
        files = _written_out(_pieces(window, stop, store, identities), left_out, Path(folder), progress)
        with client_options(target.address, facts.flavour) as options:
            _pipe(files, start, facts, str(options))
    return accounts


def _pieces(
    window: Window, stop: Position, store: Store, identities: Sequence[Secret]
) -> Iterator[tuple[str, int, bytes]]:
    return read_log(
        store,
        window.image.prefix,
        window.epoch,
        window.image.position,
        stop,
        unpack=lambda packed: unpacked(packed, "a log segment", identities),
    )


def _written_out(
    pieces: Iterable[tuple[str, int, bytes]],
    left_out: Sequence[Range],
    folder: Path,
    progress: Callable[[str, int], None],
) -> list[Path]:
    files: list[Path] = []
    expected = 0
    for file, offset, body in pieces:
        path = folder / file
        if not files or files[-1] != path:
            files.append(path)
            expected = 0
        if offset != expected:
            raise DamagedBackup(f"the archived log of {file} does not continue at {offset}")
        expected = offset + len(body)
        with path.open("ab") as out:
            out.write(without(offset, body, [one[1:] for one in left_out if one[0] == file]))
        progress(file, expected)
    return files


def _pipe(files: Sequence[Path], start: Position, facts: ServerFacts, options: str) -> None:
    command = [
        find_tool(facts.flavour, "binlog"),
        "--no-defaults",
        f"--start-position={start.offset}",
        *(["--skip-gtids"] if facts.flavour == "mysql" else []),
        *map(str, files),
    ]
    with Program(command) as reader, Program(client_command(facts, options), feeds=True) as client:
        for chunk in reader.chunks():
            client.feed(chunk)
        # The reader first: what it did not print must not be committed as if it were all.
        reader.finish()
        client.finish()
