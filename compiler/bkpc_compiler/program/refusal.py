"""How a reader of statements gives one up: an exception that carries the diagnostic, caught where statements are gone
through one by one."""

from __future__ import annotations

from collections.abc import Iterable

from bkpc_compiler.diagnostics.diagnostic import Diagnostic


class WrongValue(Exception):
    """A statement that can't be taken."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class FileUnread(Exception):
    """A file to look at that is no text, or can't be read; the message names it and says why."""


class UnknownName(WrongValue):
    """A name that no `kind` has: it is none of those `known`."""

    def __init__(self, diagnostic: Diagnostic, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(diagnostic)
        self.kind, self.name, self.known = kind, name, known
