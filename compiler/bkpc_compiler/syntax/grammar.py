"""The parser of the language: its table ships ready made, which saves a quarter of a second per run.

`python -m bkpc_compiler.syntax.grammar` renews `bkp.table`; a test holds it and `bkp.lark` together.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark import Lark

_PACKAGE = "bkpc_grammar"


@cache
def parser() -> Lark:
    """The parser, from the shipped table where that is of this grammar and of the installed lark."""
    from lark import Lark

    head, body = _shipped()
    if head != _head():
        return build()
    return Lark.load(io.BytesIO(body))


def table() -> Mapping[str, Any]:
    """What `Lark.save` writes of this grammar: plain values, read without lark, whose import alone takes a while."""
    head, body = _shipped()
    if head.split()[-1] != _digest():
        saved = io.BytesIO()
        build().save(saved)
        body = saved.getvalue()
    # Package data, written by `main` below: as trustworthy as the code beside it.
    found: Mapping[str, Any] = pickle.loads(body)  # noqa: S301
    return found


def build() -> Lark:
    """The parser made from the grammar itself."""
    from lark import Lark

    return Lark(_text(), parser="lalr", lexer="contextual", maybe_placeholders=False, keep_all_tokens=True)


def _text() -> str:
    return files(_PACKAGE).joinpath("bkp.lark").read_text(encoding="utf-8")


def _shipped() -> tuple[bytes, bytes]:
    """The first line of the shipped table, which says what it is of, and the rest."""
    head, _, body = files(_PACKAGE).joinpath("bkp.table").read_bytes().partition(b"\n")
    return head, body


def _head() -> bytes:
    import lark

    return b"lark %s %s" % (lark.__version__.encode(), _digest())


def _digest() -> bytes:
    return hashlib.sha256(_text().encode()).hexdigest().encode()


def main() -> None:
    """Write the table."""
    body = io.BytesIO()
    build().save(body)
    Path(str(files(_PACKAGE).joinpath("bkp.table"))).write_bytes(_head() + b"\n" + body.getvalue())


if __name__ == "__main__":
    main()
