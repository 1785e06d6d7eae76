"""The boundaries of a command with its stores: enumerated by running it, not by hand.

Every call of a store, and every chunk that goes in or out, is a boundary before it happens and one after. A command
runs in a forked process, whose stores count them; at the one that is asked for, it kills itself (or the server) with
-9: no `finally`, no `atexit`, no flush.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bkpc_runtime.stores.store import ObjectWriter, Store
from bkpc_runtime.world import World

KILLED = -signal.SIGKILL


@dataclass(slots=True)
class Boundaries:
    """Counts; at number `fatal` (from 1; 0 is never) the process `victim` is killed, 0 being this one."""

    fatal: int = 0
    victim: int = 0
    passed: int = 0

    def pass_one(self) -> None:
        self.passed += 1
        if self.passed == self.fatal:
            os.kill(self.victim or os.getpid(), signal.SIGKILL)


class TracedWriter:
    """A writer whose every step is two boundaries."""

    def __init__(self, inner: ObjectWriter, boundaries: Boundaries) -> None:
        self._inner, self._boundaries = inner, boundaries

    def __getattr__(self, name: str) -> Any:
        return _traced(getattr(self._inner, name), self._boundaries)

    def __enter__(self) -> TracedWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._inner.abort()


class TracedStore:
    """A store whose every call, and every chunk that is read, is two boundaries."""

    def __init__(self, inner: Store, boundaries: Boundaries) -> None:
        self._inner, self._boundaries = inner, boundaries

    @property
    def name(self) -> str:
        return self._inner.name

    def __getattr__(self, name: str) -> Any:
        return _traced(getattr(self._inner, name), self._boundaries)

    def writer(self, *arguments: Any, **options: Any) -> TracedWriter:
        made = _traced(self._inner.writer, self._boundaries)(*arguments, **options)
        return TracedWriter(made, self._boundaries)

    def read(self, *arguments: Any, **options: Any) -> Iterator[bytes]:
        for chunk in self._inner.read(*arguments, **options):
            self._boundaries.pass_one()
            yield chunk
        self._boundaries.pass_one()


def _traced(call: Callable[..., Any], boundaries: Boundaries) -> Callable[..., Any]:
    if not callable(call):
        return call

    def calling(*arguments: Any, **options: Any) -> Any:
        boundaries.pass_one()
        result = call(*arguments, **options)
        boundaries.pass_one()
        return result

    return calling


@dataclass(frozen=True, slots=True)
class Ended:
    """How a forked command ended: its exit code, or minus the signal; what it printed; the boundaries it passed."""

    code: int
    text: str
    passed: int


@dataclass(frozen=True, slots=True)
class Running:
    """A command on its way in a process of its own."""

    process: int
    printed: Path
    counted: int

    def ended(self) -> Ended:
        """Waits for its end."""
        with os.fdopen(self.counted, "rb") as pipe:
            passed = pipe.read()
        _, status = os.waitpid(self.process, 0)
        text = self.printed.read_text(errors="replace")
        self.printed.unlink()
        return Ended(os.waitstatus_to_exitcode(status), text, int(passed or b"0"))


def begun(folder: Path, environ: Mapping[str, str], arguments: list[str], boundaries: Boundaries) -> Running:
    """`bkpc` with `arguments`, in a process of its own."""
    printed = folder / f"printed-{os.getpid()}.txt"
    counted, counting = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(counted)
        _run(folder, environ, arguments, boundaries, printed, counting)
    os.close(counting)
    return Running(child, printed, counted)


def _run(
    folder: Path, environ: Mapping[str, str], arguments: list[str], boundaries: Boundaries, printed: Path, counting: int
) -> None:
    """Never returns: the child ends here, whatever happens."""
    code = 70
    try:
        with printed.open("wb") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
        os.chdir(folder)
        os.environ.update(environ)
        tempfile.tempdir = None  # the parent's choice is remembered
        opened = World.store
        traced = lambda world, name: TracedStore(opened(world, name), boundaries)  # noqa: E731
        World.store = traced  # type: ignore[method-assign,assignment]
        from bkpc_compiler.main import main

        code = main(arguments)
        os.write(counting, str(boundaries.passed).encode())
    except BaseException:  # noqa: BLE001 - nothing may leave the child but its exit code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)
