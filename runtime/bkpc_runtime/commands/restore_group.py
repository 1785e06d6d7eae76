"""`bkpc restore --group`: several databases to one point in common, each into a server of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from fractions import Fraction

from bkpc_grammar.log_objects import TOGETHER
from bkpc_grammar.quantities import Duration
from bkpc_runtime.commands.answering import with_those_to_read
from bkpc_runtime.commands.outcome import say
from bkpc_runtime.commands.thaw_first import Thaws, terms_of
from bkpc_runtime.errors import BadUsage, RuntimeFailure
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.recovery.common_point import Elsewhere, Member, common_point
from bkpc_runtime.recovery.load import ready_target
from bkpc_runtime.recovery.point import AtPosition, AtTime, Point, point_text
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.where_from import leading_there, stores_to_read
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.reading import Reading
from bkpc_runtime.stores.store import Store
from bkpc_runtime.world import World

One = Callable[[Member, Target], None]
"""Restores (or previews) one database."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--group", metavar="NAME", help="all databases of a group, to one point in common")
    parser.add_argument(
        "--idle", action="append", default=[], metavar="DB",
        help="of a group: nothing was committed there after its log ends, you know it; may be repeated",
    )  # fmt: skip


def restore_group(
    arguments: argparse.Namespace, world: World, point: Point, identities: Sequence[Secret], one: One
) -> int:
    """All of it: every target is looked at before the first is touched."""
    members = _members(world, arguments.group)
    targets = targets_of(arguments.into or (), members)
    if not arguments.store:
        world = with_those_to_read(world, members, arguments.without_store)
    with ThreadPoolExecutor(TOGETHER, thread_name_prefix="look") as pool:
        whence = pool.map(lambda name: stores_to_read(world, name, arguments.store, all_of_them=True), members)
        read = dict(zip(members, whence, strict=True))
    stores, logs = {name: one for name, (one, _) in read.items()}, {name: also for name, (_, also) in read.items()}
    thaws = Thaws(world, terms_of(arguments))
    cold = {name: found for name, store in stores.items() if (found := thaws.of(name, store, point, latest_too=True))}
    if arguments.thaw_only:
        return thaws.only([*cold.values()])
    if cold and arguments.dry_run:
        for name, found in cold.items():
            say(f"-- {name}")
            thaws.preview(found)
        say("       the point in common is known once the logs can be read")
        return 0
    with ExitStack() as stack:
        held = {
            name: (
                found,
                stack.enter_context(Reading(stores[name], world.clock, f"restore of group {arguments.group}")),
            )
            for name, found in cold.items()
        }
        for name, found in cold.items():
            ready_target(targets[name], found.start.image)
        thaws.first(held)
        readable = {name: thaws.reading(name, store, cold.get(name)) for name, store in stores.items()}
        elsewhere = _elsewhere(world, identities, arguments.store)
        moment, members_at = common_point(
            readable, point, arguments.idle, identities, logs=logs, elsewhere=elsewhere
        )  # fmt: skip
        return _restore_at(arguments, world, moment, members_at, targets, one)


def _elsewhere(world: World, identities: Sequence[Secret], only: str | None = None) -> Elsewhere:
    """Of stores that can be read at once: what must thaw is asked for before the point is known."""

    def found(database: str, store: Store, point: AtTime) -> Store | None:
        if only:
            return None
        ready = [name for name in world.stores_of(database) if not world.thaws(name)]
        return leading_there(world, database, point, identities, ready, physical=False, instead_of=store)

    return found


def _restore_at(
    arguments: argparse.Namespace,
    world: World,
    moment: datetime,
    found: Sequence[Member],
    targets: Mapping[str, Target],
    one: One,
) -> int:
    """Every member at the moment, one after the other."""
    members = [member.database for member in found]
    say(f"group  {arguments.group} to {moment.isoformat()}: {', '.join(members)}")
    for member in found:
        ready_target(targets[member.database], member.start.image)
        say(f"       {member.database} {_log(member)}, {_bytes(member)} bytes of image{member.left_out(moment)}")
    expected = _expected(world, members)
    if expected:
        say(f"       the plan expects {Duration(Fraction(expected, 1000)).human()} at most")
    done: list[str] = []
    for member in sorted(found, key=lambda member: _turn(world, member.database)):
        say(f"-- {member.database}")
        try:
            one(member, targets[member.database])
        except RuntimeFailure as problem:
            left = [each for each in found if each.database not in done]
            again = "; ".join(f"{each.database} --to {point_text(each.start.fixed)}" for each in left)
            raise type(problem)(
                f"`{member.database}` of group {arguments.group}: {problem}",
                help=f"{problem.help + '; ' if problem.help else ''}restored: {', '.join(done) or 'none'}; "
                f"restore the others by themselves, to the same point: {again}",
                retryable=problem.retryable,
            ) from problem
        done.append(member.database)
    if not arguments.dry_run:
        print(f"group {arguments.group} is restored to {moment.isoformat()}")
    return 0


def _members(world: World, group: str) -> tuple[str, ...]:
    for one in world.plan.groups:
        if one.name == group:
            return one.databases
    names = ", ".join(one.name for one in world.plan.groups) or "none"
    raise BadUsage(f"the plan has no group `{group}`", help=f"it has: {names}")


def targets_of(into: Sequence[str], members: Sequence[str]) -> Mapping[str, Target]:
    """From `--into DB=URL`, one for each member, each another server."""
    pairs = (one.partition("=") for one in into)
    given = {name: url for name, _, url in pairs}
    missing = [name for name in members if name not in given]
    if missing or len(given) != len(into) or set(given) - set(members):
        wrong = f"`{missing[0]}` has no target" if missing else "--into names another database, or one twice"
        raise BadUsage(wrong, help=" ".join(f"--into {name}=URL" for name in members))
    if len(set(given.values())) != len(given):
        raise BadUsage("two databases go into one server", help="each has its own, as before")
    addresses = {name: parse_address(url) for name, url in given.items()}
    return {name: Target(address, address.password()) for name, address in addresses.items()}


def _bytes(member: Member) -> str:
    return f"{member.start.image.manifest.stored_size:,}"


def _log(member: Member) -> str:
    if member.until is None:
        return f"has no log: that is the snapshot of its image {point_text(member.start.fixed)}"
    match member.point:
        case AtPosition():
            return f"to {point_text(member.start.fixed)} of its log"
        case AtTime():
            return f"to {point_text(member.start.fixed)}, the position is found while its log is read"
        case _:
            return f"to {member.start.image.position.text} of its log"


def _expected(world: World, members: Sequence[str]) -> int:
    """What the plan says of a recovery of just these, in milliseconds; 0 where it has none."""
    found = [one.expect_ms for one in world.plan.recoveries if set(one.databases) == set(members)]
    return max(found, default=0)


def _turn(world: World, database: str) -> tuple[int, str]:
    """In the plan's order: who is needed comes first."""
    for recovery in world.plan.recoveries:
        if database in recovery.databases:
            for number, step in enumerate(recovery.steps):
                if getattr(step, "database", "") == database:
                    return number, database
    return 0, database
