"""What can go wrong in the runtime, as one tree.

    RuntimeFailure            a problem with a message for the person on call
    ├── PolicyBroken          the world is not as the plan promises            exit 1
    ├── BadUsage              an argument that makes no sense                  exit 2
    ├── StepFailed            a step failed; the repository is consistent      exit 4
    │   ├── StoreFailed       a store refused, failed or could not be reached
    │   │   ├── StoreUnreachable
    │   │   │   ├── StoreUnable   it answers, and says that it can't serve now
    │   │   │   └── StoreUntrusted    its certificate
    │   │   ├── StoreFull
    │   │   ├── StoreDenied
    │   │   │   └── StoreLocked   a retention lock protects the object
    │   │   ├── ObjectMissing
    │   │   └── ObjectFrozen      it is in a class that must thaw before it can be read
    │   ├── ServerFailed      a database server refused, failed or vanished
    │   │   └── NoAnswer      a statement did not return in time
    │   └── ToolFailed        a program such as `mariadb-dump` failed
    └── Refused               refused for safety                               exit 5
        └── DamagedBackup     bytes in the repository are not what was written

Each carries one message: what happened, to what, and the way out. No message ever holds a secret.
"""

from __future__ import annotations

import sys


class RuntimeFailure(Exception):
    """A problem to tell the person on call; `str()` is the message, `help` the way out (may be empty)."""

    exit_code = 4

    def __init__(self, message: str, *, help: str = "", retryable: bool = False) -> None:  # noqa: A002
        super().__init__(message)
        self.help = help
        self.retryable = retryable


class PolicyBroken(RuntimeFailure):
    exit_code = 1


class BadUsage(RuntimeFailure):
    exit_code = 2


class StepFailed(RuntimeFailure):
    exit_code = 4


class StoreFailed(StepFailed):
    words = "can't be read"
    """What a store does, after its name."""


class StoreUnreachable(StoreFailed):
    words = "does not answer"


class StoreUnable(StoreUnreachable):
    words = "is not able to answer"


class StoreUntrusted(StoreUnreachable):
    words = "is not trusted"


class Spoiled(StoreFailed):
    """What came is not what the service keeps: bytes were spoiled on the way."""


class StoreFull(StoreFailed):
    pass


class StoreDenied(StoreFailed):
    words = "refuses"


class StoreLocked(StoreDenied):
    pass


class ObjectMissing(StoreFailed):
    pass


class ObjectFrozen(StoreFailed):
    pass


class ServerFailed(StepFailed):
    pass


class NoAnswer(ServerFailed):
    """A statement that did not return in the time it was given; the server may well do all else."""


class ToolFailed(StepFailed):
    pass


class Refused(RuntimeFailure):
    exit_code = 5


class DamagedBackup(Refused):
    pass


def is_leaving() -> bool:
    """Whether what passes through now is an interruption: then nobody waits for a network that says nothing."""
    seen = sys.exc_info()[1]
    while seen is not None and not isinstance(seen, KeyboardInterrupt | SystemExit):
        seen = seen.__context__
    return seen is not None
