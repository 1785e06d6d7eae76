"""What shall go wrong, by rule: for the n-th request, for some at a rate, for all that match."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "status",
    "delay",
    "reset",
    "truncate",
    "corrupt",
    "late",
    "lost",
    "refuse",
    "interrupt",
    "garble",
    "foreign",
    "babble",
]


_UPLOAD_ID = re.compile(r"uploadId=[^&]*")


@dataclass(slots=True)
class Fault:
    """One rule.

    `kind`: `status` answers with `status` and `code` instead of doing what was asked; `delay` waits `seconds` first;
    `reset` and `truncate` end the body after `after` bytes (with RST, or as if all were sent: FIN); `corrupt` turns
    one bit of byte `after`; `late` does what was asked and answers `seconds` later; `lost` does it and never answers;
    `refuse` closes the connection before anything was done; `interrupt` once `after` bytes of an upload were read;
    `garble` turns a bit of the first bytes of an upload before they are kept; `foreign` has something that is not OSS
    answer with `status` and a page, where nothing is done (a proxy, a login page); `babble` does what was asked, and
    gives a document that is no XML, of the right length.

    `method` and `match` (a regular expression over `METHOD bucket/key?query`) say which requests; of these, each
    `nth` (counted from 1, 0 for any), or a share `per_mille` of them (1000: all); `times` of them at most (0: no end).
    """

    kind: Kind
    method: str = ""
    match: str = ""
    nth: int = 0
    per_mille: int = 1000
    times: int = 0
    status: int = 500
    code: str = "InternalError"
    headers: dict[str, str] = field(default_factory=dict)
    after: int = 0
    seconds: float = 0.0
    seen: int = 0
    done: int = 0

    def applies(self, line: str, method: str, chance: random.Random) -> bool:
        """Counts the request and says whether the fault strikes it."""
        if (self.method and self.method != method) or not re.search(self.match, line):
            return False
        self.seen += 1
        if self.times and self.done >= self.times:
            return False
        if self.nth and self.seen % self.nth:
            return False
        if chance.randrange(1000) >= self.per_mille:
            return False
        self.done += 1
        return True


@dataclass(slots=True)
class Faults:
    """The rules in force. `full` refuses puts for want of space.

    `rotation`: the first request for each thing is struck by the next of these that fits it, from number `turn` on;
    when it is tried again, it is not. So every request of a test fails, and every request can be mended.
    """

    rotation: tuple[Fault, ...] = ()
    turn: int = 0
    known: set[str] = field(default_factory=set)
    rules: list[Fault] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    full: bool = False
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 (not for secrets)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def striking(self, line: str, method: str) -> list[Fault]:
        """The faults that strike this request; spent rules go. Of several `status` rules the first strikes alone."""
        with self.lock:
            found: list[Fault] = []
            for rule in self.rules:
                if rule.kind in {"status", "lost", "foreign"} and any(one.kind == rule.kind for one in found):
                    continue
                if rule.applies(line, method, self.chance):
                    found.append(rule)
            self.rules = [rule for rule in self.rules if not rule.times or rule.done < rule.times]
            return found + self._in_turn(line, method)

    def _in_turn(self, line: str, method: str) -> list[Fault]:
        same = _UPLOAD_ID.sub("", line)
        if not self.rotation or same in self.known:
            return []
        self.known.add(same)
        for _ in self.rotation:
            rule = self.rotation[self.turn % len(self.rotation)]
            self.turn += 1
            if rule.applies(line, method, self.chance):
                return [rule]
        return []

    def next_break(self) -> int | None:
        """Where to cut the next object read, if a test asked for that."""
        with self.lock:
            return self.breaks.pop(0) if self.breaks else None


def cut(chunks: Iterator[bytes], after: int) -> Iterator[bytes]:
    """The first `after` bytes."""
    for chunk in chunks:
        if len(chunk) >= after:
            yield chunk[:after]
            return
        after -= len(chunk)
        yield chunk


def corrupted(chunks: Iterator[bytes], at: int) -> Iterator[bytes]:
    """The bytes with a bit of number `at` turned; of the last chunk's last byte when there are fewer."""
    for chunk in chunks:
        if 0 <= at < len(chunk):
            yield chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1 :]
        else:
            yield chunk
        at -= len(chunk)


def babbled(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """As many bytes, the second half of which no XML has."""
    whole = b"".join(chunks)
    half = len(whole) // 2
    yield whole[:half] + b"<" * (len(whole) - half)
