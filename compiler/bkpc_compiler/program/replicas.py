"""Which copies OSS can make by itself: `replicates to` of one bucket's store, to a store in another region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.program.model import Given, Site, Store
from bkpc_compiler.program.names import unknown_name
from bkpc_compiler.program.refusal import WrongValue
from bkpc_compiler.syntax.tree import Word


def unsound_replicas(stores: Mapping[str, Store], sites: Mapping[str, Site]) -> Iterator[WrongValue]:
    """Unknown names after `replicates to`, and what OSS would refuse or what would be no second copy."""
    sources: dict[str, Store] = {}
    for store in stores.values():
        if store.replica is None:
            continue
        target = stores.get(store.replica.value)
        if target is None:
            yield unknown_name(Word("NAME", store.replica.value, store.replica.span), "store", stores)
            continue
        yield from _unsound(store, store.replica, target, sites)
        first = sources.setdefault(target.name, store)
        if first is not store:
            message = f"`{target.name}` is the copy of `{first.name}` already"
            yield _refused(store.replica, message, "give each a store of its own", first)


def _unsound(store: Store, replica: Given[str], target: Store, sites: Mapping[str, Site]) -> Iterator[WrongValue]:
    bucket, _, prefix = store.location.partition("/")
    other, _, below = target.location.partition("/")
    if target.kind != "oss":
        yield _refused(
            replica, f"`{target.name}` is no bucket", "OSS copies to buckets alone: `cold` copies elsewhere", target
        )
    elif bucket == other:
        message = f"`{target.name}` is in the bucket of `{store.name}`"
        yield _refused(replica, message, "choose a store in another region", target)
    elif sites[store.site].region == sites[target.site].region:
        message = f"`{target.name}` is in the region of `{store.name}`, and is lost with it"
        yield _refused(replica, message, "choose a store in another region", target)
    elif prefix.strip("/") != below.strip("/"):
        message = (
            f"OSS copies an object to its own name: `{prefix.strip('/')}/…` does not become `{below.strip('/')}/…`"
        )
        yield _refused(replica, message, f'write `oss "{"/".join(filter(None, (other, prefix)))}"` there', target)
    elif target.replica is not None:
        message = f"what OSS has copied to `{target.name}` it does not copy on to `{target.replica.value}`"
        yield _refused(replica, message, "take one of the two out", target)


def _refused(replica: Given[str], message: str, help_text: str, other: Store) -> WrongValue:
    """BKP1012: a copy that OSS does not make."""
    label = Label(other.span, "this store")
    found = Diagnostic(
        "BKP1012", "no-replica", Severity.ERROR, message, Label(replica.span), secondary=(label,), help=help_text
    )
    return WrongValue(found)
