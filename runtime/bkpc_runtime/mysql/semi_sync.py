"""Whether a server's commits wait for a replica, and for which: what `hot sync` rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.binlog.receiver import SYNC_HOST
from bkpc_runtime.mysql.connection import query
from bkpc_runtime.mysql.finding import Finding
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.mysql.preflight import setting

LONGEST_MS = 4_294_967_295
"""49 days: the longest that MySQL can be told to wait."""
_DAY_MS = 86_400_000
_MARGIN_MS = 2_000
_TOO_LONG_MS = 60_000


@dataclass(frozen=True, slots=True)
class SemiSync:
    """How a server stands. `prefix` of its variables' names is empty where it can't do it.

    `on`: commits wait at this moment. `others` are replicas whose acknowledgement counts as well as ours.
    `not_waited` counts commits that waited for nobody, `returned` those that waited for somebody, since the server
    started; `waiting` are those that do so now.
    """

    prefix: str
    enabled: bool
    on: bool
    ours: int
    others: int
    needed: int
    timeout_ms: int
    waits_without_replica: bool
    wait_point: str
    not_waited: int
    waiting: int
    returned: int


def read_semi_sync(connection: Connection[Any], facts: ServerFacts) -> SemiSync:
    """Asks the server."""
    variables = _pairs(connection, "SHOW GLOBAL VARIABLES LIKE 'rpl_semi_sync_%'")
    status = _pairs(connection, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_%'")
    words = [word for word in ("source", "master") if f"rpl_semi_sync_{word}_enabled" in variables]
    prefix = f"rpl_semi_sync_{words[0]}_" if words else ""
    replica = "replica" if prefix.endswith("source_") else "slave"
    clients, ours = int(status.get(f"{prefix}clients", "0")), _ours(connection, facts)
    return SemiSync(
        prefix=prefix,
        enabled=variables.get(f"{prefix}enabled") == "ON",
        on=status.get(f"{prefix}status") == "ON",
        ours=min(ours, clients),
        others=max(0, clients - ours),
        needed=int(variables.get(f"{prefix}wait_for_{replica}_count", "1")),
        timeout_ms=int(variables.get(f"{prefix}timeout", "0")),
        waits_without_replica=variables.get(f"{prefix}wait_no_{replica}", "ON") == "ON",
        wait_point=variables.get(f"{prefix}wait_point", ""),
        not_waited=int(status.get(f"{prefix}no_tx", "0")),
        waiting=int(status.get(f"{prefix}wait_sessions", "0")),
        returned=int(status.get(f"{prefix}yes_tx", "0")),
    )


def _ours(connection: Connection[Any], facts: ServerFacts) -> int:
    """How many of the replicas that commits may wait for are agents."""
    new = facts.flavour == "mysql" and facts.version >= (8, 0, 22)
    try:
        rows = query(connection, "SHOW REPLICAS" if new else "SHOW SLAVE HOSTS")
    except ServerFailed:
        # MariaDB asks a privilege for it that nothing else needs. Our own account's threads are shown to everybody.
        user = str(query(connection, "SELECT CURRENT_USER()")[0][0]).rsplit("@", 1)[0]
        threads = query(connection, "SHOW PROCESSLIST")
        return sum(row[1] == user and str(row[4]).startswith("Binlog Dump") for row in threads)
    return [str(row[1]) for row in rows].count(SYNC_HOST)


def _pairs(connection: Connection[Any], statement: str) -> dict[str, str]:
    return {str(row[0]).lower(): str(row[1]) for row in query(connection, statement)}


def sync_findings(state: SemiSync, facts: ServerFacts, patience_ms: int | None) -> Iterator[Finding]:
    """What keeps commits from waiting for our stores. `patience_ms`: how long they wait at most; None: for ever."""
    if not state.prefix:
        yield _no_plugin(facts)
        return
    name = state.prefix
    if not state.enabled:
        # A warning: whoever mends it before the agent runs makes every commit hang.
        text = f"{name}enabled is OFF: commits wait for nobody, so `hot sync` is not in force"
        first = "when `bkpc agent` streams, and not before: from this statement on commits wait for it:"
        yield Finding("warning", text, (first, *setting(facts, f"{name}enabled", "ON")))
    yield from _enough(state, facts)
    yield from _long_enough(state, facts, patience_ms)
    if not state.waits_without_replica:
        replica = "replica" if name.endswith("source_") else "slave"
        text = f"{name}wait_no_{replica} is OFF: commits wait for nobody as soon as the agent is not connected"
        yield Finding("problem", text, setting(facts, f"{name}wait_no_{replica}", "ON"))
    if state.wait_point.upper() != "AFTER_SYNC":
        text = f"{name}wait_point is {state.wait_point}: others see a change before it is stored, and may act on it"
        yield Finding("warning", text, setting(facts, f"{name}wait_point", "AFTER_SYNC"))


def _no_plugin(facts: ServerFacts) -> Finding:
    new = facts.version >= (8, 0, 26)
    plugin, library = (
        ("rpl_semi_sync_source", "semisync_source") if new else ("rpl_semi_sync_master", "semisync_master")
    )
    return Finding(
        "problem",
        "the server has no semi-synchronous replication, which `hot sync` needs",
        (f"INSTALL PLUGIN {plugin} SONAME '{library}.so';", "and look again: what must be set comes with it"),
    )


def _enough(state: SemiSync, facts: ServerFacts) -> Iterator[Finding]:
    """Whether a commit needs our acknowledgement: any replica's counts, and it is enough to have `needed` of them."""
    if state.needed > state.others:
        return
    text = (
        f"{state.others} other semi-synchronous replicas are connected, and commits wait for {state.needed} "
        "acknowledgements only: theirs would do, without ours"
    )
    mend: tuple[str, ...]
    if facts.flavour == "mariadb":
        mend = ("on each of these replicas: SET GLOBAL rpl_semi_sync_slave_enabled = OFF; then restart its IO thread",)
    else:
        replica = "replica" if state.prefix.endswith("source_") else "slave"
        mend = setting(facts, f"{state.prefix}wait_for_{replica}_count", str(state.others + 1))
    yield Finding("problem", text, mend)


def _long_enough(state: SemiSync, facts: ServerFacts, patience_ms: int | None) -> Iterator[Finding]:
    name = f"{state.prefix}timeout"
    if patience_ms is None:
        if state.timeout_ms < _DAY_MS:
            text = (
                f"{name} is {state.timeout_ms} ms: after that commits return without being stored, "
                "and the policy says `on outage hold`"
            )
            yield Finding("problem", text, setting(facts, name, str(LONGEST_MS)))
        return
    if state.timeout_ms < patience_ms + _MARGIN_MS:
        text = (
            f"{name} is {state.timeout_ms} ms: the server would give up by itself, "
            f"before the {patience_ms} ms that the policy says are over"
        )
        yield Finding("problem", text, setting(facts, name, str(patience_ms + 2 * _MARGIN_MS)))
    elif state.timeout_ms > patience_ms + _TOO_LONG_MS:
        text = (
            f"{name} is {state.timeout_ms} ms: while no agent runs, commits wait so long, "
            f"not the {patience_ms} ms that the policy says"
        )
        yield Finding("warning", text, setting(facts, name, str(patience_ms + 2 * _MARGIN_MS)))


def not_in_force(state: SemiSync) -> str:
    """Why commits do not wait for our stores at this moment; empty when they do."""
    if not state.prefix or not state.enabled:
        return "the server has semi-synchronous replication switched off"
    if not state.on:
        return f"the server HAS FALLEN BACK to asynchronous: {state.not_waited:,} commits so far waited for nobody"
    if not state.ours:
        return "no agent is connected to the server: commits wait until its time-out, and then for nobody"
    if state.needed <= state.others:
        return f"{state.others} other replicas acknowledge, and {state.needed} acknowledgements are enough without ours"
    return ""
