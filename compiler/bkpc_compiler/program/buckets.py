"""Buckets: where a store says that it is, and what stores of one bucket can't have each for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.program.model import Site, Store
from bkpc_compiler.program.refusal import WrongValue
from bkpc_compiler.program.values import filled
from bkpc_compiler.source import Span
from bkpc_compiler.syntax.tree import Clause
from bkpc_grammar.address import never_leaves
from bkpc_grammar.bucket import NoPlace, Place, endpoint_of, place_of, region_of, service_of

Said = tuple[str, Span]
"""What a store says of something that its bucket has once, as it is told, and where."""


def location(clause: Clause) -> str:
    """The bucket and prefix of `oss "…"`."""
    word = clause.words("STRING")[0]
    text = filled(word)
    try:
        place_of(text)
    except NoPlace as problem:
        raise _no_place(word.span, str(problem), problem.help) from problem
    return text


def endpoint(clause: Clause) -> str:
    """The URL or host of `endpoint "…"`."""
    word = clause.words("STRING")[0]
    text = filled(word)
    try:
        url = endpoint_of(text)
    except NoPlace as problem:
        raise _no_place(word.span, str(problem), problem.help) from problem
    if url.scheme == "http" and not never_leaves(url.hostname or ""):
        message = "keys and backups would go over plain HTTP, for all on the way to read"
        raise _no_place(word.span, message, f"write `https://{url.netloc}`")
    return text


def _no_place(span: Span, message: str, help_text: str) -> WrongValue:
    """BKP1013: OSS has no such bucket, objects or endpoint."""
    found = Diagnostic("BKP1013", "no-place", Severity.ERROR, message, Label(span), help=help_text)
    return WrongValue(found)


def unsound_buckets(stores: Mapping[str, Store], sites: Mapping[str, Site]) -> Iterator[WrongValue]:
    """Buckets that lie elsewhere than is said, and what stores of one have in common or can't have each for itself."""
    together: dict[str, list[Store]] = {}
    for store in sorted((one for one in stores.values() if one.kind == "oss"), key=lambda one: one.span):
        site = sites[store.site]
        if store.endpoint and region_of(endpoint_of(store.endpoint).geturl()) not in (None, site.region):
            yield _elsewhere(store, site)
        together.setdefault(place_of(store.location).bucket, []).append(store)
    for bucket, (first, *others) in together.items():
        for other in others:
            if _copied(other, first) or _copied(first, other):  # BKP1012 says all of it
                continue
            for what, one, two in _once(other, first, sites):
                if one[0] != two[0]:
                    message = f"bucket `{bucket}` has one {what}: `{other.name}` says {one[0]}, `{first.name}` {two[0]}"
                    yield _shared(message, Label(one[1], one[0]), Label(two[1], two[0]), "say the same in both")
        yield from _in_common((first, *others))


def _elsewhere(store: Store, site: Site) -> WrongValue:
    """BKP1015: the endpoint leads to another region than that of the store's site."""
    region = region_of(endpoint_of(store.endpoint or "").geturl())
    message = f"`{store.name}` is said to be in region `{site.region}`, and its endpoint leads to `{region}`"
    here = Label(store.span, f"at `{site.name}`")
    there = Label(site.span, f"region `{site.region}`")
    way_out = f"move it to a site of region `{region}`, or give it an endpoint of `{site.region}`"
    found = Diagnostic("BKP1015", "other-region", Severity.ERROR, message, here, secondary=(there,), help=way_out)
    return WrongValue(found)


def _copied(one: Store, to: Store) -> bool:
    return one.replica is not None and one.replica.value == to.name


def _once(one: Store, two: Store, sites: Mapping[str, Site]) -> Iterator[tuple[str, Said, Said]]:
    yield "class", _class(one), _class(two)
    yield "redundancy", _redundancy(one), _redundancy(two)
    yield "region", _region(one, sites), _region(two, sites)
    yield "endpoint", _service(one, sites), _service(two, sites)


def _class(store: Store) -> Said:
    held = store.storage_class
    return (held.value.name, held.span) if held else ("standard", store.span)


def _redundancy(store: Store) -> Said:
    return (store.redundancy.value, store.redundancy.span) if store.redundancy else ("lrs", store.span)


def _region(store: Store, sites: Mapping[str, Site]) -> Said:
    return sites[store.site].region, store.span


def _service(store: Store, sites: Mapping[str, Site]) -> Said:
    return service_of(endpoint_of(store.endpoint or "").geturl(), sites[store.site].region), store.span


def _in_common(stores: tuple[Store, ...]) -> Iterator[WrongValue]:
    """Each store that has objects in common with one before it, once: of sorted folders such have neighbours."""
    places = [(place_of(store.location), store) for store in stores]
    around: list[tuple[Place, Store]] = []
    for place, store in sorted(places, key=lambda one: (one[0].folder, one[1].span)):
        while around and not place.folder.startswith(around[-1][0].folder):
            around.pop()
        if around and not _copied(store, around[-1][1]) and not _copied(around[-1][1], store):
            outer, other = around[-1]
            yield _nested(place, store, outer, other)
        around.append((place, store))


def _nested(place: Place, store: Store, outer: Place, other: Store) -> WrongValue:
    within = "the same objects as" if place == outer else "objects of"
    where = f"below `{outer.folder}`" if outer.folder else "the whole bucket"
    message = f"`{store.name}` has {within} `{other.name}`: one would list, expire and be given keys for the other's"
    return _shared(
        message,
        Label(store.span, f"below `{place.folder}`" if place.folder else "the whole bucket"),
        Label(other.span, where),
        "give each a prefix of its own, none within the other",
    )


def _shared(message: str, here: Label, there: Label, help_text: str) -> WrongValue:
    """BKP1014: two stores that can't be in one bucket as they are."""
    way_out = f"{help_text}, or give each a bucket of its own"
    found = Diagnostic("BKP1014", "shared-bucket", Severity.ERROR, message, here, secondary=(there,), help=way_out)
    return WrongValue(found)
