"""Images are named and dated by this machine's clock. Where that is ahead, one would be the newest of a day to come."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime

from bkpc_runtime.errors import Refused
from bkpc_runtime.mysql.finding import Finding
from bkpc_runtime.repository.expiry import TOLERANCE

log = logging.getLogger(__name__)
_MEND = "set the clock that is wrong (NTP)"


def refuse_ahead(now: datetime, servers: datetime, database: str) -> None:
    """No image of the future: `now` by this machine's clock, `servers` by the server's own, a moment later.

    Raises:
        Refused: this machine's is well ahead. Where it is behind that is told: no image is lost for being dated early.
    """
    if now - servers > TOLERANCE:
        text = f"this machine's clock is {_apart(now, servers)} s ahead of that of the server of `{database}`"
        raise Refused(f"{text}: an image would be dated by it", help=f"{_MEND}; nothing was taken")
    if servers - now > TOLERANCE:
        text = (
            "this machine's clock is %s s behind that of the server of `%s`: the image is dated by it; nothing expires"
        )
        log.warning(text, _apart(now, servers), database)


def clock_findings(now: datetime, servers: datetime) -> Iterator[Finding]:
    """What preflight says of both."""
    if abs(now - servers) > TOLERANCE:
        ahead = now > servers
        side, so = ("ahead of", "no image is taken") if ahead else ("behind", "nothing expires")
        text = f"this machine's clock is {_apart(now, servers)} s {side} the server's: {so} until one of them is set"
        yield Finding("problem" if ahead else "warning", text, (_MEND,))


def _apart(now: datetime, servers: datetime) -> int:
    return round(abs((now - servers).total_seconds()))
