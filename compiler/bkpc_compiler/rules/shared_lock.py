"""BKP4008 shared-lock: stores of one bucket, of which not all are locked for as long: the lock is the bucket's."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.in_force import policies_in_force
from bkpc_compiler.program.model import Given, Store
from bkpc_compiler.rules.replica_written import written
from bkpc_grammar.bucket import place_of
from bkpc_grammar.quantities import Duration

Lock = Given[Duration] | None


def shared_lock(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per store that the lock of another takes with it."""
    locks = _locks(analysis)
    together: dict[str, list[Store]] = {}
    for store in analysis.program.stores:
        if store.name in locks and store.kind == "oss":
            together.setdefault(place_of(store.location).bucket, []).append(store)
    for bucket, stores in together.items():
        holder, lock = _longest(stores, locks)
        for store in stores if lock else ():
            own = locks[store.name]
            if lock is None or (own and own.value == lock.value):
                continue
            said = f"locked for {own.value}" if own else "not locked"
            yield Diagnostic(
                code="BKP4008",
                name="shared-lock",
                severity=Severity.ERROR,
                message=f"`{store.name}` is {said}: the lock of `{holder.name}` is for {lock.value}, "
                f"and for all of bucket `{bucket}`",
                primary=Label(own.span if own else store.span, said),
                secondary=(Label(lock.span, f"nothing in the bucket can be deleted for {lock.value}"),),
                help="give each a bucket of its own, or lock both for as long",
            )


def _longest(stores: list[Store], locks: dict[str, Lock]) -> tuple[Store, Lock]:
    found: tuple[Store, Lock] = (stores[0], None)
    for store in stores:
        lock = locks[store.name]
        if lock and (found[1] is None or lock.value > found[1].value):
            found = (store, lock)
    return found


def _locks(analysis: Analysis) -> dict[str, Lock]:
    """What each store that is written to is locked for: the longest of its policies; None: not at all.

    A copy that OSS makes is written to, and has no lock of its source's.
    """
    found: dict[str, Lock] = {}
    for policy in policies_in_force(analysis.program):
        for store in written(policy):
            before = found.setdefault(store.value, None)
            if policy.lock and (before is None or policy.lock.value > before.value):
                found[store.value] = policy.lock
    for one in analysis.program.stores:
        if one.replica and one.name in found:
            found.setdefault(one.replica.value, None)
    return found
