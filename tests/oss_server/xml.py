"""XML that the server sends and reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.oss_server.refusal import malformed

Node: TypeAlias = "Mapping[str, Node] | Sequence[Node] | str | int | bool | None"
# Keys may hold control characters, and SDKs send them as they are: carried through the parser as private characters.
_CONTROLS = [code for code in range(1, 32) if code not in {9, 10, 13}]
_SMUGGLED = {code: 0xE000 + code for code in _CONTROLS}
_UNPACKED = {0xE000 + code: code for code in _CONTROLS}
_REFERENCE = re.compile(r"&#([xX][0-9a-fA-F]+|[0-9]+);")
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def _referred(found: re.Match[str]) -> str:
    code = int(found[1][1:], 16) if found[1][0] in "xX" else int(found[1])
    return chr(_SMUGGLED[code]) if code in _SMUGGLED else found[0]


def document(name: str, content: Node) -> bytes:
    """A mapping becomes elements, a sequence repeats its element, None is left out."""
    return f"{_HEAD}{_element(name, content)}".encode()


def _element(name: str, content: Node) -> str:
    if content is None:
        return ""
    if isinstance(content, bool):
        content = str(content).lower()
    if isinstance(content, str | int):
        return f"<{name}>{escape(str(content))}</{name}>"
    if isinstance(content, Mapping):
        return f"<{name}>{''.join(_element(inner, one) for inner, one in content.items())}</{name}>"
    return "".join(_element(name, one) for one in content)


def parsed(body: bytes, name: str = "") -> ElementTree.Element:
    """The root element, without namespaces; refused unless it is called `name`."""
    try:
        text = _REFERENCE.sub(_referred, body.decode().translate(_SMUGGLED))
        root = ElementTree.fromstring(text)  # noqa: S314 (what tests send)
    except (ElementTree.ParseError, ValueError):
        raise malformed() from None
    for one in root.iter():
        one.tag = one.tag.rpartition("}")[2]
        one.text = one.text and one.text.translate(_UNPACKED)
    if name and root.tag != name:
        raise malformed()
    return root


def text_of(node: ElementTree.Element, path: str, default: str = "") -> str:
    """The text of the first element at `path`; whitespace as it stands."""
    found = node.find(path)
    return default if found is None else found.text or ""


def number_of(node: ElementTree.Element, path: str) -> int | None:
    """A whole number, None when there is no such element."""
    text = text_of(node, path).strip()
    if not text:
        return None
    if not text.isdigit():
        raise malformed()
    return int(text)
