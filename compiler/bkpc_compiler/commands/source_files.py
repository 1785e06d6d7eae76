"""From arguments to sources: which `.bkp` files a command means, and reading them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bkpc_compiler.circumstances import ALONE, Circumstances
from bkpc_compiler.passes import Checked, check_sources, compile_sources, judge_sources

if TYPE_CHECKING:
    from bkpc_grammar.plan import Plan


class NothingFound(Exception):
    """No file to look at; the message says where was looked."""


def check_files(arguments: Sequence[str], circumstances: Circumstances = ALONE) -> Checked:
    """Check the files and folders named by `arguments` (none: the current folder), with the figures that were measured.

    Raises:
        NothingFound: a path does not exist, or there is no `.bkp` file.
    """
    root, paths = sources_of(arguments)
    return check_sources(paths, FileReader(root), circumstances)


def judge_files(arguments: Sequence[str], circumstances: Circumstances = ALONE) -> Checked:
    """Judge them, and nothing more; raises as `check_files` does."""
    root, paths = sources_of(arguments)
    return judge_sources(paths, FileReader(root), circumstances)


def compile_files(
    arguments: Sequence[str], version: str, circumstances: Circumstances = ALONE
) -> tuple[Plan | None, Checked]:
    """Compile the files and folders named by `arguments`; raises as `check_files` does."""
    root, paths = sources_of(arguments)
    return compile_sources(paths, FileReader(root), version, circumstances)


def sources_of(arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """The common root of all files meant, and their paths below it, sorted, with `/`."""
    found: set[Path] = set()
    for argument in arguments or ["."]:
        path = Path(argument)
        if path.is_dir():
            found.update(one.resolve() for one in path.rglob("*.bkp") if not _hidden(one.relative_to(path)))
        elif path.exists():
            found.add(path.resolve())
        else:
            raise NothingFound(f"{argument} does not exist")
    if not found:
        raise NothingFound(f"no .bkp file in {' '.join(arguments) or 'the current folder'}: nothing was checked")
    root = Path(os.path.commonpath([path.parent for path in found]))
    return root, sorted(path.relative_to(root).as_posix() for path in found)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


class FileReader:
    """Reads sources below `root`; a path may climb out of it (`../estate.bkp`)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, path: str) -> str:
        """The text of `path`, relative to the root, with `/`. Raises OSError, UnicodeDecodeError."""
        return (self.root / path).read_text(encoding="utf-8")
