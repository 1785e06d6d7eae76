"""Progress for people: on a terminal a line for each step under way, below the text, gone when the step ends.

In a pipe, or where `rich` is not installed, there are the plain lines alone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TextIO, cast

from bkpc_grammar.quantities import Size
from bkpc_grammar.visible import visible
from bkpc_runtime import events

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


@contextlib.contextmanager
def progress_shown() -> Iterator[None]:
    """While the block runs, if stderr is a terminal that can do more than append."""
    progress = _progress() if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" else None
    if progress is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        for stream, redirected in (
            (sys.stderr, contextlib.redirect_stderr),
            (sys.stdout, contextlib.redirect_stdout),
        ):
            if stream.isatty():
                stack.enter_context(redirected(cast(TextIO, _Above(stream, progress))))
        stack.callback(progress.stop)
        stack.enter_context(events.listening(_Shown(progress).hear))
        yield


def _progress() -> Progress | None:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ModuleNotFoundError:
        return None
    console: Console = Console(file=sys.stderr)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[far]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,  # `_Above` does it: it breaks no lines, and holds no question back
        redirect_stderr=False,
    )


class _Shown:
    """Hears events, and moves the lines."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lines: dict[str, TaskID] = {}

    def hear(self, event: events.Event) -> None:
        if isinstance(event, events.Begun):
            self._lines[event.step] = self._progress.add_task(visible(event.step), total=None, far="")
            self._progress.start()
        elif isinstance(event, events.Progress) and event.step in self._lines:
            of = event.of if event.of and event.of >= event.done else None
            self._progress.update(self._lines[event.step], completed=event.done, total=of, far=_far(event, of))
        elif isinstance(event, events.Ended) and event.step in self._lines:
            self._progress.remove_task(self._lines.pop(event.step))
            if not self._lines:
                self._progress.stop()


def _far(event: events.Progress, of: int | None) -> str:
    if event.unit == "parts":
        return visible(f"{event.done} of {event.of} parts, {event.what}")
    done = Size(Fraction(event.done)).human()
    return f"{done} of about {Size(Fraction(of)).human()}" if of else done


class _Above:
    """A terminal, to which lines are written above those of steps, whole. What is written while there are none, such
    as a question, is there at once."""

    def __init__(self, inner: TextIO, progress: Progress) -> None:
        self._inner, self._progress = inner, progress
        self._rest = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        with self._lock:
            if not self._progress.live.is_started:
                self._inner.write(self._rest + text)
                self._rest = ""
                return len(text)
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._progress.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
