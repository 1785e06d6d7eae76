"""The kinds of words of the language, as lark tells them apart: all at once, or only those that a state accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

_END = "$END"
_NAME = "NAME"
_Saved = Mapping[str, Any]
"""A terminal as lark saves it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The kinds of words that a state accepts."""

    names: frozenset[str]
    fixed: Mapping[str, str]
    """By the text of the piece: keywords and signs."""
    free: Mapping[int, str]
    """By the group of `Terminals.pieces` that matched it: names, values, and the end."""


class Terminals:
    """All kinds of words, in the order in which lark tries them; `ignored` ones only separate."""

    def __init__(self, saved: Iterable[_Saved], ignored: Sequence[str]) -> None:
        in_order = sorted(saved, key=_order)
        self.names = frozenset(one["name"] for one in in_order)
        self._patterns = {one["name"]: _pattern(one) for one in in_order}
        self._texts = {one["name"]: str(one["pattern"]["value"]) for one in in_order if _is_fixed(one)}
        priorities = {one["name"]: one["priority"] for one in in_order}
        self._keywords = {
            free: {
                text: name
                for name, text in self._texts.items()
                if priorities[name] == priorities[free] and re.fullmatch(self._patterns[free], text)
            }
            for free in self._patterns.keys() - self._texts.keys()
        }
        """What lark takes for a keyword where it has found one of these."""
        cut = [name for name in self._patterns if name not in {*ignored, *self._keywords[_NAME].values()}]
        # Each group costs time, and signs are known by their text: neighbours share one.
        groups = [tuple(names) for _, names in groupby(cut, lambda one: one if one not in self._texts else "")]
        self._groups = {names[0]: number for number, names in enumerate([*groups, (_END,)], 1)}
        pieces = "|".join("(" + "|".join(self._patterns[name] for name in names) + ")" for names in groups)
        last, *others = (f"(?:{self._patterns[name]})" for name in reversed(ignored))
        skipped = rf"(?:{last})*+(?:(?:{'|'.join(others)})(?:{last})*+)*+" if others else rf"{last}*+"
        self.pieces = re.compile(rf"{skipped}(?:{pieces}|(\Z)|((?s:.)))")
        """Cuts any text into pieces, each in a group after what is skipped."""
        self._known: dict[frozenset[str], Accepted] = {}
        self._expressions: dict[frozenset[str], re.Pattern[str]] = {}

    def accepted(self, symbols: frozenset[str]) -> Accepted:
        """Of the symbols of a state those that are words."""
        if symbols not in self._known:
            names = symbols & self.names
            fixed = {self._texts[name]: name for name in names & self._texts.keys()}
            free = names - self._texts.keys()
            for name in free if _NAME not in free else ():
                fixed = dict.fromkeys(self._keywords[name], name) | fixed
            groups = {self._groups[name]: name for name in {*free, *(symbols & {_END})}}
            self._known[symbols] = Accepted(names, fixed, groups)
        return self._known[symbols]

    def match(self, accepted: Accepted, text: str, start: int, end: int) -> tuple[str, int] | None:
        """The kind and the end of the word at `start`, found as lark finds it: slowly, by those accepted only."""
        names = accepted.names
        keywords = {free: self._keywords[free] for free in names - self._texts.keys()}
        within = {name for known in keywords.values() for name in known.values()}
        if names not in self._expressions:
            tried = [name for name in self._patterns if name in names and name not in within]
            self._expressions[names] = re.compile("|".join(f"(?P<{name}>{self._patterns[name]})" for name in tried))
        found = self._expressions[names].match(text, start, end)
        if found is None or found.lastgroup is None:
            return None
        keyword = keywords.get(found.lastgroup, {}).get(found[0])
        return keyword if keyword in names else found.lastgroup, found.end()


def _is_fixed(terminal: _Saved) -> bool:
    return bool(terminal["pattern"]["__type__"] == "PatternStr")


def _pattern(terminal: _Saved) -> str:
    text: str = terminal["pattern"]["value"]
    return re.escape(text) if _is_fixed(terminal) else text


def _order(terminal: _Saved) -> tuple[int, int, int, str]:
    """Lark's: by priority, then the longest first."""
    pattern = terminal["pattern"]
    text: str = pattern["value"]
    longest: int = len(text) if _is_fixed(terminal) else pattern["_width"][1]
    return -terminal["priority"], -longest, -len(text), terminal["name"]
