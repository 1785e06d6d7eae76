"""What a terminal would obey or hide, written out: text of strangers must not change how it is read."""

from __future__ import annotations

import unicodedata

_OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, formats such as the turns of a line's direction, halves of characters, separators of lines."""
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and marks that are drawn as nothing."""


def visible(text: str) -> str:
    """`text` with each such character as `\\u{202e}`, as the language writes it; line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"\\u{{{ord(char):x}}}" if _is_obeyed(char) else char for char in text)


def is_hidden(char: str) -> bool:
    """Whether it changes how others are read, and is not seen itself; line ends and tabs too."""
    return char in _BLANK or unicodedata.category(char) in _OBEYED


def _is_obeyed(char: str) -> bool:
    return char not in "\n\t" and is_hidden(char)
