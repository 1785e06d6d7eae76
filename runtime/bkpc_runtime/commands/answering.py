"""Which stores answer at all: asked side by side, and not waited for longer than a person would.

A store that is away costs a minute of tries each time it is asked, and a database asks it several times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

from bkpc_runtime.commands.outcome import say
from bkpc_runtime.errors import StoreUnreachable
from bkpc_runtime.repository import layout
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.world import World

WITHIN = 10.0
_HASTY = Patience(total=8.0, tries=2, connect=4.0, answer=4.0)
"""Done within it, unless names of hosts or a disk that hangs take longer."""


def with_those_that_answer(world: World) -> World:
    """The same, where a store that does not answer now fails at once."""
    names = {name for one in world.plan.estate.databases for name in world.stores_of(one.name)}
    names |= {one.store for one in world.plan.settings if one.worm_ms}
    return replace(world, away=_away(world, sorted(names)))


def with_those_to_read(world: World, databases: Iterable[str]) -> World:
    """The same of what keeps something of these, for whom waits for a database: which are passed over is told. Where
    none answers all are left to the patience of who reads them."""
    names = {name for one in databases for name in (*world.stores_of(one), *world.replicas_of(one))}
    away = _away(world, sorted(names))
    if len(away) == len(names):
        return world
    for name, why in away.items():
        say(f"warning: store `{name}` is passed over: {why}; `--store {name}` waits for it")
    return replace(world, away=away)


def _away(world: World, names: Iterable[str]) -> dict[str, str]:
    """Why each of those that don't answer does not."""
    found: dict[str, str] = {}

    def ask(name: str) -> None:
        began = time.monotonic()
        try:
            for _ in world.store(name, _HASTY).folders(layout.PLANS):
                break
            found[name] = ""
        except StoreUnreachable as problem:
            if not problem.retryable:  # it answers, and is not what it should be
                found[name] = ""
                return
            passed = time.monotonic() - began
            found[name] = f"{problem} (asked for {passed:.0f} s)" if passed >= 1 else str(problem)
        except Exception:  # noqa: BLE001 - an answer, too, or told where the store is used
            found[name] = ""

    # As daemons: one that hangs keeps nobody from leaving.
    threads = [threading.Thread(target=ask, args=(name,), name=f"ask-{name}", daemon=True) for name in names]
    for thread in threads:
        thread.start()
    until = time.monotonic() + WITHIN
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    silent = f"no answer in {WITHIN:.0f} s"
    told = dict(found)
    return {name: why for name in names if (why := told.get(name, f"store `{name}`: {silent}"))}
