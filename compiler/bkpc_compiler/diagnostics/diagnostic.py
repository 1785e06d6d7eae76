"""A diagnostic is a value: passes return them, only the command line prints and exits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bkpc_compiler.source import Span


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Label:
    """A span and the words beside its underline: lower case, no final stop; may be empty."""

    span: Span
    text: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace what `span` covers by `text`: a help that a machine can apply.

    `fact`: it says something of the world, which must be made true first.
    """

    span: Span
    text: str
    fact: bool = False


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem. `code` is stable (`BKP3001`), so is `name` (`rto-unreachable`)."""

    code: str
    name: str
    severity: Severity
    message: str
    primary: Label
    secondary: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None
    edit: Edit | None = None

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Sorted output: by place, then code, then words."""
        span = self.primary.span
        return (span.file, span.start, span.end, self.code, self.message)


def in_order(diagnostics: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Without repetitions, by place."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda one: one.order))
