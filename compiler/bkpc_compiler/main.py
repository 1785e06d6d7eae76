"""The program: commands by name, each loaded when it is called."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import errno
import gc
import importlib
import io
import os
import sys
import threading
from collections.abc import Sequence
from types import ModuleType

VERSION = "0.1.0"

COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("bkpc_compiler.commands.check", "prove that the promises can hold; no network"),
    "explain": (
        "bkpc_compiler.commands.explain",
        "the page of a diagnostic, or how the bounds of a database come about",
    ),
    "test": ("bkpc_compiler.commands.test", "run the `test` blocks of policies"),
    "compile": ("bkpc_compiler.commands.compile", "turn checked policies into a plan"),
    "graph": ("bkpc_compiler.commands.graph", "the estate as SVG, DOT or Mermaid"),
    "report": ("bkpc_compiler.commands.report", "one HTML page about what is promised and proved"),
    "runbook": ("bkpc_compiler.commands.runbook", "the recovery procedures, for people"),
    "preflight": ("bkpc_runtime.commands.preflight", "everything a plan needs of servers and stores"),
    "plan": ("bkpc_runtime.commands.plan", "what `apply` would change; writes nothing"),
    "apply": ("bkpc_runtime.commands.apply", "make the world match a plan"),
    "agent": ("bkpc_runtime.commands.agent", "run schedule and streams until told to stop"),
    "run": ("bkpc_runtime.commands.run", "one step of a plan by its id"),
    "status": ("bkpc_runtime.commands.status", "what exists, against what is promised"),
    "list": ("bkpc_runtime.commands.list", "images and log segments"),
    "verify": ("bkpc_runtime.commands.verify", "hashes, continuity, decryptability"),
    "release": ("bkpc_runtime.commands.release", "free an image that is held"),
    "log": ("bkpc_runtime.commands.log", "find the moment an event happened"),
    "restore": ("bkpc_runtime.commands.restore", "bring a database back to a point in time"),
    "drill": ("bkpc_runtime.commands.drill", "restore into a scratch server, compare, measure"),
    "facts": ("bkpc_runtime.commands.facts", "what backups and drills measured, for `check --facts`"),
}
"""Name → (module, one line of help). A module has `add_arguments(parser)` and `run(arguments) -> int`; where it has
`INTERMIXED`, options may stand between names."""

USAGE = 2
_BY_SIGNAL = 128
"""Exit codes above it say which signal ended it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code of `docs/exit-codes.md`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without these characters still shows the rest
    try:
        code = _dispatch(given)
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough; Python must not complain when it flushes again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EIO):
            raise
        print(f"bkpc: the output can't be written: {problem.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE
    except KeyboardInterrupt:
        print("bkpc: interrupted", file=sys.stderr)
        return 130 if arguments is not None else _left(130)
    except SystemExit as leaving:
        if arguments is None and isinstance(leaving.code, int) and leaving.code > _BY_SIGNAL:
            _left(leaving.code)
        raise
    return code


def _left(code: int) -> int:
    """All that was to be put right is: threads that wait for a network which says nothing would keep the process."""
    if threading.active_count() > 1:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        atexit._run_exitfuncs()  # files that threads were writing
        os._exit(code)
    return code


def _dispatch(given: list[str]) -> int:
    if given in (["--version"], ["-V"]):
        print(f"bkpc {VERSION}")
        return 0
    if given in ([], ["--help"], ["-h"], ["help"]):
        print(overview())
        return 0 if given else USAGE
    name = given[0]
    if name not in COMMANDS:
        print(f"bkpc: there is no command {name!r}{_similar(name)}; `bkpc --help` lists all", file=sys.stderr)
        return USAGE
    module = _load(COMMANDS[name][0])
    if module is None:
        return USAGE
    if problem := _empty(given[1:]):
        print(f"bkpc {name}: {problem} is empty: a variable that is not set, or misspelt?", file=sys.stderr)
        return USAGE
    parser = argparse.ArgumentParser(
        prog=f"bkpc {name}",
        description=COMMANDS[name][1],
        epilog=getattr(module, "EXAMPLE", None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    try:
        parse = parser.parse_intermixed_args if getattr(module, "INTERMIXED", False) else parser.parse_args
        parsed = parse(given[1:])
    except SystemExit as stop:  # argparse has printed help, or what is wrong
        return stop.code if isinstance(stop.code, int) else USAGE
    if module.__name__.startswith("bkpc_compiler."):
        gc.disable()  # what a compilation makes is needed to its end: looking for garbage costs a third of its time
    try:
        code: int = module.run(parsed)
    finally:
        gc.enable()
    return code


def _empty(given: Sequence[str]) -> str:
    """The option or name that is given without a value: `--to "$POINT"` must not mean what `--to` left out does."""
    before = ""
    for one in given:
        if not one.strip():
            return before if before.startswith("-") and "=" not in before else "an argument"
        option, equals, value = one.partition("=")
        if option.startswith("--") and equals and not value.strip():
            return option
        before = one
    return ""


def _load(name: str) -> ModuleType | None:
    """The command's module; None, said on stderr, where a package of the runtime is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if not name.startswith("bkpc_runtime."):
            raise
        print(
            f"bkpc: this command needs `{missing.name}`; install the runtime: pip install 'bkpc[runtime]'",
            file=sys.stderr,
        )
        return None


def _similar(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def overview() -> str:
    """What `bkpc --help` prints."""
    lines = [f"  {name:<10} {words}" for name, (_, words) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: bkpc COMMAND …",
            "",
            "A compiler for backup policy: proves RPO and RTO before deployment, then keeps them.",
            "",
            *lines,
            "",
            "bkpc COMMAND --help shows its arguments and an example; bkpc --version the version.",
            "exit codes: 0 fine, 1 not as promised, 2 usage, 3 weaker or drift, 4 a step failed, 5 refused",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
