"""`bkpc restore --scope`: all that a failure has taken down, in the plan's order, several databases at once."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

from bkpc_grammar import plan as contract
from bkpc_grammar.quantities import Duration, Rate, Size
from bkpc_runtime.commands.answering import without_the_silent
from bkpc_runtime.commands.outcome import complain, say
from bkpc_runtime.commands.scope_notes import Notes
from bkpc_runtime.commands.scope_prepared import Asked, Back, Looking, Place, Ways, stores_of
from bkpc_runtime.commands.scope_run import ScopeRun
from bkpc_runtime.commands.scope_waiting import Waiting, waits_for
from bkpc_runtime.commands.thaw_first import Found as Cold
from bkpc_runtime.commands.thaw_first import Thaws, terms_of
from bkpc_runtime.errors import BadUsage, RuntimeFailure
from bkpc_runtime.recovery.point import Latest, Point, point_text
from bkpc_runtime.recovery.recover import Means
from bkpc_runtime.recovery.side_by_side import SideBySide, Transfer, needs_of, room_beside, transfers_of
from bkpc_runtime.steps.reading import Reading
from bkpc_runtime.world import World


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scope", metavar="SCOPE:LOST",
        help="all that a failure took down, in the plan's order: site:berlin, region:NAME, host:DB, corruption:DB, ...",
    )  # fmt: skip
    parser.add_argument(
        "--without", action="append", default=[], metavar="DB",
        help="of a scope: leave it as it is, it is in service; may be repeated",
    )  # fmt: skip


def restore_scope(
    arguments: argparse.Namespace, world: World, means: Means, point: Point, identity: Path | None
) -> int:
    """Says all that will be done and what is missing, does it, and whether all of it was done. `identity`: the file."""
    recovery = recovery_of(world.plan, arguments.scope)
    if recovery.scope in {"corruption", "intruder"} and isinstance(point, Latest) and arguments.to is None:
        raise BadUsage(
            f"after {recovery.scope} not the latest state is wanted, but one from before it",
            help="say --to TIME (`bkpc log` finds it), or --to latest if you mean it",
        )
    alone = frozenset(one.database for one in recovery.logs_left) if arguments.to is None else frozenset[str]()
    asked = Asked(
        point,
        arguments.to or ("" if alone else "latest"),
        tuple(arguments.idle),
        arguments.store,
        _targets(arguments, recovery),
        alone,
    )
    notes = Notes.found(means.work, recovery, world.plan.header.digest, asked.text)
    transfers = transfers_of(recovery, asked.targets)
    _say_plan(world.plan, recovery, transfers, arguments.without)
    _say_logs_left(recovery, asked)
    if not arguments.store:
        read = {store for name in asked.targets for store in stores_of(world, recovery, name)}
        world = without_the_silent(world, read, arguments.without_store)
    thaws = Thaws(world, terms_of(arguments))
    looking = Looking(world, recovery, asked, means.identities, notes, thaws)
    found = looking.all()
    _say_members(found, recovery, thaws)
    if arguments.thaw_only:
        return thaws.only([one.cold for one in found if one.cold and not one.done])
    if arguments.dry_run:
        return 1 if any(one.problem or one.absent for one in found) else 0
    for one in found:
        if one.point is not None:
            notes.fixed(one.database, point_text(one.point), one.place.text)
    ways = Ways(
        identity, means.work, means.by, means.clients, arguments.without_accounts, terms_of(arguments),
        means.other_engines,
    )  # fmt: skip
    ledger = SideBySide(transfers, room_beside(world.plan, recovery))
    held = partial(_held, world, f"restore of {arguments.scope}")
    with Waiting(looking, thaws, recovery, notes, held) as waiting:
        waiting.follow(found)
        with ScopeRun(world, recovery, found, ledger, ways, notes) as run:
            run.go(waiting)
    return _conclude(run, recovery, arguments.without, notes)


def _held(world: World, why: str, found: Cold) -> Reading:
    return Reading(found.store, world.clock, why)


def recovery_of(plan: contract.Plan, text: str) -> contract.Recovery:
    """What `--scope` names: `site:berlin`, or `site` where the plan has one recovery of that kind."""
    scope, _, lost = text.partition(":")
    found = [one for one in plan.recoveries if one.scope == scope and lost in {"", one.lost}]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{one.scope}:{one.lost}" for one in plan.recoveries) or "none"
    raise BadUsage(f"the plan has {'several' if found else 'no'} recoveries for `{text}`", help=f"it has: {names}")


def _targets(arguments: argparse.Namespace, recovery: contract.Recovery) -> Mapping[str, Place]:
    """By database what `--into` and `--into-datadir` say."""
    given: dict[str, Place] = {}
    pairs = [(one, False) for one in arguments.into or ()] + [(one, True) for one in arguments.into_datadir or ()]
    known = set(recovery.databases)
    for text, folder in pairs:
        name, _, target = text.partition("=")
        if name not in known or not target or name in given or name in arguments.without:
            raise BadUsage(
                f"`{name}` has two targets" if name in given else f"the recovery brings back no `{name}`",
                help=f"write --into DB=URL or --into-datadir DB=FOLDER for each of: {', '.join(recovery.databases)}",
            )
        given[name] = Place(target, folder)
    unknown = sorted(set(arguments.without) - known)
    missing = sorted(known - set(given) - set(arguments.without))
    if unknown or missing:
        wrong = f"`{missing[0]}` has no target" if missing else f"the recovery brings back no `{unknown[0]}`"
        names = " ".join(f"--into {name}=URL" for name in missing)
        raise BadUsage(wrong, help=f"{names}; or --without DB where it is in service already".removeprefix("; "))
    if len(set(given.values())) != len(given):
        raise BadUsage("two databases go into one place", help="each has its own, as before")
    return given


def _say_plan(
    plan: contract.Plan, recovery: contract.Recovery, transfers: Sequence[Transfer], without: Sequence[str]
) -> None:
    say(f"scope  {recovery.scope} {recovery.lost}: {', '.join(recovery.databases)}")
    say(f"       the plan expects {_span(recovery.expect_ms)} at most from the failure on, all included")
    left = sorted(set(recovery.down) - set(recovery.databases))
    if left:
        say(f"       down too, and the plan has no way back for: {', '.join(left)}")
    for name in without:
        say(f"       {name} is left as it is")
    bytes_ = {one.id: one.bytes for one in recovery.steps}
    stores = {one.id: one.store for one in recovery.steps}
    begins = min((one.start_ms for one in transfers), default=0)
    kinds = {one.name for one in plan.estate.stores if one.thaw_ms}
    for one in transfers:
        what = one.kind.removeprefix("restore.")
        rate = f", {Rate(Fraction(one.rate)).human()} reserved" if one.rate else ""
        thaw = ", which thaws first" if stores[one.id] in kinds else ""
        say(f"  +{_span(one.start_ms - begins)}  {one.database}: {what} from {stores[one.id]}{thaw}, at most "
            f"{Size(Fraction(bytes_[one.id])).human()} in {_span(one.takes_ms)}{rate}")  # fmt: skip


def _say_logs_left(recovery: contract.Recovery, asked: Asked) -> None:
    """Where the plan brings back an image and no log: what that loses, and what the log would take."""
    for one in recovery.logs_left:
        if one.database not in asked.targets:
            continue
        back = "nothing bounds when" if one.back_ms is None else f"at most {_span(one.back_ms)} until"
        say(f"  {one.database}: the plan brings back its image without the log, {_lost(one.without_loses_ms)}; "
            f"with the log {_lost(one.loses_ms)}, and {back} it is back, alone")  # fmt: skip
        if one.database in asked.alone:
            say("       now without it: --to latest goes on with the log")
        else:
            say(f"       now to {asked.text}")


def _lost(milliseconds: int | None) -> str:
    return "nothing bounds what is lost" if milliseconds is None else f"at most {_span(milliseconds)} lost"


def _say_members(found: Sequence[Back], recovery: contract.Recovery, thaws: Thaws) -> None:
    for one in found:
        say(f"-- {one.database} into {one.shown}")
        for line in one.lines:
            say(f"   {line}")
        if one.cold and not one.done:
            thaws.tell(one.cold)
        needed = needs_of(recovery, one.database)
        if needed:
            say(f"   in service after {', '.join(needed)}")
        if one.absent:
            say(f"   {waits_for(recovery, one)}")
        if one.problem:
            say(f"   missing: {one.problem}")
            if one.problem.help:
                say(f"     help: {one.problem.help}")


def _conclude(run: ScopeRun, recovery: contract.Recovery, without: Sequence[str], notes: Notes) -> int:
    """What is back, what is not, what waits for what; the exit code is that of the failures, or 4 for several kinds."""
    failed: dict[str, RuntimeFailure] = run.failed
    for name, position in sorted(run.done.items()):
        waits = [each for each in needs_of(recovery, name) if each not in run.done and each not in without]
        after = f"; not to be put in service before {', '.join(waits)}" if waits else ""
        print(f"{name} is restored to {position}{after}")
    for name, problem in sorted(failed.items()):
        complain(type(problem)(f"`{name}`: {problem}", help=problem.help))
    if not failed:
        notes.forget()
        print(f"{recovery.scope} {recovery.lost}: all that the plan brings back is restored")
        return 0
    say(f"error: not restored: {', '.join(sorted(failed))}")
    say("  help: mend that, and run the same again: what is restored stays")
    codes = {problem.exit_code for problem in failed.values()}
    return codes.pop() if len(codes) == 1 else 4


def _span(milliseconds: int) -> str:
    return Duration(Fraction(milliseconds, 1000)).human()
