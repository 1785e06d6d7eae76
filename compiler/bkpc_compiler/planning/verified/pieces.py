"""What the pieces of a log or an image cost a recovery beside their bytes, worked out again from step and policy."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, isqrt

from bkpc_compiler.planning.verified.estate import Estate
from bkpc_compiler.planning.verified.prepared import Jobs, taken_into
from bkpc_grammar.image_objects import CLIENTS, IN_MEMORY, OTHERS, PIECE, RANGES, SMALL
from bkpc_grammar.log_objects import AT_ONCE, EVENT, LISTED, OBJECT, REQUESTED_MS, ROUND, SYNC_APART_MS
from bkpc_grammar.plan import Step, Stream

_LISTS = 2
_SINGLE = 10


def pieces_take(step: Step, estate: Estate, streams: Mapping[tuple[str, str], Stream]) -> int:
    """Milliseconds of a `restore.log` that pass while nothing but requests is on the way; `streams` by their store."""
    latency = sum((estate.latency(one.resource) for one in step.reserve), start=Fraction(0))
    stream = streams.get((step.database, step.store or ""))
    if not latency or stream is None:
        return 0
    database = estate.databases[step.database]
    writes, burst = database.writes.value.amount, database.burst.value.amount
    # So long it takes at least to write what is to be replayed.
    age = Fraction(max(Fraction(0), step.bytes - burst), writes) * 1000 if writes else Fraction(0)
    full = step.bytes // OBJECT
    files = int(age / REQUESTED_MS) + full + 2
    timed = int(age / max(1, stream.flush_ms)) + 1
    if stream.sync:
        timed += int(age / max(SYNC_APART_MS, _quorum_ms(stream, estate))) + 1
    count = min(timed, step.bytes // EVENT) + 2 * full + files + 3
    notes = int(age / stream.known_ms) + 1 if stream.known_ms else 0
    listed = (count + notes + 3 * files) // LISTED + ceil(Fraction(files, AT_ONCE))
    turns = ceil(Fraction(count, AT_ONCE)) + step.bytes // ROUND + _LISTS * listed + _SINGLE
    return int(turns * latency * 1000)


def handing_takes(step: Step, estate: Estate) -> int:
    """Milliseconds of a `restore.log` in which bytes are there that the applier has not been given yet: a whole binlog
    at most, and half a second each time it is given some, which are the more the less often; or all, at the end."""
    rate = min((one.rate for one in step.reserve), default=0)
    if not rate or not step.bytes:
        return 0
    whole, burst = Fraction(step.bytes * 1000, rate), estate.databases[step.database].burst.value.amount
    one = min(Fraction(step.bytes), (1 << 30) + burst) * 1000 / rate
    return int(min(one + isqrt(int(1000 * whole)), whole)) + 500


def starting_takes(step: Step, jobs: Jobs, estate: Estate) -> int:
    """Milliseconds of a `restore.image` that it takes to start, and for tables beside their bytes."""
    database, taken = estate.databases[step.database], taken_into(jobs, step.database, step.store or "")
    takes = database.starts.value.milliseconds_up() if database.starts else 0
    if not database.tables or not database.table:
        return takes
    if any(job.kind == "backup.full" and job.engine == "logical" for job in taken):
        takes += database.tables.value.number * database.table.value.milliseconds_up()
    return takes


def objects_take(step: Step, jobs: Jobs, estate: Estate) -> int:
    """Milliseconds of a `restore.image` that pass while nothing but requests is on the way."""
    latencies = [estate.latency(one.resource) for one in step.reserve]
    latency = max(latencies, default=Fraction(0)) if step.beside else sum(latencies, start=Fraction(0))
    tables = estate.databases[step.database].tables
    if not latency or tables is None:
        return 0
    taken = [*taken_into(jobs, step.database, step.store or "")]
    turns = [0]
    if any(job.kind == "backup.full" and job.engine == "logical" for job in taken):
        count = tables.value.number + OTHERS
        large = min(count, step.bytes // SMALL)
        ahead = min(step.bytes, count * SMALL) // (IN_MEMORY - SMALL)
        turns.append(ceil(Fraction(count, AT_ONCE)) + ahead + ceil(Fraction(large, CLIENTS)) + step.bytes // RANGES)
    if any(job.engine == "physical" for job in taken):
        turns.append(step.bytes // PIECE + 1 + step.bytes // RANGES)
    return int((max(turns) + _SINGLE) * latency * 1000)


def _quorum_ms(stream: Stream, estate: Estate) -> int:
    """How long a commit waits at least: until the farthest of the nearest quorum has it, over any ways there are."""
    at = estate.databases[stream.database].site
    late = []
    for name in stream.stores:
        links = estate.detour(at, estate.stores[name].site, frozenset())
        if links is not None:
            late.append(sum((one.latency.value.amount for one in links), start=Fraction(0)))
    near = sorted(late)[: stream.quorum or len(late)]
    return int(near[-1] * 1000) if near else 0
