"""The control endpoint, `/-/…`: for whoever started the server, unsigned, on the loopback only.

GET    /-/requests                  lines, one per request so far
DELETE /-/requests                  forgets them
GET    /-/faults                    the rules in force, JSON
POST   /-/faults                    adds a rule, or a list of rules, as `faults.Fault` has them
DELETE /-/faults                    nothing goes wrong any more
POST   /-/clock   {"seconds": N}    moves the virtual time on; runs lifecycle rules at each midnight UTC passed
POST   /-/limits  {"incoming": N, "outgoing": N, "requests_per_second": N, "sequential_per_second": N}
                                    the first two bytes/s of the account; 0: unlimited
POST   /-/keys    {"seconds": N}    a temporary key, as STS gives them
POST   /-/buckets {"name": …}       makes a bucket
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.oss_server.answer import Answer, text_answer
from tests.oss_server.faults import Fault
from tests.oss_server.refusal import Refusal
from tests.oss_server.service import done

if TYPE_CHECKING:
    from tests.oss_server.server import OssServer

PREFIX = "/-/"


def control(server: OssServer, method: str, path: str, body: bytes) -> Answer:
    """Does what the control request asks."""
    document: Any = json.loads(body) if body else {}
    match method, path.removeprefix(PREFIX):
        case "GET", "requests":
            return text_answer("".join(f"{line}\n" for line in server.requests).encode(), _TEXT)
        case "DELETE", "requests":
            server.requests.clear()
        case "GET", "faults":
            return _json([asdict(rule) for rule in server.faults.rules])
        case "POST", "faults":
            rules = document if isinstance(document, list) else [document]
            server.faults.rules += [Fault(**rule) for rule in rules]
        case "DELETE", "faults":
            server.faults.rules.clear()
            server.faults.breaks.clear()
        case "POST", "clock":
            return _json(server.advance(timedelta(seconds=document["seconds"])))
        case "POST", "limits":
            service = server.service
            service.incoming.rate = document.get("incoming", service.incoming.rate)
            service.outgoing.rate = document.get("outgoing", service.outgoing.rate)
            options = service.options
            for name in ("requests_per_second", "sequential_per_second"):
                setattr(options, name, document.get(name, getattr(options, name)))
        case "POST", "keys":
            key = server.lend(timedelta(seconds=document.get("seconds", 3600)))
            return _json({"id": key.id, "secret": key.secret, "token": key.token})
        case "POST", "buckets":
            server.bucket(document["name"])
        case _:
            raise Refusal(404, "NoSuchControl", f"{method} {path} is no control request.")
    return done()


_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def _json(content: object) -> Answer:
    return text_answer(json.dumps(content).encode(), {"Content-Type": "application/json"})
