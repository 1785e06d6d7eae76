"""Which stores answer at all: asked side by side, and not waited for longer than a person would.

A store that is away costs a minute of tries each time it is asked, and a database asks it several times.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from bkpc_runtime.commands.outcome import say
from bkpc_runtime.errors import BadUsage, StoreUnable, StoreUnreachable
from bkpc_runtime.repository import layout
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.world import World

WITHIN = 10.0
_HASTY = Patience(total=8.0, tries=2, connect=4.0, answer=4.0)
"""Done within it, unless names of hosts or a disk that hangs take longer."""
LONGER = 65.0
_PATIENT = Patience()
_LEFT_OUT = "store `{}` is left out, as --without-store says"


def with_those_that_answer(world: World, *, patient: bool = False) -> World:
    """The same, where a store that does not answer now fails at once. `patient`: one that says itself that it can't
    serve now is asked for up to a minute more."""
    names = {name for one in world.plan.estate.databases for name in world.stores_of(one.name)}
    names |= {one.store for one in world.plan.settings if one.worm_ms}
    away = _away(world, sorted(names))
    unable = sorted(name for name, why in away.items() if isinstance(why, StoreUnable))
    if unable and patient:
        say(f"not able to answer yet: {_quoted(unable)}: asked for up to a minute more")
        away = {name: why for name, why in away.items() if name not in unable}
        away |= _away(world, unable, _PATIENT, LONGER)
    return replace(world, away=away)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def add_without(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--without-store", action="append", default=[], metavar="STORE",
        help="go on without a store that does not answer, and what only it has; may be repeated",
    )  # fmt: skip


def with_those_to_read(world: World, databases: Iterable[str], without: Sequence[str] = ()) -> World:
    """The same of what keeps something of these, but for those that are done `without`. Copies that OSS keeps are
    passed over where they are silent, which is told.

    Raises:
        BadUsage: `without` names none of them.
        StoreUnreachable: one does not answer, and may have what no other has.
    """
    replicas = {name for one in databases for name in world.replicas_of(one)}
    names = {name for one in databases for name in world.stores_of(one)} | replicas
    world = without_the_silent(world, names, without)
    silent = {name: why for name, why in world.away.items() if name not in without}
    for name, why in silent.items():
        if name not in replicas:
            raise type(why)(
                f"{why}; it may have what no other store has",
                help=f"run it again when it answers; --without-store {name} goes on without what only that store has",
            )
        say(f"warning: store `{name}` is passed over: {why}; `--store {name}` waits for it")
    return world


def without_the_silent(world: World, names: Collection[str], without: Sequence[str]) -> World:
    """The same, where those of `names` that did not answer for a minute fail at once, as do those that are done
    `without`.

    Raises:
        BadUsage: `without` names none of them.
    """
    unknown = sorted(set(without) - set(names))
    if unknown:
        raise BadUsage(
            f"--without-store {unknown[0]}: no store of that name is read", help=f"there is {', '.join(sorted(names))}"
        )
    away = {name: StoreUnreachable(_LEFT_OUT.format(name), help="leave out --without-store") for name in without}
    silent = _away(world, sorted(set(names) - set(without)))
    if silent:
        say(f"nothing yet from {_quoted(silent)}: asked for up to a minute more")
        silent = _away(world, sorted(silent), _PATIENT, LONGER)
    return replace(world, away=away | silent, left_out=frozenset(without))


def _away(
    world: World, names: Iterable[str], patience: Patience | None = None, within: float | None = None
) -> dict[str, StoreUnreachable]:
    """Why each of those that don't answer does not."""
    found: dict[str, StoreUnreachable | None] = {}

    def ask(name: str) -> None:
        began = time.monotonic()
        found_now: StoreUnreachable | None = None
        try:
            for _ in world.store(name, patience or _HASTY).folders(layout.PLANS):
                break
        except StoreUnreachable as problem:
            if problem.retryable:  # else it answers, and is not what it should be
                passed = time.monotonic() - began
                told = f"{problem} (asked for {passed:.0f} s)" if passed >= 1 else str(problem)
                found_now = type(problem)(told, help=problem.help, retryable=True)
        except Exception:  # noqa: BLE001, S110 - an answer, too, or told where the store is used
            pass
        found[name] = found_now

    # As daemons: one that hangs keeps nobody from leaving.
    threads = [threading.Thread(target=ask, args=(name,), name=f"ask-{name}", daemon=True) for name in names]
    for thread in threads:
        thread.start()
    within = within or WITHIN
    until = time.monotonic() + within
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    told = dict(found)
    return {name: why for name in names if (why := told.get(name, _hangs(name, within)))}


def _hangs(name: str, within: float) -> StoreUnreachable:
    text = f"store `{name}`: no answer in {within:.0f} s"
    return StoreUnreachable(text, help="check the endpoint and the network", retryable=True)
