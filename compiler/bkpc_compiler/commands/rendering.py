"""What the commands that render a plan have in common: where the plan comes from, where the result goes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from bkpc_compiler.backends.targets import TARGETS, File, chosen
from bkpc_compiler.commands.circumstances_given import FactsUnusable, add_circumstances, circumstances_of
from bkpc_compiler.commands.source_files import NothingFound, compile_files
from bkpc_compiler.commands.terminal import wants_colour

if TYPE_CHECKING:
    from bkpc_compiler.diagnostics.diagnostic import Diagnostic
    from bkpc_compiler.passes import Checked
    from bkpc_grammar.plan import Plan

UNSOUND = (
    "the plan made of these policies fails its own check, and no plan is written. The fault is in bkpc, not in the "
    "policies: please report it with them and with what was found"
)
_SOURCES = (".bkp", ".json")


class Stopped(Exception):
    """Nothing can be rendered, and why was said; `code` is the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def add_common(parser: argparse.ArgumentParser, files: Sequence[File]) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="policies, or folders read recursively (default: here); or one plan.json",
    )
    if len(files) > 1:
        parser.add_argument(
            "--format", choices=[one.format for one in files], help="default: as the name of the output ends"
        )
    add_circumstances(parser)
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="where it goes (default: stdout)")


def run_target(target: str, arguments: argparse.Namespace, part_of: Callable[[Plan], Plan] = lambda plan: plan) -> int:
    """The whole of `bkpc graph`, `bkpc report`, `bkpc runbook`. `part_of`: what is shown of a plan."""
    file = chosen(TARGETS[target], getattr(arguments, "format", None), arguments.output)
    try:
        refuse_source(target, arguments.output)
        write(target, render(target, file, part_of(plan_of(target, arguments))), arguments.output)
    except Stopped as stopped:
        return stopped.code
    return 0


def plan_of(command: str, arguments: argparse.Namespace) -> Plan:
    """The plan in the one `.json` named, else the compiled policies; diagnostics go to stderr.

    Raises:
        Stopped: there is no plan.
    """
    if is_plan(arguments.paths):
        if arguments.facts is not None:
            raise stop(command, "a plan is made already: give `--facts` together with the policies", 2)
        return _read(command, Path(arguments.paths[0]))
    return compiled(command, arguments)[0]


def named(command: str, plan: Plan, names: Sequence[str]) -> set[str]:
    """Databases of the plan by their names; raises as `plan_of` does where one is not there."""
    known = {one.name for one in plan.estate.databases}
    for name in names:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            raise stop(command, f"the plan has no database `{name}`{f': `{near[0]}`?' if near else ''}", 2)
    return set(names)


def is_plan(paths: Sequence[str]) -> bool:
    """Whether `paths` name one plan, and not policies."""
    return len(paths) == 1 and paths[0].endswith(".json")


def compiled(command: str, arguments: argparse.Namespace) -> tuple[Plan, Checked]:
    """The plan of the policies, and what was found; raises as `plan_of` does."""
    from bkpc_compiler.main import VERSION
    from bkpc_compiler.planning.verified import PlanUnsound

    try:
        plan, checked = compile_files(arguments.paths, VERSION, circumstances_of(arguments))
    except (NothingFound, FactsUnusable) as problem:
        raise stop(command, str(problem), 2) from problem
    except PlanUnsound as problem:
        raise stop(command, f"{UNSOUND}: {problem}", 4) from problem
    tell(checked.diagnostics, checked)
    if plan is None:
        raise stop(command, "nothing written", 1)
    if not checked.answers:
        nothing = "compile" if command == "compile" else "show"
        raise stop(command, f"nothing was promised for any database: nothing to {nothing}", 2)
    return plan, checked


def tell(diagnostics: Sequence[Diagnostic], checked: Checked) -> None:
    """Diagnostics to stderr."""
    if diagnostics:
        from bkpc_compiler.diagnostics.text import render as told

        sys.stderr.write(told(diagnostics, checked.sources, colour=wants_colour(sys.stderr)))


def render(command: str, file: File, plan: Plan) -> str:
    """One file of a target.

    Raises:
        Stopped: a program that draws it is not there.
    """
    from bkpc_compiler.backends.graph.svg import NoGraphviz

    try:
        return file.render(plan)
    except NoGraphviz as problem:
        raise stop(command, str(problem), 2) from problem


def write(command: str, text: str, output: str, *, told: bool = True) -> None:
    """Text to a file, or to stdout for `-`; raises as `render` does where the file can't be written. `told`: its name
    goes to stderr."""
    if output == "-":
        sys.stdout.write(text)
        return
    try:
        Path(output).write_text(text, encoding="utf-8", newline="\n")
    except OSError as problem:
        raise stop(command, f"cannot write {output}: {problem.strerror}", 2) from problem
    if told:
        print(output, file=sys.stderr)


def write_all(command: str, target: str, plan: Plan, output: str) -> None:
    """Every file of a target into the folder `output`, which is made where it is not there; else the one file."""
    folder = Path(output)
    if output == "-" or not (folder.is_dir() or output.endswith("/")):
        refuse_source(command, output)
        write(command, render(command, chosen(TARGETS[target], None, output), plan), output)
        return
    texts = [(str(folder / one.name), render(command, one, plan)) for one in TARGETS[target]]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise stop(command, f"cannot make {output}: {problem.strerror}", 2) from problem
    for path, text in texts:
        write(command, text, path)


def refuse_source(command: str, output: str) -> None:
    """A policy or a plan is never written over with a picture of it."""
    if output.endswith(_SOURCES):
        raise stop(command, f"{output} is the name of a policy or a plan: choose another for the output", 2)


def _read(command: str, path: Path) -> Plan:
    from bkpc_grammar.canonical import PlanRejected, read_plan

    try:
        return read_plan(path.read_bytes(), str(path))
    except OSError as problem:
        raise stop(command, f"{path} can't be read: {problem.strerror}", 2) from problem
    except PlanRejected as problem:
        raise stop(command, str(problem), 5) from problem


def stop(command: str, words: str, code: int) -> Stopped:
    """What to raise where nothing can be rendered; says why on stderr."""
    print(f"bkpc {command}: {words}", file=sys.stderr)
    return Stopped(code)
