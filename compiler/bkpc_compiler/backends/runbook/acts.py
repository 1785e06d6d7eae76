"""What a person does in each step of a recovery, with the command to type where there is one.

Texts hold code between backticks, in both kinds of page.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bkpc_compiler.backends import words
from bkpc_compiler.backends.markup import markdown_code as code
from bkpc_compiler.backends.procedure import Phase, Procedure
from bkpc_grammar.log_left import LogLeft
from bkpc_grammar.plan import Plan

_HOST, _FOLDER = "NEW-HOST", "DATA-FOLDER"
POINTS = {"corruption": "POINT", "intruder": "POINT"}
"""What `--to` names, where it is not `latest`."""


@dataclass(frozen=True, slots=True)
class Act:
    """One step: what to do, and what to type."""

    phase: Phase
    texts: tuple[str, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Secret:
    """Environment variables to set before anything is read, and what for."""

    names: tuple[str, ...]
    purpose: str


def acts_of(procedure: Procedure) -> tuple[Act, ...]:
    """One per phase of the procedure, in its order."""
    return tuple(_act(procedure, phase) for phase in procedure.phases)


def secrets_of(plan: Plan) -> tuple[Secret, ...]:
    """The credentials of the stores that recoveries read, each once."""
    read = _read(plan)
    found: dict[tuple[str, ...], list[str]] = {}
    for store in plan.estate.stores:
        if store.name in read and store.credentials and store.credentials.kind == "env":
            found.setdefault(store.credentials.names, []).append(store.name)
    return tuple(
        Secret(names, f"store{'s' if len(stores) > 1 else ''} {words.listed(stores)}")
        for names, stores in found.items()
    )


def folders_of(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Stores that are folders and that recoveries read: their names, and paths as a shell takes them."""
    read = _read(plan)
    return tuple(
        (one.name, _argument(one.location))
        for one in plan.estate.stores
        if one.name in read and one.kind == "directory"
    )


def _read(plan: Plan) -> set[str]:
    """The stores that recoveries read."""
    steps = [step for recovery in plan.recoveries for step in recovery.steps if step.store]
    return {name for step in steps for name in (step.store, *step.beside) if name}


def encrypted(plan: Plan) -> bool:
    """Whether any backup needs an identity to be read."""
    return any(job.recipients for job in plan.jobs) or any(stream.recipients for stream in plan.streams)


def _act(procedure: Procedure, phase: Phase) -> Act:
    texts, commands = {
        "detect": _detect,
        "activate": _activate,
        "provision": _provision,
        "thaw": _thaw,
        "restore.image": _image,
        "restore.increment": _increment,
        "restore.log": _log,
        "check.service": _check,
    }[phase.kind](procedure, phase)
    return Act(phase, tuple(texts), tuple(commands))


_Words = tuple[list[str], list[str]]


def _detect(procedure: Procedure, _: Phase) -> _Words:
    texts = ["Write down the time of the failure: every time below counts from it."]
    if procedure.recovery.scope == "corruption":
        texts.append("Stop what writes to the database. Leave its server running.")
    if procedure.recovery.scope == "intruder":
        texts.append("Cut the network of every database server. Leave the machines as they are: evidence.")
    return texts, []


def _activate(procedure: Procedure, phase: Phase) -> _Words:
    if procedure.recovery.scope == "corruption":
        logged = [name for name in phase.databases if _has_log(procedure, name)]
        silent = [code(name) for name in phase.databases if name not in logged]
        if not logged:
            return [f"There is no log of {words.listed(silent)}: find out when it happened."], []
        found = (
            "Find the transaction that did it. The command prints the `--to FILE:POSITION` that stops just before it."
        )
        point = "That is POINT below. A time will do too, such as `2026-01-14T02:59:00Z`."
        if procedure.together:
            found = "Find the transaction that did it. The command prints when it was; POINT is a time just before."
            point = "A position in one log says nothing of the others: for all that go back together it takes a time."
        beside = [f"There is no log of {words.listed(silent)}: look in those of others."] if silent else []
        return [found, point, *beside], [
            f"bkpc log plan.json {_argument(name)}{_from(procedure, name)} --find 'drop table SCHEMA.TABLE'"
            for name in logged
        ]
    if procedure.recovery.scope == "intruder":
        change = "Change the credentials of databases and stores from a machine that the intruder has never reached."
        decide = "Decide on the last moment at which the data was surely clean: what is restored must be older."
        return [f"{change} Work on from there.", decide], ["bkpc list plan.json"]
    lost = code(procedure.recovery.lost)
    back = f"Make sure that nothing of {lost} comes back by itself and takes writes."
    return ["Make sure that it is lost, not only out of sight.", back], []


def _provision(procedure: Procedure, phase: Phase) -> _Words:
    files = [name for name in phase.databases if name in procedure.physical]
    servers = [name for name in phase.databases if name not in procedure.physical]
    texts = []
    if servers:
        names = words.listed([code(name) for name in servers])
        one_each = ", one for each database" if len(servers) > 1 else ""
        start = (
            f"Start an empty server for {names}{one_each}: flavour and version as the lost one, reachable from here."
        )
        texts += [start, _stands(procedure, servers, "address", "addresses", _host)]
    if files:
        names = words.listed([code(name) for name in files])
        for_each = ", one for each database," if len(files) > 1 else ""
        tools = "the server, of the lost one's series, and bkpc; for MariaDB `mariadb-backup` too"
        texts.append(f"On the new machine of {names}, install {tools}. Leave the server stopped.")
        texts.append(f"Make an empty data directory{for_each} that the server's user owns.")
        texts.append(_stands(procedure, files, "path", "paths", _folder))
    return texts, []


def _stands(
    procedure: Procedure, names: Sequence[str], what: str, many: str, word: Callable[[Procedure, str], str]
) -> str:
    """What is to be filled in for a word of the commands, or for one of each database."""
    first, *others = names
    if word(procedure, first) in {_HOST, _FOLDER}:
        return f"Its {what} stands for {word(procedure, first)} below."
    if not others:
        return f"Its {what} stands for {code(word(procedure, first))} below."
    return f"Their {many} stand for {code(word(procedure, first))} and so on below, each with the name of its database."


def _host(procedure: Procedure, name: str) -> str:
    """What stands for the address of its new server: with its name, where several come back."""
    return _word(_HOST, procedure.recovery.databases, name)


def _folder(procedure: Procedure, name: str) -> str:
    """What stands for its new data directory, in the same way."""
    return _word(_FOLDER, [one for one in procedure.recovery.databases if one in procedure.physical], name)


def _word(word: str, all_of_them: Sequence[str], name: str) -> str:
    return word if len(all_of_them) == 1 else f"{word}-{name}"


def _target(procedure: Procedure, name: str) -> str:
    return f"'mysql://root@{_host(procedure, name)}:3306/?password-env=RESCUE_PASSWORD'"


def _thaw(procedure: Procedure, phase: Phase) -> _Words:
    """The restore itself would ask too, but only once its target is there."""
    stores = words.listed([code(one) for one in phase.stores])
    if procedure.together.issuperset(phase.databases):
        return _all_at_once(procedure, phase)
    text = f"Ask store {stores} to thaw what will be read: do it at once, the target need not be there."
    return [text, "The restore below waits for it, and goes on by itself."], [
        f"{_restore(procedure, phase)} --thaw-only"
    ]


def _image(procedure: Procedure, phase: Phase) -> _Words:
    (name,) = phase.databases
    if name in procedure.together:
        return _all_at_once(procedure, phase)
    files = name in procedure.physical
    target = "an empty data directory on the machine where this runs" if files else "an empty server"
    texts = [f"The target is {target}. `--dry-run` added shows which image and which log it takes."]
    commands = [_restore(procedure, phase)]
    if left := procedure.log_left(name):
        return _alone(procedure, phase, left, texts)
    if _has_log(procedure, name):
        texts.append("It loads the image and goes on with the log by itself.")
        if procedure.recovery.scope == "intruder":
            texts.append("POINT is a time from before the intrusion, such as `2026-01-14T02:59:00Z`.")
        return texts, commands
    damaged = procedure.recovery.scope in POINTS
    if damaged:
        texts.append("There is no log in this line: POINT is the id of an image, one from before the damage.")
    if phase.beside:
        stores = " or ".join(code(one) for one in phase.stores)
        texts.append(f"STORE is {stores}: the one that has the newest image{' of those' if damaged else ''}.")
    if damaged or phase.beside:
        commands.insert(0, f"bkpc list plan.json {_argument(name)}")
    return texts, commands


def _alone(procedure: Procedure, phase: Phase, left: LogLeft, texts: list[str]) -> _Words:
    """The image and no log, as the plan does it; and beside it the command that goes on with the log."""
    (name,) = phase.databases
    damaged = procedure.recovery.scope in POINTS
    if damaged:
        listed = f"bkpc list plan.json {_argument(name)}"
        texts.append(f"IMAGE is the id of an image, one from before the damage: {code(listed)}.")
    if phase.beside:
        stores = " or ".join(code(one) for one in phase.stores)
        texts.append(f"STORE is {stores}: the one that has the newest image{' of those' if damaged else ''}.")
    store = _store_of(procedure, phase)
    texts.append(f"It leaves out the log, as the plan does: {_lost(left.without_loses_ms)}. {_with_log(left)}")
    alone = _typed(procedure, name, store, "IMAGE" if damaged else "image")
    same = left.image == left.log and not phase.beside
    point = POINTS.get(procedure.recovery.scope, "latest")
    going_on = _typed(procedure, name, f" --store {_argument(left.log)}" if same else "", point)
    # A block may be pasted whole: only one of the two may run.
    return texts, [alone, "\n".join(f"# {line}" for line in ("or, with the log:", *going_on.split("\n")))]


def _with_log(left: LogLeft) -> str:
    back = (
        "nothing bounds when it is back" if left.back_ms is None else f"back after at most {words.span(left.back_ms)}"
    )
    alone = "" if left.back_ms is None else ", were it alone to come back"
    return f"With the log in {code(left.log)}: {_lost(left.loses_ms)}, {back}{alone}; choose one of the two."


def _lost(milliseconds: int | None) -> str:
    return "a loss that nothing bounds" if milliseconds is None else f"at most {words.span(milliseconds)} lost"


def _restore(procedure: Procedure, phase: Phase) -> str:
    (name,) = phase.databases
    left = procedure.log_left(name) is not None
    damaged = procedure.recovery.scope in POINTS
    point = ("IMAGE" if damaged else "image") if left else POINTS.get(procedure.recovery.scope, "latest")
    return _typed(procedure, name, _store_of(procedure, phase), point)


def _typed(procedure: Procedure, name: str, store: str, point: str) -> str:
    into = (
        f"--into-datadir {_folder(procedure, name)}"
        if name in procedure.physical
        else f"--into {_target(procedure, name)}"
    )
    return f"bkpc restore plan.json {_argument(name)}{store} --to {point} \\\n  {into}"


def _all_at_once(procedure: Procedure, phase: Phase) -> _Words:
    """One command for all of a group, and what comes back beside it: each transfer at its turn in the plan."""
    (name,) = phase.databases
    if phase.number != procedure.first_of_all:
        does = f"asks for what {code(name)} reads" if phase.kind == "thaw" else f"loads {code(name)} at its turn"
        return [f"Nothing to type: the command of step {procedure.first_of_all} {does}."], []
    recovery, names = procedure.recovery, sorted(procedure.together)
    listed = words.listed([code(one) for one in names])
    texts = [
        f"One command restores {listed}, in the order of this plan; members of a group go to their point in common."
    ]
    if any(one.kind == "thaw" and procedure.together.issuperset(one.databases) for one in procedure.phases):
        texts.append(
            "It asks for all that must thaw, and waits for it; those that need not wait come back meanwhile. "
            "If any log of a group must thaw, all its members wait."
        )
    if later := _servers_later(procedure, phase):
        texts.append(
            f"Of {words.listed(later)} no server need be there yet: give the address that it will have. The command "
            "waits for it, and goes on as soon as it answers."
        )
    texts.append("`--dry-run` added shows images, logs and that point, and what is missing.")
    if recovery.scope in POINTS:
        texts.append("POINT is a time from before the damage, such as `2026-01-14T02:59:00Z`: it is the same for all.")
    into = [
        f"--into-datadir {_argument(one)}={_folder(procedure, one)}"
        if one in procedure.physical
        else f"--into {_argument(one)}={_target(procedure, one)}"
        for one in names
    ]
    without = [f"--without {_argument(one)}" for one in sorted(set(recovery.databases) - procedure.together)]
    scope = _argument(f"{recovery.scope}:{recovery.lost}")
    point = POINTS.get(recovery.scope, "latest")
    images = {one: left for one in names if (left := procedure.log_left(one)) is not None}
    to = "" if images else f" --to {point}"  # without `--to`: as the plan does it
    for one, left in images.items():
        texts.append(f"{code(one)} comes back from its image alone: {_lost(left.without_loses_ms)}. {_with_log(left)}")
    if images:
        texts.append("`--to latest` added goes on with the log of all.")
    parts = [f"bkpc restore plan.json --scope {scope}{to}", *into, *without]
    return texts, [" \\\n  ".join(parts)]


def _servers_later(procedure: Procedure, phase: Phase) -> list[str]:
    """Of which databases, restored by one command, the server is ready only after that is to be typed."""
    names = {
        name
        for one in procedure.phases
        if one.kind == "provision" and one.end_ms > phase.start_ms
        for name in (procedure.together - procedure.physical).intersection(one.databases)
    }
    return [code(one) for one in sorted(names)]


def _store_of(procedure: Procedure, phase: Phase) -> str:
    """What names the store, where that is one: `--store` would read the log there as well, and no newer image."""
    (name,) = phase.databases
    logs = {one.store for one in _of(procedure, name, "restore.log")}
    if logs and (phase.beside or logs != {phase.store}):
        return ""
    named = "STORE" if phase.beside else phase.store
    return f" --store {_argument(named)}" if named else ""


def _increment(procedure: Procedure, phase: Phase) -> _Words:
    return _continues(procedure, phase, "the increments")


def _log(procedure: Procedure, phase: Phase) -> _Words:
    return _continues(procedure, phase, "the log")


def _continues(procedure: Procedure, phase: Phase, what: str) -> _Words:
    (name,) = phase.databases
    images = [one.number for one in _of(procedure, name, "restore.image")]
    if name in procedure.together:
        images = [procedure.first_of_all]
    if not images:
        return [f"Restore {what} of {code(name)}."], []
    return [f"Nothing to type: the command of step {images[0]} goes on with {what}."], []


def _check(procedure: Procedure, phase: Phase) -> _Words:
    (name,) = phase.databases
    needed = sorted(
        {other for one in procedure.phases if one.number in phase.after and one.kind == "check.service"
         for other in one.databases}
    )  # fmt: skip
    files = name in procedure.physical
    begin = "Start its server with `--event-scheduler=OFF`." if files else "Read what the restore said of accounts."
    look = f"Look at the newest rows of {code(name)}."
    texts = [f"{begin} {look} Switch its events on." if files else f"{look} {begin} Switch its events on."]
    if needed:
        names = words.listed([code(one) for one in needed])
        texts.insert(0, f"It is in service only after {names}.")
    texts.append("Then point its applications at the new server.")
    return texts, [
        f"mysql --host={_host(procedure, name)} --user=root --password --execute='SET GLOBAL event_scheduler = ON'"
    ]


def _has_log(procedure: Procedure, name: str) -> bool:
    return any(_of(procedure, name, "restore.log"))


def _of(procedure: Procedure, name: str, kind: str) -> Iterator[Phase]:
    return (one for one in procedure.phases if one.kind == kind and name in one.databases)


def _from(procedure: Procedure, name: str) -> str:
    phase = next((one for one in _of(procedure, name, "restore.image") if not one.beside), None)
    return _store_of(procedure, phase) if phase else ""


def _argument(text: str) -> str:
    return shlex.quote(text)
