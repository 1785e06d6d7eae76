"""Names come from servers and stores, where anybody may have given them: what a terminal would obey is written out."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from bkpc_grammar.visible import visible


class _Readable:
    """`inner`, to which nothing is written that a terminal would obey; line ends and tabs are."""

    def __init__(self, inner: TextIO) -> None:
        self._inner = inner

    def write(self, text: str) -> int:
        self._inner.write(visible(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """What is printed or logged while the block runs can be read, whatever it names."""
    out, err = (cast(TextIO, _Readable(one)) for one in (sys.stdout, sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield
