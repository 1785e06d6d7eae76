"""What a test block supposes: the program with some figures replaced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bkpc_compiler.program.model import Override, Program


def supposing(program: Program, overrides: Iterable[Override]) -> Program:
    """`program` with each override's figure in place of the declared one."""
    for override in overrides:
        change: dict[str, Any] = {override.clause: override.value}
        if override.target_kind == "link":
            links = tuple(replace(x, **change) if x.name == override.target else x for x in program.links)
            program = replace(program, links=links)
        elif override.target_kind == "store":
            stores = tuple(replace(x, **change) if x.name == override.target else x for x in program.stores)
            program = replace(program, stores=stores)
        else:
            databases = tuple(replace(x, **change) if x.name == override.target else x for x in program.databases)
            program = replace(program, databases=databases)
    return program
