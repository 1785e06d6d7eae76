"""Reads a page as a strict browser would: every element closed, in order; what it holds, for tests to look at."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

from bkpc_compiler import backends

FIND = Path(backends.__file__).with_name("templates") / "find.js"
VOID = {"meta", "link", "input", "br"}


@dataclass
class Element:
    """One element; `text` is all text in it."""

    name: str
    attributes: dict[str, str]
    parent: Element | None
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def inside(self) -> list[Element]:
        """Itself and all elements in it, in the order of the page."""
        return [self, *(one for child in self.children for one in child.inside())]

    def all(self, *names: str) -> list[Element]:
        return [one for one in self.inside() if one.name in names]

    def above(self) -> list[str]:
        """The names of the elements it is in."""
        return [self.parent.name, *self.parent.above()] if self.parent else []


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {}, None)
        self.here = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(element)
        if tag not in VOID:
            self.here = element

    def handle_endtag(self, tag: str) -> None:
        assert self.here.name == tag, f"</{tag}> closes <{self.here.name}> at {self.getpos()}"
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        element: Element | None = self.here
        while element is not None:
            element.text += data
            element = element.parent


def read(page: str) -> Element:
    """The page as a tree; an assertion fails where it is not well formed."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.here is reader.root, f"<{reader.here.name}> is not closed"
    return reader.root


def assert_sound(page: str, to: Collection[str] = ()) -> Element:
    """What every page of ours keeps to: self-contained, headings in order, tables and pictures that can be read out.

    `to`: the pages beside it that it may lead to.
    """
    root = read(page)
    _assert_self_contained(root, to)
    levels = [int(one.name[1]) for one in root.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    ids = [one.attributes["id"] for one in root.inside() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in root.inside():
        targets = one.attributes.get("aria-labelledby", "").split()
        targets += [one.attributes["href"][1:]] if one.attributes.get("href", "").startswith("#") else []
        assert set(targets) <= set(ids), (one.name, targets)
    for table in root.all("table"):
        assert table.children[0].name == "caption"
        assert all("scope" in one.attributes for one in table.all("th"))
    for picture in root.all("svg"):
        hidden = picture.attributes.get("aria-hidden") == "true"
        assert hidden or (picture.attributes["role"] == "img" and picture.children[0].name == "title")
    for landmark in ("header", "nav", "main", "footer"):
        assert len(root.all(landmark)) == 1
    assert root.all("html")[0].attributes["lang"] == "en"
    assert root.all("a")[0].attributes["href"] == "#main", "the first link skips to the content"
    return root


def _assert_only_our_scripts(root: Element) -> None:
    """Those that are in the package, word for word; and the page's policy lets no others run."""
    policy = next(one.attributes["content"] for one in root.all("meta") if "Security-Policy" in str(one.attributes))
    allowed = [part.split()[1:] for part in policy.split(";") if part.split()[0] == "script-src"]
    scripts = root.all("script")
    assert [one.text for one in scripts] in ([], [FIND.read_text(encoding="utf-8")])
    assert not any(one.attributes for one in scripts)
    digests = [b64encode(sha256(one.text.encode()).digest()).decode() for one in scripts]
    assert allowed == ([[f"'sha256-{one}'" for one in digests]] if scripts else [])
    assert "default-src 'none'" in policy


def _assert_self_contained(root: Element, to: Collection[str]) -> None:
    _assert_only_our_scripts(root)
    assert not root.all("iframe", "img", "object", "embed", "base", "use")
    for one in root.inside():
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            value = one.attributes.get(name, "#")
            assert value.startswith("#") or value == "data:," or value in to, (one.name, value)
        assert not any(name.startswith("on") for name in one.attributes), one.attributes
        assert "url(" not in one.attributes.get("style", "")
    for style in root.all("style"):
        assert "url(" not in style.text
        assert "@import" not in style.text
        assert "http" not in style.text
