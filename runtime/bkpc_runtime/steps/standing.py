"""Images of a server with `hot sync`: none is begun while its commits stand still, waiting for a store.

MySQL's dump tool takes a lock that waits for them, and whoever wants to read a table then waits behind it. Going on to
another binlog waits for them too, and holds up whoever asks the server where its log is.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.errors import ServerFailed
from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.connection import connect, query_within
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.mysql.semi_sync import SemiSync, read_semi_sync
from bkpc_runtime.secret import Secret

log = logging.getLogger(__name__)
_PATIENCE = 5.0
_ROTATED_WITHIN = 30.0
_AGENT_COMES = 3.0
_TURN = 0.2


def refuse_standing(connection: Connection[Any], facts: ServerFacts) -> SemiSync:
    """How the server's commits wait.

    Raises:
        ServerFailed: they wait, and none has returned for some seconds.
    """
    first = state = read_semi_sync(connection, facts)
    until = time.monotonic() + _PATIENCE
    while state.on and state.waiting and state.returned == first.returned:
        if time.monotonic() > until:
            agent = "" if state.ours else ", and no agent is connected"
            raise ServerFailed(
                f"{state.waiting} commits have been waiting for {_PATIENCE:.0f} s until their log is stored{agent}: an "
                "image taken now would make those wait who only read",
                help="bkpc status says which store, or whether the agent, is away; the image is taken when they go on",
                retryable=True,
            )
        time.sleep(_TURN)
        state = read_semi_sync(connection, facts)
    return state


@dataclass(frozen=True, slots=True)
class Rotation:
    """Of which server, as what database. `must`: where no agent is there, no image is taken either."""

    address: Address
    password: Secret
    database: str
    must: bool = False


def rotate(connection: Connection[Any], facts: ServerFacts, asked: Rotation) -> None:
    """The log that continues an image begins with its own file: a recovery then reads, thaws and keeps nothing older.

    That takes RELOAD, which also lets an account delete the log: who does not give it loses little, since of an older
    file only the first segment is read.

    Raises:
        ServerFailed: commits stand still, or would as soon as there are any, and the log must begin with a file.
    """
    if not facts.log_bin:
        return
    state = refuse_standing(connection, facts)
    until = time.monotonic() + _AGENT_COMES
    while _nobody(state) and time.monotonic() < until:  # it is started just now, maybe, and takes this very image
        time.sleep(_TURN)
        state = refuse_standing(connection, facts)
    if _nobody(state):
        # A commit that came now would hold it up, until there is an agent.
        if asked.must:
            raise ServerFailed(
                "commits wait for an agent, and none is connected: the server is not made to go on to another binlog, "
                "which each image needs whose log is locked (`lock`)",
                help="start the agent; the image is taken then",
                retryable=True,
            )
        log.info("the log after this image of %s begins inside a binlog: no agent is connected", asked.database)
        return
    # Over a connection of its own: the image can do without it, should a store go away at this very moment.
    own = connect(asked.address, asked.password)
    try:
        query_within(own, "FLUSH LOCAL BINARY LOGS", _ROTATED_WITHIN)
    except ServerFailed as problem:
        log.info("the log after this image of %s begins inside a binlog: %s", asked.database, problem)
        refuse_standing(connection, facts)
    finally:
        own.close()


def _nobody(state: SemiSync) -> bool:
    """Whether commits wait for more replicas than there are: replicas of others may be enough."""
    return state.on and state.ours + state.others < state.needed
