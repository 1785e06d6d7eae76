"""Whether the policies that a plan was compiled from have changed since, where they are at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from bkpc_grammar.plan import Plan, Source
from bkpc_runtime.errors import Refused

_SHIPPED = "std/"
_SUFFIX = ".bkp"


def refuse_outdated(plan: Plan, beside: Path) -> None:
    """Nothing where the policies are as the plan has them, or are not at hand.

    They are looked for beside the plan (in the folder `beside`), in the current folder, and in the folders in these: at
    hand is a folder that has all of them.

    Raises:
        Refused: one of them is not what the plan was compiled from.
    """
    written = [one for one in plan.header.sources if one.path.endswith(_SUFFIX) and not one.path.startswith(_SHIPPED)]
    for folder in _folders(beside):
        if written and all((folder / one.path).is_file() for one in written):
            changed = [one.path for one in written if _digest(folder, one) != one.sha256]
            if changed:
                raise Refused(
                    f"the plan is of older policies: {', '.join(changed)} in {folder} changed since it was compiled",
                    help="compile them again and look at `bkpc plan`; or say --outdated to apply this plan as it is",
                )
            return


def _folders(beside: Path) -> Iterator[Path]:
    for folder in dict.fromkeys((beside.resolve(), Path.cwd())):
        yield folder
        yield from sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))


def _digest(folder: Path, source: Source) -> str:
    return hashlib.sha256((folder / source.path).read_bytes()).hexdigest()
