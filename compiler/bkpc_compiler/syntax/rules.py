"""The rules of the grammar, each with what it makes of its parts: as lark does, with `Clause` in place of its tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bkpc_compiler.source import Span
from bkpc_compiler.syntax.tree import Clause


class Rule:
    """A rule of `size` parts, of the symbol `origin`."""

    __slots__ = ("kind", "origin", "size")

    def __init__(self, size: int, kind: str, origin: str) -> None:
        self.size, self.kind, self.origin = size, kind, origin

    def reduce(self, values: list[Any], path: str) -> None:
        """Replace the last `size` values (words, clauses, lists of them) by the one they make: a clause."""
        at = len(values) - self.size
        parts = tuple(values[at:])
        values[at:] = (Clause(self.kind, parts, Span(path, parts[0].span.start, parts[-1].span.end)),)


class _Single(Rule):
    """A clause of one part."""

    __slots__ = ()

    def reduce(self, values: list[Any], path: str) -> None:  # noqa: ARG002 - the part knows it
        part = values[-1]
        values[-1] = Clause(self.kind, (part,), part.span)


class _Same(Rule):
    """`?rule` of one part: nothing is made but that part."""

    __slots__ = ()

    def reduce(self, values: list[Any], path: str) -> None:
        pass


class _List(Rule):
    """What lark makes of a repetition, the first time: a list, whose items become parts of the clause around it."""

    __slots__ = ()

    def reduce(self, values: list[Any], path: str) -> None:  # noqa: ARG002
        at = len(values) - self.size
        values[at:] = (values[at:],)


class _Longer(Rule):
    """One more item for such a list, perhaps after a comma."""

    __slots__ = ()

    def reduce(self, values: list[Any], path: str) -> None:  # noqa: ARG002
        at = 1 - self.size
        values[at - 1] += values[at:]
        del values[at:]


class _Around(Rule):
    """A clause around lists; or nothing but its only part, where it is a `?rule` that comes to have one."""

    __slots__ = ("is_optional", "lists")

    def __init__(self, size: int, kind: str, origin: str, lists: tuple[bool, ...], is_optional: bool) -> None:
        super().__init__(size, kind, origin)
        self.lists, self.is_optional = lists, is_optional

    def reduce(self, values: list[Any], path: str) -> None:
        at = len(values) - self.size
        parts: list[Any] = []
        for part, is_list in zip(values[at:], self.lists, strict=True):
            if is_list:
                parts += part
            else:
                parts.append(part)
        if self.is_optional and len(parts) == 1:
            values[at:] = parts
            return
        span = Span(path, parts[0].span.start, parts[-1].span.end) if parts else Span(path, 0, 0)
        values[at:] = (Clause(self.kind, tuple(parts), span),)


def rule_of(saved: Mapping[str, Any]) -> Rule:
    """The rule that lark saved like this."""
    origin: str = saved["origin"]["name"]
    size, kind = len(saved["expansion"]), saved["alias"] or origin
    lists = tuple(_is_list(one) for one in saved["expansion"])
    is_optional = bool(saved["options"]["expand1"]) and not saved["alias"]
    if _is_list(saved["origin"]):
        if not any(lists):
            return _List(size, kind, origin)
        assert lists[0]
        assert not any(lists[1:])
        return _Longer(size, kind, origin)
    if any(lists) or not size or (is_optional and size > 1):
        return _Around(size, kind, origin, lists, is_optional)
    if size > 1:
        return Rule(size, kind, origin)
    return _Same(size, kind, origin) if is_optional else _Single(size, kind, origin)


def _is_list(symbol: Mapping[str, Any]) -> bool:
    return bool(symbol["__type__"] == "NonTerminal" and symbol["name"].startswith("_"))
