"""Restoring a physical image, and the log after it, into an empty data directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bkpc_runtime.errors import Refused, ToolFailed
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.flavour import ServerFacts, read_facts
from bkpc_runtime.mysql.scratch_server import find_server, server_over
from bkpc_runtime.recovery.choice import Choice
from bkpc_runtime.recovery.data_folder import DataFolder, claimed
from bkpc_runtime.recovery.load import Target, compare
from bkpc_runtime.recovery.pages import Progress, bring_back, needed_bytes
from bkpc_runtime.recovery.replay import replay
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.segments import order
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store


def restore_into_folder(choice: Choice, store: Store, path: Path, identities: Sequence[Secret], say: Progress) -> str:
    """`choice` in the data directory `path`; returns who owns it. Until all is there it holds nothing that starts.

    A server of our own over the files compares what is there with what was, and replays the log; then it is stopped.

    Raises:
        Refused: the folder is not empty, or log is to be replayed and the server's program is not installed.
        DamagedBackup: a part is not what was stored, or something is missing.
        ToolFailed: a tool is missing or failed.
        ServerFailed: no server starts on what was restored.
    """
    chain = catalogue.chain(choice.image, catalogue.all_images(store, choice.image.manifest.database))
    goes_on = bool(choice.window and choice.stop and order(choice.stop) > order(choice.image.position))
    runs = _server_there(choice.image, needed=goes_on)
    with claimed(path, needed_bytes(chain)) as folder:
        bring_back(chain, store, folder.work, identities, say)
        if runs:
            _look_and_replay(choice, store, folder, identities, say, goes_on=goes_on)
        else:
            say("no server's program is installed here: what was restored is not compared with what was")
        return folder.settle()


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
    choice: Choice, store: Store, folder: DataFolder, identities: Sequence[Secret], say: Progress, *, goes_on: bool
) -> None:
    manifest = choice.image.manifest
    with server_over(manifest.flavour, folder.work, manifest.variables, {"max_allowed_packet": "1G"}) as server:
        target = Target(server.address, server.address.password())
        compare(choice.image, target)
        if goes_on and choice.window and choice.stop:
            say(f"  log to {choice.stop.text}")
            replay(choice.window, choice.stop, store, target, _facts(target), identities, lambda *_: None)


def _facts(target: Target) -> ServerFacts:
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
            _look_and_replay(Choice(image, None, None, None), store, folder, identities, say, goes_on=False)
