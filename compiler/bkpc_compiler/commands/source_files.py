"""From arguments to sources: which `.bkp` files a command means, and reading them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from errno import EACCES
from pathlib import Path
from typing import TYPE_CHECKING

from bkpc_compiler.circumstances import ALONE, Circumstances
from bkpc_compiler.passes import Checked, check_sources, compile_sources, judge_sources
from bkpc_compiler.program.refusal import FileUnread

if TYPE_CHECKING:
    from bkpc_grammar.plan import Plan

SUFFIX = ".bkp"


class NothingFound(Exception):
    """No file to look at, or one that can't be read; the message says where was looked."""


def check_files(arguments: Sequence[str], circumstances: Circumstances = ALONE) -> Checked:
    """Check the files and folders named by `arguments` (none: the current folder), with the figures that were measured.

    Raises:
        NothingFound: a path does not exist, or there is no `.bkp` file.
    """
    root, paths = sources_of(arguments)
    with _all_read():
        return check_sources(paths, FileReader(root, paths), circumstances)


def judge_files(arguments: Sequence[str], circumstances: Circumstances = ALONE) -> Checked:
    """Judge them, and nothing more; raises as `check_files` does."""
    root, paths = sources_of(arguments)
    with _all_read():
        return judge_sources(paths, FileReader(root, paths), circumstances)


def compile_files(
    arguments: Sequence[str], version: str, circumstances: Circumstances = ALONE
) -> tuple[Plan | None, Checked]:
    """Compile the files and folders named by `arguments`; raises as `check_files` does."""
    root, paths = sources_of(arguments)
    with _all_read():
        return compile_sources(paths, FileReader(root, paths), version, circumstances)


@contextmanager
def _all_read() -> Iterator[None]:
    """A file that can't be read ends the command, as one that is not there does."""
    try:
        yield
    except FileUnread as problem:
        raise NothingFound(str(problem)) from problem


def sources_of(arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """The common root of all files meant, and their paths below it, sorted, with `/`."""
    found: set[Path] = set()
    for argument in arguments or ["."]:
        path = Path(argument)
        if path.is_dir():
            found.update(_policies_below(path))
        elif path.exists():
            found.add(path.resolve())
        else:
            raise NothingFound(f"{argument} does not exist")
    if not found:
        raise NothingFound(f"no .bkp file in {' '.join(arguments) or 'the current folder'}: nothing was checked")
    root = Path(os.path.commonpath([path.parent for path in found]))
    return root, sorted(path.relative_to(root).as_posix() for path in found)


def _policies_below(folder: Path) -> Iterator[Path]:
    for one in folder.rglob("*.bkp"):
        if _hidden(one.relative_to(folder)) or one.is_dir():
            continue
        try:
            found = one.resolve(strict=True)
        except (OSError, RuntimeError) as problem:  # a link that leads nowhere, or to itself
            raise NothingFound(f"{one} is a link that leads to no file") from problem
        if not found.is_file():  # reading a pipe may never end
            raise NothingFound(f"{one} is no regular file")
        if found.suffix != SUFFIX:
            raise NothingFound(f"{one} leads to {found}, which is not a {SUFFIX} file")
        yield found


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


class FileReader:
    """Reads sources below `root`; a path may climb out of it (`../estate.bkp`).

    Only what is `named` may lead to a file that is not called `*.bkp`: a link in somebody's folder must not show
    a line of another file in a diagnostic.
    """

    def __init__(self, root: Path, named: Collection[str] = ()) -> None:
        self.root = root
        self.named = named

    def __call__(self, path: str) -> str:
        """The text of `path`, relative to the root, with `/`. Raises OSError, UnicodeDecodeError."""
        file = self.root / path
        if path not in self.named and file.resolve().suffix != SUFFIX:
            raise PermissionError(EACCES, f"it leads to a file that is not a {SUFFIX} file")
        if (
            path not in self.named and file.exists() and not file.is_file()
        ):  # one that is written to as it is read may never end
            raise PermissionError(EACCES, "it is no regular file")
        text = file.read_bytes().decode("utf-8").removeprefix("\ufeff")  # some editors begin a file with it
        return text.replace("\r\n", "\n").replace("\r", "\n")
