"""From physical images to data files that a server starts on: unpack the full one, prepare it, apply what follows."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from bkpc_runtime.engines.page_copy import FLAVOURS, STREAMS, Name
from bkpc_runtime.engines.process import Program
from bkpc_runtime.errors import ToolFailed
from bkpc_runtime.mysql.tools import find_tool
from bkpc_runtime.recovery.stream_names import StreamNames
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Engine
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import inbound
from bkpc_runtime.transfer.ranges import read_checked

log = logging.getLogger(__name__)
_DONE = "completed OK!"
_LEAST_MEMORY = 128 << 20
Progress = Callable[[str], None]


def needed_bytes(chain: Sequence[Image]) -> int:
    """What unpacking a chain takes at most: its files, and one increment beside them."""
    sizes = [one.manifest.plain_size for one in chain]
    return sum(sizes) + max(sizes[1:], default=0)


def bring_back(chain: Sequence[Image], store: Store, work: Path, identities: Sequence[Secret], say: Progress) -> None:
    """The files of the last image of a chain in `work`/data, ready for a server.

    Raises:
        ToolFailed: a tool is missing, or failed.
        DamagedBackup: a part is not what was stored.
    """
    data = work / "data"
    for number, image in enumerate(chain):
        last = number == len(chain) - 1
        folder = work / f"increment-{number}" if number else data
        folder.mkdir(mode=0o750, exist_ok=True)
        say(f"  [{number + 1}/{len(chain)}] image {image.manifest.id}, {image.manifest.plain_size:,} bytes")
        _unpack(image, store, folder, identities)
        _forget_links(folder)
        _prepare(image.manifest.engine, data, folder if number else None, last=last)
        _forget_links(data)
        if number:
            shutil.rmtree(folder)


def _unpack(image: Image, store: Store, folder: Path, identities: Sequence[Secret]) -> None:
    """All parts are one stream."""
    engine = image.manifest.engine
    names = None if engine == "clone" else StreamNames(cast("Name", engine), image.manifest.id)
    with Program(unpacker(engine, folder), feeds=True) as program:
        for part in image.manifest.parts:
            key = layout.part_key(image.prefix, image.manifest.id, part.name)
            for chunk in inbound(
                read_checked(store, key, part.sums),
                name=key,
                encrypted=image.manifest.encrypted,
                identities=identities,
                expected=part.sums,
            ):
                if names:
                    names.see(chunk)
                program.feed(chunk)
        program.finish()


def _forget_links(folder: Path) -> None:
    """What leads a server of MariaDB to files outside its data directory (DATA DIRECTORY): those of the source, which
    may be live. The files themselves lie in their place here."""
    for link in folder.rglob("*.isl"):
        link.unlink()


def unpacker(engine: Engine, folder: Path) -> list[str]:
    """The command that reads an image's stream and writes its files below `folder`."""
    if engine == "clone":
        return ["tar", "--extract", "--file=-", f"--directory={folder}"]
    tool = cast("Name", engine)
    return [find_tool(FLAVOURS[tool], STREAMS[tool]), "-x", "-C", str(folder)]


def _prepare(engine: Engine, data: Path, increment: Path | None, *, last: bool) -> None:
    """Makes files that were copied one after the other those of one moment."""
    if engine == "clone":  # done by the server that cloned it
        return
    tool = cast("Name", engine)
    memory = memory_for(increment or data)
    command = [
        find_tool(FLAVOURS[tool], tool), "--no-defaults", "--prepare", f"--use-memory={memory}",
        f"--target-dir={data}", *([f"--incremental-dir={increment}"] if increment else []),
    ]  # fmt: skip
    if tool == "xtrabackup" and not last:
        # Else it rolls back what is open, and nothing more can be applied.
        command.insert(3, "--apply-log-only")
    with Program(command) as program:
        for _ in program.chunks():
            pass
        program.finish()
        if not program.complaints().endswith(_DONE):
            raise ToolFailed(f"{program.name} did not say that it is done: {program.complaints()[-500:]}")


def memory_for(folder: Path) -> int:
    """Room for twice the redo log that is to be applied, within half of what the machine has to spare.

    With room for all pages the redo log is read once; with too little, many times.
    """
    redo = sum(path.stat().st_size for path in folder.glob("ib_logfile*"))
    redo += sum(path.stat().st_size for path in folder.glob("xtrabackup_logfile"))
    return max(_LEAST_MEMORY, min(2 * redo, _spare() // 2))


def _spare() -> int:
    """What programs may have before the machine swaps; caches give way."""
    with Path("/proc/meminfo").open() as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0
