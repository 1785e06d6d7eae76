"""Restoring a physical image, and the log after it, into an empty data directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from bkpc_runtime.errors import Refused, ToolFailed
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.flavour import Position, ServerFacts, read_facts
from bkpc_runtime.mysql.prepared import left_prepared
from bkpc_runtime.mysql.scratch_server import find_server, server_over
from bkpc_runtime.recovery.choice import Start
from bkpc_runtime.recovery.data_folder import DataFolder, claimed
from bkpc_runtime.recovery.image_first import ImageFirst
from bkpc_runtime.recovery.load import compare
from bkpc_runtime.recovery.opening import refuse_unreadable, unreadable
from bkpc_runtime.recovery.pages import Progress, bring_back, needed_bytes
from bkpc_runtime.recovery.point import OfImage
from bkpc_runtime.recovery.recover import Means, way_of
from bkpc_runtime.recovery.replay import open_spool, replay
from bkpc_runtime.recovery.spool import Spool
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import ByApplier, ByClient
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.segments import order
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store


def restore_into_folder(
    start: Start, store: Store, path: Path, identities: Sequence[Secret], say: Progress,
    loaded: Callable[[], None] = lambda: None, first: ImageFirst | None = None,
) -> tuple[str, Position]:  # fmt: skip
    """`start` in the data directory `path`; returns who owns it, and where it stands. `loaded`: the image is there.
    `first`: how the log gives way to it.

    Until all is there it holds nothing that starts. A server of our own over the files compares what is there with
    what was, and replays the log, which is read meanwhile; then it is stopped.

    Raises:
        Refused: the folder is not empty, or log is to be replayed and the server's program is not installed.
        DamagedBackup: a part is not what was stored, or something is missing. The same where tables can't be read: they
            are named, and all else is there.
        ToolFailed: a tool is missing or failed.
        ServerFailed: no server starts on what was restored.
    """
    first = first or ImageFirst()
    chain = catalogue.chain(start.image, catalogue.all_images(store, start.image.manifest.database))
    goes_on = start.window is not None and order(start.window.end) > order(start.image.position)
    runs = _server_there(start.image, needed=goes_on)
    with claimed(path, needed_bytes(chain)) as folder, ExitStack() as stack:
        spool = None
        with first:
            if goes_on:
                way = ByClient(folder.work, "not known yet")
                spool = stack.enter_context(open_spool(start, first.log_of(store), identities, way))
            bring_back(chain, store, folder.work, identities, say)
        loaded()
        stop, unread = start.image.position, list[str]()
        if runs:
            stop, unread = _look_and_replay(start, spool, folder, say)
        else:
            say("no server's program is installed here: what was restored is not compared with what was")
        stack.close()
        owner = folder.settle()
        refuse_unreadable(unread, help=f"all else is restored to {stop.text}, and stays in {path}")
        return owner, stop


def _server_there(image: Image, *, needed: bool) -> bool:
    try:
        find_server(image.manifest.flavour)
    except ToolFailed as problem:
        if not needed:
            return False
        raise Refused(
            f"to replay the log after the image, {problem}",
            help=f"{problem.help}; or --to {image.manifest.id} restores the image alone",
        ) from problem
    return True


def _look_and_replay(
    start: Start, spool: Spool | None, folder: DataFolder, say: Progress
) -> tuple[Position, list[str]]:
    """Where it stands then, and which tables can't be read."""
    manifest = start.image.manifest
    with server_over(manifest.flavour, folder.work, manifest.variables, {"max_allowed_packet": "1G"}) as server:
        target = Target(server.address, server.address.password())
        compare(start.image, target)
        unread = unreadable(manifest, target)
        if spool is None:
            return start.image.position, unread
        facts = facts_of(target)
        way = way_of(target, facts, Means(work=folder.work))
        say("  log, by the server's own applier" if isinstance(way, ByApplier) else f"  log, by client ({way.because})")
        stop = replay(spool, target, facts, way, lambda *_: None).stop
        with closing(target.connect()) as connection:
            for line in left_prepared(connection):
                say(line)
        return stop, unread


def facts_of(target: Target) -> ServerFacts:
    """What a server says it is."""
    connection = connect(target.address, target.password)
    try:
        return read_facts(connection)
    finally:
        connection.close()


def try_out(chain: Sequence[Image], store: Store, work: Path, identities: Sequence[Secret], say: Progress) -> None:
    """Everything a restore of a chain's last image does, in the empty folder `work`, which is empty again then.

    Raises what `restore_into_folder` does.
    """
    image = chain[-1]
    runs = _server_there(image, needed=False)
    with claimed(work, needed_bytes(chain)) as folder:
        bring_back(chain, store, folder.work, identities, say)
        if runs:
            _, unread = _look_and_replay(Start(image, None, OfImage(image.manifest.id)), None, folder, say)
            refuse_unreadable(unread)
