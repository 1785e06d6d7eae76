"""Some tables of a backup, at a point: recovered in a scratch server, where their log is replayed, then copied.

The scratch server is what makes it right: tables are renamed, altered and made from others on the way to the point,
and a target that holds other data is touched only when what it gets is complete.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

from bkpc_runtime.errors import BadUsage, PolicyBroken, Refused, StepFailed
from bkpc_runtime.mysql.binlog.search import mentioned
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.mysql.prepared import roll_back
from bkpc_runtime.mysql.scratch_server import scratch_server
from bkpc_runtime.recovery.choice import Start, log_pieces, starts
from bkpc_runtime.recovery.copied import Destination, copy_tables
from bkpc_runtime.recovery.gone import Gone
from bkpc_runtime.recovery.marker import alone
from bkpc_runtime.recovery.moment import stored_with
from bkpc_runtime.recovery.narrowing import Narrowing, Survey, Table, Watching, narrowed, of_image
from bkpc_runtime.recovery.point import AtPosition, NotHere, Point
from bkpc_runtime.recovery.recover import Means, Restored, Teller, recover
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.repository import windows
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
_ROOM = 3
"""A loaded table takes more than its dump: indexes, and the log that is written meanwhile."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A way to the point, and what its log says of tables. `stop` is exact; None where no log is needed."""

    start: Start
    stop: Position | None
    survey: Survey


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recovery of `asked`, and of what they need. Sizes in bytes: stored parts, their plain text, log."""

    asked: tuple[Table, ...]
    start: Start
    stop: Position | None
    narrowing: Narrowing
    stored: int
    plain: int
    log: int

    @property
    def others(self) -> list[Table]:
        """Tables that are recovered too, in the scratch server."""
        loaded = {(one.schema, one.table) for one in self.start.image.manifest.parts if one.kind == "table"}
        return sorted(loaded - set(self.asked))


def look_through(
    store: Store, database: str, point: Point, identities: Sequence[Secret], since: datetime | None = None
) -> Surveyed:
    """Reads the log to the point once, without replaying it.

    Raises:
        PolicyBroken: nothing reaches the point.
        Refused: the image that does is a physical one, in which tables can't be told apart.
    """
    missing: NotHere | None = None
    for start in starts(store, database, point, identities):
        manifest = start.image.manifest
        if manifest.engine != "logical":
            raise Refused(
                f"image {manifest.id} is a physical one: single tables come from logical images",
                help="--to the id of a logical image, or restore all of it into an empty server",
            )
        survey = Survey(since)
        if start.window is None:
            return Surveyed(start, None, survey)
        survey.stored = stored_with(store, start.window)
        try:
            return Surveyed(start, walk(store, start, identities, survey), survey)
        except NotHere as problem:
            missing = problem
    raise missing or PolicyBroken(f"no log in store `{store.name}` holds what was asked for behind an image")


def walk(store: Store, start: Start, identities: Sequence[Secret], survey: Survey) -> Position:
    """Takes what the log says up to the point; where that is.

    Raises:
        NotHere: this log does not hold it.
    """
    course, reader = start.course(), Watching(start.skips_to, survey)
    for file, offset, body in log_pieces(store, start, identities):
        for one in reader.feed(file, offset, body):
            if course.take(one):
                survey.take(one)
        course.passed(Position(file, reader.boundary))
        if course.over:
            break
    survey.end()
    return course.conclude()


def prepare(found: Surveyed, asked: Iterable[Table], store: Store, identities: Sequence[Secret]) -> Prepared:
    """What a recovery of these tables takes.

    Raises:
        BadUsage: neither the image nor its log knows one of them.
    """
    image = found.start.image
    tables = tuple(dict.fromkeys(asked))
    _insist(tables, found)
    narrowing = narrowed(tables, found.survey, image, store, identities)
    narrow = of_image(image, narrowing)
    start = replace(found.start, image=narrow, narrowing=narrowing, sure=True)
    log = 0
    window = start.window
    if found.stop and window:
        start = replace(start, point=AtPosition(found.stop))
        log = windows.size(store, window, image.position, found.stop)
    return Prepared(tables, start, found.stop, narrowing, narrow.manifest.stored_size, narrow.manifest.plain_size, log)


def _insist(asked: Iterable[Table], found: Surveyed) -> None:
    manifest = found.start.image.manifest
    held = {(one.schema, one.table) for one in manifest.parts if one.kind == "table"}
    named = {table for one in found.survey.definitions for table in mentioned(one)}
    for schema, table in asked:
        if (schema, table) in held | found.survey.seen or (schema, table) in named:
            continue
        if f"{schema}.{table}" in manifest.sequences:
            continue
        close = difflib.get_close_matches(f"{schema}.{table}", [".".join(one) for one in sorted(held)], n=1)
        raise BadUsage(
            f"image {manifest.id} has no table {schema}.{table}, nor has the log after it",
            help=f"there is {close[0]}" if close else "the preview of a whole restore names its schemas",
        )


def bring_back(
    prepared: Prepared,
    store: Store,
    destination: Destination,
    means: Means,
    teller: Teller,
    *,
    drops: bool = False,
) -> tuple[Restored, Gone]:
    """Recovers them beside, then copies them into the target; until then the target is as it was.

    With `drops` tables that are gone at the point go from the target too.

    Raises:
        RuntimeFailure: the target has what `copied.copy_tables` says, else nothing of it.
    """
    manifest = prepared.start.image.manifest
    with (
        alone(destination.target, [destination.of(table)[0] for table in prepared.asked]),
        scratch_server(
            manifest.flavour, means.work, manifest.variables, needed_bytes=_ROOM * prepared.plain + 2 * prepared.log
        ) as scratch,
    ):
        beside = Target(scratch.address, Secret(""))
        try:
            restored = recover([prepared.start], store, beside, replace(means, other_engines=True), teller)
        except StepFailed as problem:
            # Its help is of a target that is restored as a whole.
            raise type(problem)(
                f"in the scratch server: {problem}", help="the target was not changed", retryable=problem.retryable
            ) from problem
        _insist_on_engines(prepared.asked, restored)
        with closing(beside.connect()) as connection:
            # Not committed at the point, and their locks would hold up the copy for ever.
            for one in roll_back(connection, scratch.flavour):
                log.info("XA transaction %s is prepared at that point, and not committed: it is not in the copy", one)
        return restored, copy_tables(beside, destination, prepared.asked, drops=drops)


def _insist_on_engines(asked: Iterable[Table], restored: Restored) -> None:
    """What the asked tables are made like; for others, that are not copied, another engine will do."""
    for table in asked:
        if engine := restored.other_engines.get(table):
            raise Refused(
                f"{'.'.join(table)} is of storage engine {engine}, which no scratch server on this machine has; "
                "the target was not changed",
                help="restore all of it into an empty server that has it, and take the table from there",
            )
