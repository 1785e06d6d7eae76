"""A pytest plugin for the suites' processes: names of Alibaba Cloud lead to the servers on the loopback.

Self-contained: it runs in the suites' environment. OSS_LOOPBACK holds rows of pattern, port and port here, JSON.
"""

from __future__ import annotations

import json
import os
import socket
from fnmatch import fnmatch
from typing import Any

_ROWS = json.loads(os.environ["OSS_LOOPBACK"])
_resolve, _address = socket.getaddrinfo, socket.gethostbyname


def _redirected(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    for pattern, theirs, ours in _ROWS:
        if isinstance(name, str) and fnmatch(name, pattern) and str(port) == str(theirs):
            return _resolve("127.0.0.1", ours, *rest, **named)
    return _resolve(host, port, *rest, **named)


def _local(name: str) -> str:
    return "127.0.0.1" if any(fnmatch(name, pattern) for pattern, _, _ in _ROWS) else _address(name)


socket.getaddrinfo = _redirected
socket.gethostbyname = _local
