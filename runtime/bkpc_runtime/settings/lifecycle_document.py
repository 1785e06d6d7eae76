"""Lifecycle rules as OSS keeps them: read for what they do, and put together again without touching others' bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

_ROOT = "LifecycleConfiguration"
_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NUMBER = re.compile(r"[0-9]{1,9}")
_DATES = ("CreatedBeforeDate", "Date")


@dataclass(slots=True)
class Node:
    """An element: its text and children; `begin` and `end` are the bytes it takes in the document."""

    name: str
    begin: int
    end: int = 0
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, name: str) -> list[Node]:
        return [one for one in self.children if one.name == name]

    def first(self, name: str) -> Node | None:
        return next(iter(self.all(name)), None)

    def said(self, name: str) -> str:
        """The text of a child; empty where there is none."""
        found = self.first(name)
        return found.text.strip() if found else ""


@dataclass(frozen=True, slots=True)
class Move:
    """To a colder class after `days`; None: at a date, or by the time of the last access."""

    storage_class: str
    days: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    """What one rule does; None where it doesn't, 0 days where a date says when.

    `tagged`: only objects with tags. `narrowed`: not all that its prefix covers, whatever else narrows it.
    `spared`: prefixes it leaves alone. `begin` and `end`: its bytes in the document.
    """

    id: str
    prefix: str
    enabled: bool
    expires: int | None
    removes_markers: bool
    moves: tuple[Move, ...]
    aborts: int | None
    noncurrent: int | None
    noncurrent_moves: bool
    tagged: bool
    narrowed: bool
    spared: tuple[str, ...]
    begin: int
    end: int

    def touches(self, folder: str) -> bool:
        """Whether it may be about an object below `folder`; ours carry no tags."""
        nested = folder.startswith(self.prefix) or self.prefix.startswith(folder)
        return self.enabled and not self.tagged and nested and not any(folder.startswith(one) for one in self.spared)


def rules_in(document: bytes) -> tuple[Rule, ...]:
    """The rules, in their order; none of an empty document.

    Raises:
        ValueError: it is no lifecycle configuration.
    """
    root = _parsed(document)
    return tuple(_rule(one) for one in root.all("Rule")) if root else ()


def replaced(document: bytes, gone: Sequence[Rule], added: Sequence[bytes]) -> bytes:
    """The document without the rules `gone`, and with those `added` at its end; empty where no rule is left.

    Raises:
        ValueError: it is no lifecycle configuration.
    """
    root = _parsed(document)
    rules = root.all("Rule") if root else []
    if len(rules) == len(gone) and not added:
        return b""
    if root is None or not rules:
        return _HEAD + f"<{_ROOT}>".encode() + b"".join(added) + f"</{_ROOT}>".encode()
    spans = {(one.begin, one.end) for one in gone}
    at = rules[-1].end
    parts, position = [], 0
    for begin, end in sorted(spans):
        parts.append((position, begin))
        position = end
    kept = [*parts, (position, len(document))]
    before = b"".join(document[begin : min(end, at)] for begin, end in kept if begin < at)
    return before + b"".join(added) + document[at:]


def written(rule_id: str, prefix: str, aborts: int | None, noncurrent: int | None) -> bytes:
    """A rule of ours. `noncurrent`: also of delete markers that nothing is below any more."""
    text = f"<Rule><ID>{escape(rule_id)}</ID><Prefix>{escape(prefix)}</Prefix><Status>Enabled</Status>"
    if noncurrent is not None:
        text += "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
    if aborts is not None:
        text += f"<AbortMultipartUpload><Days>{aborts}</Days></AbortMultipartUpload>"
    if noncurrent is not None:
        days = f"<NoncurrentDays>{noncurrent}</NoncurrentDays>"
        text += f"<NoncurrentVersionExpiration>{days}</NoncurrentVersionExpiration>"
    return f"{text}</Rule>".encode()


def _rule(node: Node) -> Rule:
    scope = node.first("Filter")
    exclusions = scope.all("Not") if scope else []
    sizes = [one for one in scope.children if one.name != "Not"] if scope else []
    tagged = bool(node.all("Tag"))
    expiration = node.first("Expiration")
    moves = [Move(one.said("StorageClass"), _days(one) or None) for one in node.all("Transition")]
    return Rule(
        id=node.said("ID"),
        prefix=_exact(node, "Prefix"),
        enabled=node.said("Status") == "Enabled",
        expires=_when(expiration),
        removes_markers=expiration is not None and expiration.said("ExpiredObjectDeleteMarker") == "true",
        moves=tuple(moves),
        aborts=_when(node.first("AbortMultipartUpload")),
        noncurrent=_when(node.first("NoncurrentVersionExpiration"), "NoncurrentDays"),
        noncurrent_moves=bool(node.all("NoncurrentVersionTransition")),
        tagged=tagged,
        narrowed=tagged or bool(exclusions) or bool(sizes),
        spared=tuple(_exact(one, "Prefix") for one in exclusions if not one.all("Tag")),
        begin=node.begin,
        end=node.end,
    )


def _exact(node: Node, name: str) -> str:
    found = node.first(name)
    return found.text if found else ""


def _when(node: Node | None, name: str = "Days") -> int | None:
    """Days; 0 where a date says when; None where nothing does."""
    if node is None:
        return None
    if node.said(name):
        return _days(node, name)
    return 0 if any(node.said(date) for date in _DATES) else None


def _days(node: Node, name: str = "Days") -> int:
    said = node.said(name)
    return int(said) if _NUMBER.fullmatch(said) else 0


def _parsed(document: bytes) -> Node | None:
    if not document.strip():
        return None
    parser, stack = expat.ParserCreate(), [Node("", 0)]

    def start(name: str, _: object) -> None:
        node = Node(name, parser.CurrentByteIndex)
        stack[-1].children.append(node)
        stack.append(node)

    def end(_: str) -> None:
        node = stack.pop()
        begun = parser.CurrentByteIndex
        # Of `<a/>` expat is behind it by now, of `<a>…</a>` before its closing tag.
        alone = not node.children and not node.text and document[begun - 2 : begun] == b"/>"
        node.end = begun if alone else document.index(b">", begun) + 1

    def text(found: str) -> None:
        stack[-1].text += found

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    try:
        parser.Parse(document, True)
    except expat.ExpatError as problem:
        raise ValueError(str(problem)) from problem
    (root,) = stack[0].children
    if root.name != _ROOT:
        raise ValueError(f"it is a {root.name}")
    return root
