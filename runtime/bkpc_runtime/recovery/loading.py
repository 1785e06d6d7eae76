"""Clients that load parts of an image side by side."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from itertools import chain

from bkpc_runtime.engines.process import Program
from bkpc_runtime.errors import ToolFailed
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.mysql.tools import find_tool
from bkpc_runtime.recovery.marker import Marker
from bkpc_runtime.recovery.parts_ahead import PartsAhead, Stored
from bkpc_runtime.recovery.table_needs import Engines, definition, is_of_one_table, without_engine
from bkpc_runtime.repository import layout
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Part
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.inbound import inbound

log = logging.getLogger(__name__)
_ATTEMPTS = 3
_MAY_FAIL = {
    "doubtful": "was broken before, or uses what is not here: it can't be made",
    "check_option": "is back, but without its WITH CHECK OPTION, which can't be made",
}
_DEADLOCK = re.compile(r"ERROR (1213|1205) ")


def client_command(facts: ServerFacts, options: str) -> list[str]:
    """The server's own client, fed with SQL; `--binary-mode` keeps it from interpreting bytes of values."""
    return [
        find_tool(facts.flavour, "client"),
        f"--defaults-file={options}",
        "--binary-mode",
        "--comments",  # or the bodies of routines and triggers lose theirs
        "--init-command=SET SESSION wait_timeout = 31536000",  # it may wait for its turn beside other recoveries
        "--max-allowed-packet=1G",
        "--default-character-set=utf8mb4",
    ]


class Noted:
    """What is told, here and in the target."""

    def __init__(
        self, progress: Callable[[Part, int, int], None], marker: Marker | None, parts: Sequence[Part]
    ) -> None:
        self._progress, self._marker, self._of = progress, marker, len(parts)
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()

    def begin(self, part: Part) -> None:
        with self._lock:
            number = self._numbers.setdefault(part.name, len(self._numbers) + 1)
            self._progress(part, number, self._of)
        if self._marker:
            self._marker.begin(part.name)

    def loaded(self, part: Part) -> None:
        if self._marker:
            self._marker.loaded(part.name)


class Loading:
    """Clients that load parts at once; the first failure stops them all, unless it is of one table alone."""

    def __init__(
        self, image: Image, store: Store, command: Sequence[str], identities: Sequence[Secret], noted: Noted,
        engines: Engines, *, other_engines: bool,
    ) -> None:  # fmt: skip
        self._image, self._store, self._command, self._identities = image, store, command, identities
        self._noted = noted
        self._engines, self._substitutes = engines, other_engines
        self.other_engines: dict[tuple[str, str], str] = {}
        """Tables that have the target's default engine, with the one that they had."""
        self._aside: dict[str, Part] = {}
        self._problems: list[ToolFailed] = []
        self._running: set[Program] = set()
        self._stopped = self._again = False
        self._lock = threading.Lock()

    def run(self, parts: Sequence[Part], clients: int) -> None:
        at_once = min(clients, len(parts))
        if not at_once:
            return
        with (
            PartsAhead(self._image, self._store, parts) as coming,
            ThreadPoolExecutor(at_once, thread_name_prefix="load") as pool,
        ):
            loads = [pool.submit(self._all_of, coming) for _ in range(at_once)]
            try:
                for one in as_completed(loads):
                    one.result()
            except BaseException:
                self._stop(loads)
                raise

    def again(self) -> None:
        """Tables that could not be made, now that all others are there: somebody may have made what they need.

        Raises:
            ToolFailed: some still can't; all are named.
        """
        parts, self._aside = [*self._aside.values()], {}
        self._problems.clear()
        self._again = True
        self.run(parts, 1)
        if self._problems:
            first = self._problems[0]
            raise ToolFailed(
                "; ".join(map(str, self._problems)),
                help="mend that, and run the same restore again: all other tables are loaded, and stay",
                retryable=first.retryable,
            ) from first

    def _stop(self, loads: Sequence[Future[None]]) -> None:
        for one in loads:
            one.cancel()
        with self._lock:
            self._stopped = True
            for program in self._running:
                program.kill()

    def _all_of(self, coming: PartsAhead) -> None:
        while not self._stopped and (found := coming.next()) is not None:
            self._one(*found)

    def _one(self, part: Part, stored: Stored) -> None:
        self._noted.begin(part)
        try:
            self._tried(part, stored)
        except ToolFailed as problem:
            if part.kind not in _MAY_FAIL:
                self._failed(part, problem)
                return
            log.warning("view %s.%s %s: %s", part.schema, part.table, _MAY_FAIL[part.kind], problem)
        self._noted.loaded(part)

    def _failed(self, part: Part, problem: ToolFailed) -> None:
        name = ".".join(filter(None, (part.schema, part.table))) or part.kind
        told = ToolFailed(
            f"{name} ({part.name}) can't be loaded: {problem}",
            help="mend that, and run the same restore again: what is loaded stays",
            retryable=problem.retryable,
        )
        if part.kind != "table" or not is_of_one_table(problem):
            raise told from problem
        with self._lock:
            self._aside[part.name] = part
            self._problems.append(told)
        if not self._again:
            log.warning("%s; the other tables go on", told)

    def _tried(self, part: Part, stored: Stored) -> None:
        """Tables that refer to one another may stand in one another's way; each part can be loaded again."""
        for _ in range(_ATTEMPTS):
            try:
                return self._load(part, stored)
            except ToolFailed as problem:
                if self._stopped or not _DEADLOCK.search(str(problem)):
                    raise
        return self._load(part, stored)

    def _load(self, part: Part, stored: Stored) -> None:
        key = layout.part_key(self._image.prefix, self._image.manifest.id, part.name)
        plain = inbound(
            stored(), name=key, encrypted=self._image.manifest.encrypted,
            identities=self._identities, expected=part.sums,
        )  # fmt: skip
        # What must thaw again is waited for here, and not by a client whose connection idles meanwhile.
        first = definition(plain) if part.kind == "table" else next(plain, b"")
        if part.kind == "table":
            self._look_for_engine(part, first)
        with Program(self._command, feeds=True) as program:
            with self._lock:
                self._running.add(program)
                if self._stopped:
                    program.kill()
            try:
                for chunk in chain((first,), plain):
                    program.feed(chunk)
                program.finish()
            finally:
                plain.close()
                with self._lock:
                    self._running.discard(program)

    def _look_for_engine(self, part: Part, beginning: bytes) -> None:
        lacking = self._engines.lacks(beginning)
        if lacking and not self._substitutes:
            raise without_engine(lacking, self._engines.default)
        if lacking:
            log.warning("%s.%s is of storage engine %s, which the target lacks", part.schema, part.table, lacking)
            self.other_engines[part.schema, part.table] = lacking
