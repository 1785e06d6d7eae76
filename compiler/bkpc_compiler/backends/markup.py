"""Elements of SVG and HTML with every value escaped, and pages from the templates of this package."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from bkpc_compiler.backends import words


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


def ticked(text: str) -> Markup:
    """Text for HTML, with what stands between backticks as code."""
    parts = text.split("`")
    even = len(parts) % 2 == 1
    return Markup("").join(
        element("code", part) if place % 2 and even else escape(part) for place, part in enumerate(parts)
    )


def markdown(text: str) -> str:
    """Text for Markdown that is taken for nothing else."""
    return re.sub(r"([\\`*_\[\]<>|&#~])", r"\\\1", " ".join(text.split()))


def markdown_code(text: str) -> str:
    """Text of others as code in Markdown; it can't end it."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


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
        "span": words.span,
        "takes": words.takes,
        "clock": words.clock,
        "moment": words.moment,
        "rate": words.rate,
        "size": words.size,
        "listed": words.listed,
        "slug": slug,
        "ticked": ticked,
        "md": markdown,
        "code": markdown_code,
    }
    made.globals["many"] = words.many
    return made


def page(template: str, **values: object) -> str:
    """The template of this name, filled in."""
    return _environment().get_template(template).render(**values)
