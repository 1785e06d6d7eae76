"""`bkpc apply`: buckets as the plan asks, preflight, the plan stored beside the backups, missing images taken."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from bkpc_grammar import plan as contract
from bkpc_runtime.commands import keeping
from bkpc_runtime.commands.buckets import Looked as LookedAt
from bkpc_runtime.commands.buckets import complain_of_failures, held_back, lines, look_at_buckets, make
from bkpc_runtime.commands.cold_records import mend_cold_records
from bkpc_runtime.commands.event_stream import add_format
from bkpc_runtime.commands.other_plan import told_of_agents, told_of_keys
from bkpc_runtime.commands.outcome import add_plan, complain, reported, say, world_of
from bkpc_runtime.commands.preflight import lines as preflight_lines
from bkpc_runtime.commands.status_stream import add_work
from bkpc_runtime.errors import Refused, RuntimeFailure, StepFailed
from bkpc_runtime.executor import due_jobs
from bkpc_runtime.lanes import do_all
from bkpc_runtime.new_stores import new_stores
from bkpc_runtime.outdated import refuse_outdated
from bkpc_runtime.preflight import Looked, look_at, look_at_store
from bkpc_runtime.repository import catalogue, plans
from bkpc_runtime.repository.plans import put_in_force
from bkpc_runtime.stores.oss_failures import lacks_permission
from bkpc_runtime.world import World

EXAMPLE = "example: bkpc apply plan.json --yes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_plan(parser)
    add_format(parser)
    add_work(parser)
    parser.add_argument("--only", metavar="DB", help="only this database")
    parser.add_argument("--yes", action="store_true", help="do not ask before the first byte is written")
    parser.add_argument(
        "--outdated", action="store_true", help="apply the plan although the policies beside it changed since"
    )
    parser.add_argument(
        "--new-store",
        action="append",
        default=[],
        metavar="STORE",
        help="the directory of this store holds nothing because its disk was replaced: begin anew in it",
    )
    parser.add_argument(
        "--yes-lock-forever",
        action="store_true",
        help="set the retention locks of the plan, too: nobody can ever undo them",
    )
    parser.add_argument(
        "--lose-history",
        action="store_true",
        help="put the plan in force although instants that can be restored now can't be once expiry has run",
    )


@reported
def run(arguments: argparse.Namespace) -> int:
    world = world_of(arguments)
    if not arguments.outdated:
        refuse_outdated(world.plan, world.folder)
    settled = _settings(world, arguments)
    if settled is None:
        say("nothing was done")
        return 1
    code = settled.code
    if mend_cold_records(world, arguments.only):
        return max(code, StepFailed.exit_code)
    ready, not_ready = _preflight(world, arguments.only, sets_buckets=not (settled.code or settled.hidden))
    settled = _left_to_others(settled, ready)
    ready, refused = _begin(world, arguments, ready)
    code = max(settled.code, refused)
    beside = _beside(world, settled, ready)
    stores = ready.stores | ((beside.stores | beside.denied) & settled.to_lock)
    if stores and (ready.databases or settled.locks):
        less = keep_less(world, arguments, stores)
        code = max(code, less.code)
        beside = replace(beside, unknown=less.not_looked_at | less.unread)
        ready = _without(ready, less.not_looked_at)
    settled = _locked(world, settled, beside)
    code = max(code, settled.code)
    if not (ready.databases and ready.stores):
        say(settled.no_image)
        return max(code, 1 if not_ready else 0)
    worst = max(code, not_ready, _images(world, arguments, ready, settled.no_image))
    for problem in settled.held_back:
        complain(problem)
        worst = max(worst, problem.exit_code)
    return worst


@dataclass(frozen=True, slots=True)
class _Settled:
    """How the buckets were made as the plan asks: the exit code, what was held back, and what was done; the buckets
    whose `locks`, which nobody can undo, come when nothing is left that could be refused. `hidden`: those of which this
    key may not see how they are set."""

    code: int
    held_back: tuple[Refused, ...]
    done: tuple[str, ...] = ()
    locks: tuple[LookedAt, ...] = ()
    hidden: tuple[LookedAt, ...] = ()

    @property
    def to_lock(self) -> frozenset[str]:
        """The stores in those buckets."""
        return frozenset(place.store for one in self.locks for place in one.wanted.places)

    @property
    def no_image(self) -> str:
        """What to say where no image is taken."""
        return f"no image was taken; what was done: {', '.join(self.done)}" if self.done else "nothing was done"


def _settings(world: World, arguments: argparse.Namespace) -> _Settled | None:
    """Makes the buckets as the plan asks; None where nothing may be done."""
    looked = look_at_buckets(world, arguments.only)
    for line in lines(looked):
        say(line)
    hidden = () if arguments.yes_lock_forever else tuple(one for one in looked if lacks_permission(one.failure))
    worst = complain_of_failures(one for one in looked if one not in hidden)
    if any(one.problems for one in looked):
        return None
    waiting = () if arguments.yes_lock_forever else tuple(held_back(looked))
    changes = [change for one in looked for change in one.changes if arguments.yes_lock_forever or not change.forever]
    for change in changes:
        if change.forever:
            say(f"warning: {change.forever}")
    if changes and not arguments.yes and not _agreed("change the buckets?"):
        say("the buckets were not changed")
        return _Settled(worst, waiting, hidden=hidden)
    done, locks = list[str](), list[LookedAt]()
    for one in looked:
        failed, made = make([one], forever=False)
        worst, done = max(worst, failed), done + made
        if not failed and arguments.yes_lock_forever and any(change.forever for change in one.changes):
            locks.append(one)
    return _Settled(worst, waiting, tuple(done), tuple(locks), hidden)


def _left_to_others(settled: _Settled, ready: _Ready) -> _Settled:
    """A key that may write into a bucket and not see how it is set is as `compile --target iam` has the writer's. Of
    one that may not write there, either, the bucket may be anybody's."""
    failed = []
    for one in settled.hidden:
        if ready.stores.issuperset(place.store for place in one.wanted.places):
            say(
                f"bucket {one.wanted.bucket}: this key may write into it and not see how it is set, as the writer's of "
                "`--target iam`: run this with the reconciler's, too"
            )
        else:
            failed.append(one)
    return replace(settled, code=max(settled.code, complain_of_failures(failed)), hidden=())


def _locked(world: World, settled: _Settled, ready: _Ready) -> _Settled:
    """With the locks of buckets that can be used: one that can't is not locked for ever, nor one in which no backup of
    this plan was before: it may be somebody else's, named by mistake. A key that sets buckets and may not write into
    them is as `compile --target iam` has it. Nor is one locked where nobody knows whether the plan keeps less than so
    far: nobody can have agreed to that."""
    left_out = []
    for one in settled.locks:
        stores = {place.store for place in one.wanted.places}
        why = ""
        if unusable := stores & ready.unusable:
            why = f"preflight found a problem with {', '.join(sorted(unusable))}"
        elif unknown := stores & ready.unknown:
            why = (
                f"what the plan in force in {', '.join(sorted(unknown))} keeps can't be read: "
                "apply first without --yes-lock-forever, with a key that may read and write there (the writer's)"
            )
        elif empty := _unproved(world, stores, ready):
            there = ", ".join(empty)
            why = f"no backup of this plan was in {there} before, and what else lies there may be somebody else's: "
            why += "take an image there first (the writer's key may), and run this again"
        if why:
            left_out.append(one)
            say(f"bucket {one.wanted.bucket}: not locked, since {why}")
        elif stores & ready.denied:
            say(f"bucket {one.wanted.bucket}: this key may set it and not write into it, as those of `--target iam` do")
    failed, done = make([one for one in settled.locks if one not in left_out], forever=True)
    code = max(settled.code, failed, 1 if left_out else 0)
    return replace(settled, code=code, done=(*settled.done, *done), locks=())


def _unproved(world: World, stores: Collection[str], ready: _Ready) -> list[str]:
    """Those of a bucket's stores that keep it from being locked: none has a backup, or one that this key may not write
    into, of which nothing shows that others may."""
    empty = [name for name in sorted(stores) if not _written_to(world, name)]
    return empty if len(empty) == len(stores) else [name for name in empty if name in ready.denied]


def _written_to(world: World, name: str) -> bool:
    """Whether there is an image, or a plan in force, of a database that is to be kept there: what else lies in a bucket
    may be anybody's, whose bucket was named by mistake."""
    try:
        store = world.store(name)
        return any(
            _names(plans.in_force(store, one.name)) or catalogue.has_image(store, one.name)
            for one in world.databases(None)
            if name in world.stores_of(one.name)
        )
    except RuntimeFailure as problem:
        complain(problem)
        return False


def _names(force: plans.InForce | None) -> bool:
    """Whether a plan in force is there, and can be read: it names the database then."""
    return force is not None and force.plan is not None


def keep_less(world: World, arguments: argparse.Namespace, stores: Collection[str]) -> KeptLess:
    """Tells what the plans in force in `stores` keep and this one does not.

    A plan is in force in a store for all databases that it keeps there, whatever `--only` says.

    Raises:
        Refused: nobody has agreed to it.
    """
    kept = [one for one in world.databases(None) if {*stores} & {*world.stores_of(one.name)}]
    ahead, problems = keeping.look_ahead(world, kept)
    for problem in problems:
        complain(problem)
    for name in keeping.unread(ahead):
        say(f"warning: the plan in force in {name} can't be read: it was damaged, or deleted")
    less = [one for one in ahead if keeping.shortened([one]) or keeping.history_lost([one])]
    for line in keeping.lines(less) if less else ():
        say(line)
    if keeping.history_lost(less) and not arguments.lose_history:
        names = ", ".join(f"`{one.history.database}`" for one in less if one.history.lost)
        raise Refused(
            f"under this plan instants of {names} can't be restored any more, and nobody agreed to that",
            help="say --lose-history if it is meant (--yes is not enough), or keep as much as the plan in force does",
        )
    if less and not (arguments.yes or arguments.lose_history) and not _agreed("keep less than so far?"):
        raise Refused("this plan keeps less than so far, and nobody agreed to that", help="say --yes if it is meant")
    code = max((problem.exit_code for problem in problems), default=0)
    asked = frozenset(stores)
    return KeptLess(code, asked & {*keeping.not_known(world, None, ahead, ())}, asked & {*keeping.unread(ahead)})


@dataclass(frozen=True, slots=True)
class KeptLess:
    """What is known of the plans in force: the exit code of what can't be looked at; the stores in which they can't be,
    as those that do not answer; and those whose plan was looked at and is damaged or gone."""

    code: int
    not_looked_at: frozenset[str]
    unread: frozenset[str]


def _without(ready: _Ready, not_looked_at: frozenset[str]) -> _Ready:
    """No plan takes the place of one that nobody has seen: it may keep less, and nobody was asked."""
    for name in sorted(ready.stores & not_looked_at):
        say(f"left out: {name}, in which what is kept can't be looked at: this plan may keep less")
    return replace(ready, stores=ready.stores - not_looked_at)


def _images(world: World, arguments: argparse.Namespace, ready: _Ready, no_image: str) -> int:
    """Takes what is missing or overdue wherever servers and stores answer; the worst exit code."""
    told = Told()
    jobs = [job for job in world.plan.jobs if job.database in ready.databases and ready.may_run(job)]
    due = due_jobs(world, jobs, world.clock(), told.cannot_look)
    for job in due:
        say(f"+ {job.id}: {job.kind} to {', '.join(job.stores)}")
    if not due:
        say("nothing is missing or overdue" + (" where it can be looked at" if told.worst else ""))
    if due and not arguments.yes and not _agreed("take these images?"):
        say(no_image)
        return told.worst
    keys = list(told_of_keys(world, ready.stores, due))
    replaced = _store_plan(world, ready.stores, told)
    kept_up = sorted((one for one in jobs if one.kind in {"verify", "expire"}), key=lambda one: one.kind, reverse=True)
    do_all(world, due, kept_up, told.add)
    for line in (*keys, *told_of_agents(world, arguments.work, replaced=replaced)):
        say(line)
    return told.worst


class Told:
    """What jobs say or complain of, told at once; `worst` of the exit codes."""

    def __init__(self) -> None:
        self.worst = 0
        self._lock = threading.Lock()

    def add(self, what: str | RuntimeFailure) -> None:
        with self._lock:
            if isinstance(what, str):
                say(what)
            else:
                complain(what)
                self.worst = max(self.worst, what.exit_code)

    def cannot_look(self, job: contract.Job, problem: RuntimeFailure) -> None:
        self.add(StepFailed(f"can't look whether {job.id} is due: {problem}", help=problem.help))


@dataclass(frozen=True, slots=True)
class _Ready:
    """The databases and stores that preflight found no problem with; of the other stores it looked at, those that a
    key which is good may not use, and those with any other problem. `unknown`: those whose plan in force can't be
    read."""

    databases: frozenset[str]
    stores: frozenset[str]
    denied: frozenset[str] = frozenset()
    unusable: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()

    def may_run(self, job: contract.Job) -> bool:
        """An expiry does what it can where a store does not answer, and says so."""
        return job.kind == "expire" or self.stores.issuperset({*job.stores, *filter(None, [job.source_store])})


def _preflight(world: World, only: str | None, *, sets_buckets: bool) -> tuple[_Ready, int]:
    """What is wrong is said, all of it at once; what is ready, and the exit code. `sets_buckets`: this key looked at
    the buckets, and made them as the plan asks; then it need not write into them."""
    databases = world.databases(only)
    looked = list(look_at(world, databases))
    for line in preflight_lines(one for one in looked if one.findings):
        say(line)
    left_out = [one for one in looked if not one.ready]
    if left_out:
        say(f"left out, and what needs them: {', '.join(one.name for one in left_out)}")
    servers, stores = looked[: len(databases)], looked[len(databases) :]
    ready = _ready_of(frozenset(one.name for one in servers if one.ready), stores)
    by_others = ready.denied if sets_buckets else frozenset[str]()
    if by_others:
        names = ", ".join(sorted(by_others))
        say(f"this key sets buckets and may not write into {names}: images come there with the writer's (agent, run)")
    by_others |= {one.name for one in databases if by_others.issuperset(world.stores_of(one.name))}
    failed = [one for one in left_out if one.name not in by_others]
    return ready, max((one.failure.exit_code if one.failure else 1 for one in failed), default=0)


def _ready_of(databases: frozenset[str], stores: Sequence[Looked]) -> _Ready:
    denied = frozenset(one.name for one in stores if lacks_permission(one.failure))
    return _Ready(
        databases,
        frozenset(one.name for one in stores if one.ready),
        denied,
        frozenset(one.name for one in stores if not one.ready) - denied,
    )


def _beside(world: World, settled: _Settled, ready: _Ready) -> _Ready:
    """With the stores of other databases than `--only` names, where a lock would be theirs, too."""
    others = sorted(settled.to_lock - ready.stores - ready.denied - ready.unusable)
    looked = [look_at_store(world, name) for name in others]
    found = [one for one in looked if one.findings]
    for line in preflight_lines(found) if found else ():
        say(line)
    more = _ready_of(frozenset(), looked)
    return _Ready(
        ready.databases, ready.stores | more.stores, ready.denied | more.denied, ready.unusable | more.unusable
    )


def _begin(world: World, arguments: argparse.Namespace, ready: _Ready) -> tuple[_Ready, int]:
    """Leaves out the directories that hold nothing and must not be taken for new stores; the exit code."""
    left_out: dict[str, Refused] = {}
    for name, problem in new_stores(world, ready.stores).items():
        if problem and name not in arguments.new_store:
            complain(problem)
            left_out[name] = problem
        else:
            say(f"store `{name}` is new: {world.location(name)} holds nothing yet")
    worst = max((one.exit_code for one in left_out.values()), default=0)
    return replace(ready, stores=ready.stores - left_out.keys()), worst


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        say("no terminal to ask on: say --yes")
        return False


def _store_plan(world: World, stores: Collection[str], told: Told) -> bool:
    """Whether the plan took the place of another."""
    replaced = False
    for name in sorted(stores):
        try:
            replaced |= put_in_force(world.store(name), world.plan, world.clock())
        except RuntimeFailure as problem:
            told.add(problem)
    return replaced
