"""Elements of SVG and HTML with every value escaped, and pages from the templates of this package."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from bkpc_compiler.backends import words
from bkpc_grammar.visible import visible


def element(name: str, *children: Markup | str, **attributes: str | float | int) -> Markup:
    """`element("rect", x="10%", stroke_width=2)`: an underscore in a name stands for a hyphen; `class_` for `class`."""
    values = {key: number(value) if isinstance(value, float) else value for key, value in attributes.items()}
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value) for key, value in values.items()
    )
    inner = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, inner)  # noqa: S704 # names are our own


def percent(part: float, whole: float) -> str:
    """A share as SVG and CSS take it: the same text on every machine."""
    return f"{number(100 * part / whole if whole else 0.0)}%"


def number(value: float) -> str:
    """At most three decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def slug(text: str) -> str:
    """An id for an element, from any text."""
    return re.sub(r"[^\w-]+", "-", text).strip("-")


_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
"""Code in a text: what stands between equal runs of backticks, as in Markdown."""


def ticked(text: str) -> Markup:
    """Text for HTML, with what stands between backticks as code."""
    found: list[Markup] = []
    at = 0
    for code in _CODE.finditer(text):
        inner = code[2]
        padded = inner.startswith(" ") and inner.endswith(" ") and inner.strip()
        found += [escape(text[at : code.start()]), element("code", inner[1:-1] if padded else inner)]
        at = code.end()
    return Markup("").join([*found, escape(text[at:])])


def markdown(text: str) -> str:
    """Text for Markdown that is taken for nothing else."""
    return re.sub(r"([\\`*_\[\]<>|&#~])", r"\\\1", " ".join(text.split()))


def markdown_code(text: str) -> str:
    """Text of others as code in Markdown: behind more backticks than it holds itself, so that it can't end it."""
    shown = visible(text).replace("\n", "\\u{a}")
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest and (shown.startswith("`") or shown.endswith("`")) else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("bkpc_compiler.backends", "templates"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "of_share": words.of_share,
        "span": words.span,
        "takes": words.takes,
        "clock": words.clock,
        "moment": words.moment,
        "rate": words.rate,
        "size": words.size,
        "listed": words.listed,
        "origin": words.origin,
        "slug": slug,
        "ticked": ticked,
        "md": markdown,
        "code": markdown_code,
    }
    made.globals["many"] = words.many
    return made


def script(name: str) -> dict[str, Markup | str]:
    """A script of this package for a page, and what its policy says to let it run, and no other."""
    text, _, _ = PackageLoader("bkpc_compiler.backends", "templates").get_source(_environment(), f"{name}.js")
    digest = b64encode(sha256(text.encode()).digest()).decode()
    return {name: Markup(text), f"{name}_policy": f"sha256-{digest}"}  # noqa: S704 # our own


def page(template: str, **values: object) -> str:
    """The template of this name, filled in."""
    return _environment().get_template(template).render(**values)
