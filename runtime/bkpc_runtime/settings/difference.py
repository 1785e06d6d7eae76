"""What stands between a bucket and what the plan asks of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Sign = Literal["+", "~", "-", "!", "i"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting of one bucket; two are the same when they lead to the same.

    `sign`: `+` is added, `~` changed, `-` removed; `!` is a problem that only people can mend; `i` is worth knowing.
    `forever`: what nobody can ever undo once it is done; empty where it can be undone.
    """

    setting: str
    goal: str
    sign: Sign = field(compare=False)
    why: str = field(compare=False, default="")
    was: str = field(compare=False, default="")
    forever: str = field(compare=False, default="")

    @property
    def changes(self) -> bool:
        """Whether `apply` changes something."""
        return self.sign in ("+", "~", "-")

    @property
    def text(self) -> str:
        was = f"{self.was} → " if self.was else ""
        why = f" ({self.why})" if self.why else ""
        sign = {"i": "note:"}.get(self.sign, self.sign)
        return _visible(f"{sign} {self.setting}: {was}{self.goal}{why}")


def _visible(text: str) -> str:
    """Names that others gave to rules are in it: what a terminal would obey is shown as `\\u{202e}`."""
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in text)
