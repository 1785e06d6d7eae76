"""An explanation in a terminal: bounds as waterfalls, each term with its clauses and its arithmetic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from bkpc_compiler.commands.verdicts import STANDING
from bkpc_compiler.commands.waterfall import bar, total
from bkpc_compiler.diagnostics.text import columns
from bkpc_compiler.explanation.explanation import (
    Cell,
    Explanation,
    Failure,
    Line,
    Objective,
    Source,
    Summand,
    Waterfall,
)
from bkpc_compiler.feasibility.verdict import Verdict
from bkpc_compiler.program.model import Origin
from bkpc_grammar.rounding import summed, told_down, told_up
from bkpc_grammar.shares import for_share, millionths_of

PROVENANCE = {
    Origin.DECLARED: "declared",
    Origin.STANDARD: "assumed by std",
    Origin.MEASURED: "measured",
    Origin.TEST: "set by a test",
}
_STYLES = {
    Verdict.PROVED: "\x1b[1;32m",
    Verdict.REFUTED: "\x1b[1;31m",
    Verdict.UNDECIDED: "\x1b[1;33m",
    "bar": "\x1b[36m",
    "bold": "\x1b[1m",
    "faint": "\x1b[2m",
}
_RESET = "\x1b[0m"
_PLAIN = str.maketrans({"█": "#", "▏": "|", "░": "=", "≈": "~", "×": "*", "−": "-", "…": "..."})
NARROWEST, DURATION = 44, 13
"""Columns: fewer are taken for this many; of a duration."""
NAMED = 12
"""Databases that a line names."""
BESIDE = 70
"""Columns that clauses and arithmetic need to stand beside the bars rather than below them."""


@dataclass(frozen=True, slots=True)
class Look:
    """`width`: columns of the terminal; `ascii`: for a stream without other characters."""

    width: int
    colour: bool = False
    ascii: bool = False


def as_text(explanation: Explanation, look: Look) -> str:
    """The whole answer."""
    page = _Page(look)
    for failure in explanation.failures:
        page.failure(explanation.database, failure)
    page.assumed(explanation)
    text = "\n".join(page.lines) + "\n"
    return text.translate(_PLAIN) if look.ascii else text


class _Page:
    def __init__(self, look: Look) -> None:
        self.colour = look.colour
        self.width = max(NARROWEST, look.width)
        self.cells = max(8, min(32, self.width // 4))
        beside = self.cells + DURATION + 6
        self.label = beside
        self.indent = beside if self.width - beside >= BESIDE else 6
        self.lines: list[str] = []

    def paint(self, style: Verdict | str, text: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if self.colour else text

    def wrapped(self, indent: int, text: str, style: str = "") -> None:
        """Words from column `indent` on; what does not fit goes on two columns further."""
        for number, line in enumerate(wrap(text, self.width - indent, 2)):
            shown = " " * (indent + (2 if number else 0)) + line
            self.lines.append(self.paint(style, shown) if style else shown)

    def failure(self, database: str, one: Failure) -> None:
        self.wrapped(0, f"`{database}` against {one.scope}: {one.lost}", "bold")
        others = [name for name in one.down if name != database]
        for words, names in (
            ("down with it, and coming back at the same time", others),
            ("up, but going back to one point with its group", one.along),
        ):
            if names:
                more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
                self.wrapped(2, f"{words}: {', '.join(names[:NAMED])}{more}")
        self.lines.append("")
        for objective in one.objectives:
            self.objective(objective)
        self.ways(one)
        self.reserved(one)

    def objective(self, one: Objective) -> None:
        head = f"{one.kind} {one.promised}{for_share(millionths_of(one.share))}"
        rest = wrap(f"{_verdict(one)}  ({one.source.where})", self.width - columns(head) - columns(one.verdict) - 4, 0)
        self.lines.append(f"{self.paint('bold', head)}  {self.paint(one.verdict, one.verdict)}  {rest[0]}")
        for line in rest[1:]:
            self.lines.append(f"    {line}")
        for remark in one.remarks:
            self.wrapped(2, remark)
        widest = max((one.total for one in (one.upper, one.lower) if one), default=Fraction(0))
        if one.upper is not None:
            self.waterfall(one.upper, widest, one.promised.amount, up=True, brief=False)
            self.lines.append("")
        if one.lower is not None:
            self.least(one, one.lower, widest)
        if one.upper is None and one.lower is None:
            self.lines.append("")

    def least(self, one: Objective, lower: Waterfall, widest: Fraction) -> None:
        least = told_down(lower.total, one.promised.amount)
        if not lower.summands:
            nothing = "nothing is lost" if one.kind == "rpo" else "it takes no time"
            self.wrapped(2, f"at least {least}: no figure rules out that {nothing}")
        else:
            self.wrapped(2, f"at least {least}, whatever the schedule:")
            brief = one.verdict is Verdict.PROVED
            self.waterfall(lower, widest, one.promised.amount, up=False, brief=brief)
        self.lines.append("")

    def waterfall(self, waterfall: Waterfall, widest: Fraction, promised: Fraction, *, up: bool, brief: bool) -> None:
        shown: dict[str, Cell] = {}
        whole, lasts = summed([one.lasts for one in waterfall.summands], promised, up=up)
        for one, told in zip(waterfall.summands, lasts, strict=True):
            self.row(bar(one.begins, one.lasts, widest, self.cells), told, one.label)
            if not brief:
                self.working(one, shown)
        drawn = total(waterfall.total, widest, self.cells)
        self.row(drawn, whole, f"in all: {number(waterfall.total)} s")

    def row(self, drawn: str, duration: str, label: str) -> None:
        first, *rest = wrap(label, self.width - self.label, 0)
        self.lines.append(f"  {self.paint('bar', drawn)}  {duration:>{DURATION}}  {first}")
        self.lines += [" " * self.label + line for line in rest]

    def working(self, one: Summand, shown: dict[str, Cell]) -> None:
        """Clauses, then arithmetic; a figure that stands above and still holds is not told again, but for the last."""
        for source in one.sources:
            self.wrapped(self.indent, clause(source), "faint")
        for place, cell in enumerate(one.cells, 1):
            if shown.get(cell.name) != cell or place == len(one.cells):
                shown[cell.name] = cell
                self.wrapped(self.indent, figure(cell), "faint")

    def ways(self, one: Failure) -> None:
        chosen = [line for line in one.lines if line.chosen]
        others = [line for line in one.lines if not line.chosen]
        for line in chosen:
            place = (
                f"rebuilt at `{line.place}`"
                if line.place
                else "but nothing says where to rebuild, or no links lead there"
            )
            self.wrapped(0, f"recovers from {way(line)}, {place}")
            self.wrapped(2, figures(line))
        for line in others:
            self.wrapped(0, f"not from {way(line)}: {line.why_not}")
            self.wrapped(2, figures(line))
        if one.gone:
            self.wrapped(0, f"lost: {', '.join(one.gone)}")
        if one.lines or one.gone:
            self.lines.append("")

    def reserved(self, one: Failure) -> None:
        if not one.jobs and not one.streams:
            return
        self.lines.append("reserved by the plan:")
        for stream in one.streams:
            room = f"{stream.rate:,} B/s" if stream.fits else f"no room for {stream.rate:,} B/s"
            self.wrapped(2, f"{stream.id} to `{stream.writes}`: {room}")
            self.wrapped(6, clause(stream.source), "faint")
        for job in one.jobs:
            if job.offset is None or job.lasts is None or job.rate is None:
                slot = "no slot: it finds no room"
            else:
                slot = "nothing on its way is known to be narrow"
                if job.rate:
                    slot = f"for {number(job.lasts)} s from {number(job.offset)} s after its release on, "
                    slot += f"{job.effort:,} B (failed attempts included) at {job.rate:,} B/s"
                    if job.sought:
                        slot += f", {job.sought:,} B more read at {job.sought_rate:,} B/s to find what changed"
                    slot += f", {number(job.beside)} s beside them" if job.beside else ""
            self.wrapped(2, f"{job.id}: {slot}")
            self.wrapped(6, clause(job.source), "faint")
        self.lines.append("")

    def assumed(self, explanation: Explanation) -> None:
        """What nobody declared: figures, then what every proof takes for granted."""
        if explanation.assumed:
            self.lines.append("figures that are assumed or measured:")
            for source in explanation.assumed:
                self.wrapped(2, clause(source))
        self.lines.append("every proof takes for granted:")
        for words in STANDING:
            self.wrapped(2, words)


def _verdict(one: Objective) -> str:
    if one.upper is None or one.margin is None:
        return "nothing bounds it from above" if one.lower else "not possible"
    most = f"at most {told_up(one.upper.total, one.promised.amount)}"
    if one.margin < 0:
        return f"{most}, {human(-one.margin)} too much"
    return f"{most}, {told_down(one.margin, Fraction(0)) if one.margin else 'nothing'} to spare"


def way(line: Line) -> str:
    """`the image in `far` (copied from `near`) and the log in `far``."""
    before = ", ".join(f"`{store}`" for store in reversed(line.image[:-1]))
    copied = f" (copied from {before})" if before else ""
    where = " or ".join(f"`{store}`" for store in line.logs)
    log = f" and the log in {where}" if where else ", without a log"
    if line.beside:
        stores = " or ".join(f"`{store}`" for store in (line.image[-1], *line.beside))
        return f"the newest image, in {stores}{log}"
    return f"the image in `{line.image[-1]}`{copied}{log}"


def figures(line: Line) -> str:
    """What it loses, and when it is back."""
    loses = f"loses at most {human(line.loses_most)}" if line.loses_most is not None else "nothing bounds what it loses"
    if line.back_alone is None:
        return loses
    return f"{loses}; back after at most {human(line.back_alone)}, were it alone to come back"


def clause(source: Source) -> str:
    """`estate.bkp:9  bandwidth 1Gbit/s  (declared)`."""
    return f"{source.where}  {source.text}  ({source.measured or PROVENANCE[source.origin]})"


def figure(cell: Cell) -> str:
    """`rate = left × 12 / 16 = 93,750,000 B/s  the rest is others' meanwhile`."""
    follows = f"{_readable(cell.expression)} = " if cell.expression else ""
    unit = f" {cell.unit}" if cell.unit else ""
    told = number(cell.value)
    if not cell.expression and told.startswith("≈"):  # what others are worked out from is told exactly
        told = f"{cell.value.numerator:,} / {cell.value.denominator:,} ≈ {told[1:]}"
    notes = [one for one in (cell.note, cell.source.where if cell.source else "") if one]
    note = f"  ({', '.join(notes)})" if notes else ""
    return f"{cell.name} = {follows}{told}{unit}{note}"


def _readable(expression: str) -> str:
    return expression.replace(" * ", " × ").replace(" - ", " − ")


def human(seconds: Fraction) -> str:
    """A duration for people, rounded up."""
    return told_up(seconds)


def number(amount: Fraction) -> str:
    """Exactly, digits in groups of three; `≈` before one that no short decimal is."""
    if amount.denominator == 1:
        return f"{amount.numerator:,}"
    millionths = amount * 1_000_000
    if millionths.denominator == 1:
        whole, rest = divmod(abs(millionths.numerator), 1_000_000)
        return f"{'-' if amount < 0 else ''}{whole:,}.{f'{rest:06}'.rstrip('0')}"
    return f"≈{float(amount):,.6f}" if abs(amount) >= 1 else f"≈{float(amount):.9g}"


def wrap(text: str, width: int, hanging: int) -> list[str]:
    """Lines of at most `width` columns, broken at blanks; all but the first `hanging` columns shorter. Blanks
    within a line stay."""
    lines = [""]
    for blanks, word in _words(text):
        room = width - (hanging if len(lines) > 1 else 0)
        if lines[-1] and columns(lines[-1]) + len(blanks) + columns(word) > room:
            lines.append(word)
        else:
            lines[-1] += (blanks if lines[-1] else "") + word
    return lines


def _words(text: str) -> Iterator[tuple[str, str]]:
    """Each word with the blanks before it."""
    blanks = ""
    for part in _parts(text):
        if part.isspace():
            blanks = part
        else:
            yield blanks, part
            blanks = ""


def _parts(text: str) -> Iterable[str]:
    return (part for part in re.split(r"( +)", text) if part)
