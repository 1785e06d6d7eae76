"""The least time that a way back takes, whatever the plan: a promise below it nobody keeps.

Only what every recovery must do counts. The log need not be replayed where the image alone loses no more than is
promised; where it is, then all of it, or in a group what is older than may be lost. It may be thawed, and fetched,
while the image is loaded. The machine loads first and replays then. So a way back takes the longest of: its image
through the narrowest place, and then the log as fast as the machine replays it; the log through the narrowest place
of its own way; both through any place that both must pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace as replace_struct

from bkpc_compiler.estate.resources import Resource
from bkpc_compiler.feasibility.bounds import Bound, Term
from bkpc_compiler.feasibility.by_turns import least_age
from bkpc_compiler.feasibility.images import ImageCopy
from bkpc_compiler.feasibility.lines import REFUTED, Choice, places
from bkpc_compiler.feasibility.recovery_time import Recovery, Transfer, leads_back, ready_at
from bkpc_compiler.feasibility.starting import creating_term, surely_creating, surely_starting
from bkpc_compiler.feasibility.thaw import least_log
from bkpc_compiler.feasibility.working import AtBest, Crowding
from bkpc_compiler.program.model import Given, Origin, Scope, Store
from bkpc_grammar.quantities import Duration


@dataclass(frozen=True, slots=True)
class Follows:
    """The log that must follow an image of `age`, since more than `spared` may not be lost: all of it, or up to the
    point that a group has in `common`, which may be as old as that."""

    age: Bound
    spared: Given[Duration]
    common: bool

    @property
    def written_in(self) -> Fraction:
        """Milliseconds; 0: an image alone will do."""
        most, spared = self.age.total.amount, self.spared.value.amount
        if most <= spared:
            return Fraction(0)
        return (most - spared if self.common else most) * 1000


def least_back(choice: Choice, share: Fraction, *, needed: bool = False) -> Bound | None:
    """What no plan betters for this database alone, in `share` of all instants of failure; None: no way back.

    `needed`: for one that waits for it: what is promised of its loss binds it only where that is proved.
    """
    alone = _images_alone(choice)
    found = min(alone.values(), key=_total, default=None)
    if found is None or (needed and not choice.kept):
        return found
    soonest = sorted(alone, key=lambda name: (alone[name].total, name))
    for count in range(1, len(soonest) + 1):
        found = _unless(choice, share, alone, frozenset(soonest[:count]), found) or found
    return found


def _unless(
    choice: Choice, share: Fraction, alone: Mapping[str, Bound], stores: frozenset[str], known: Bound
) -> Bound | None:
    """At the instant at which the newest image in `stores` is oldest: where that is too old, either the log follows it
    or an image of another store is loaded, `alone`. None where it need not be too old, or that is no later than what is
    `known`: then the ways that are left are not looked at."""
    others = [bound for name, bound in alone.items() if name not in stores]
    follows = _follows(choice, share, stores) if all(one.total > known.total for one in others) else None
    if follows is None:
        return None
    logged = [one for one in choice.plain if one.line.log is not None and one.line.image.store.name in stores]
    least = min(others, key=_total, default=None)
    for one in logged:
        bound = _least(one, follows)
        if bound.total <= known.total:
            return None
        least = bound if least is None or bound.total < least.total else least
    return least


def _images_alone(choice: Choice) -> dict[str, Bound]:
    """By store, how soon an image in it is back at best, however old."""
    found: dict[str, Bound] = {}
    for way in _images_back(choice):
        name, bound = way.line.image.store.name, _least(way, None)
        if name not in found or bound.total < found[name].total:
            found[name] = bound
    return found


class Passing(Struct, frozen=True):
    """What of one database must pass each resource, whatever way back is taken: its image, and a log that must follow.

    `first`: before the first byte of an image; `then`: of all that a way back with that log reads; `last`: after it.
    """

    images: Mapping[Resource, AtBest]
    logs: Mapping[Resource, AtBest]
    first: Bound
    then: Bound
    last: Bound


def passing_of(choice: Choice) -> Passing:
    """What of `choice.database` must pass."""
    back = _images_back(choice)
    stores = frozenset(one.line.image.store.name for one in back)
    follows = _follows(choice, Fraction(1), stores) if choice.kept else None
    recoveries, nothing = choice.plain or back, Bound(())
    logs = _passed(recoveries, follows) if follows else {}
    return Passing(
        {one: least[0] for one, least in _passed(back, None).items()},
        {one: parts[-1] for one, parts in logs.items() if parts[-1].follows},
        min((_lead(way, way.line.image.store) for way in back), key=_total, default=nothing),
        min(_leads(recoveries), key=_total, default=nothing),
        Bound(recoveries[0].surely_after) if recoveries else nothing,
    )


def least_together(path: Sequence[Passing]) -> Bound | None:
    """All images of `path`, and the log of one of them, through one resource at its full capacity.

    The log of one: the instants at which the images of two are oldest need not be the same.
    """
    images: dict[Resource, list[AtBest]] = {}
    leads: dict[Resource, list[Bound]] = {}
    logs: dict[Resource, Passing] = {}
    for passing in path:
        for one, image in passing.images.items():
            images.setdefault(one, []).append(image)
            leads.setdefault(one, []).append(passing.first)
        for one in passing.logs:
            if one not in logs or _long(passing, one) > _long(logs[one], one):
                logs[one] = passing
    if not images:
        return None
    through = {one: (*parts, *((logs[one].logs[one],) if one in logs else ())) for one, parts in images.items()}
    narrow = max(through, key=lambda one: (_bytes(through[one]) / one.most, one.name))
    first = (*leads[narrow], *((logs[narrow].then,) if narrow in logs else ()))
    return Bound((*min(first, key=_total).terms, _crowded(through[narrow], narrow), *path[0].last.terms))


def _long(passing: Passing, one: Resource) -> tuple[int, Fraction]:
    return passing.logs[one].transfer.bytes, passing.then.total.amount


def comes_back(choice: Choice) -> bool:
    """Whether a copy is left and somewhere to load it, however long that takes."""
    return bool(_images_back(choice))


def _follows(choice: Choice, share: Fraction, stores: frozenset[str]) -> Follows | None:
    """The log that no way back from an image in `stores` does without; None where such an image alone may do."""
    promise = choice.promise
    if promise is None or promise.rpo is None or all(rank == REFUTED for rank, _, _ in choice.ways):
        return None
    if choice.common is not None and not choice.common.may_keep:
        return None
    both = share + promise.rpo_quantile - 1  # of all instants, at least, must keep both objectives
    if both <= 0:
        return None
    found = Follows(_least_age(choice, both, stores), promise.rpo, choice.common is not None)
    return found if found.written_in > 0 else None


def _least_age(choice: Choice, share: Fraction, stores: frozenset[str]) -> Bound:
    """Of the newest image in `stores`."""
    images = [line.image for line in choice.lines if line.image.store.name in stores]
    return least_age(images, share, arrives=choice.felt_as is Scope.CORRUPTION)


def _images_back(choice: Choice) -> tuple[Recovery, ...]:
    """Every way back with an image alone, however old it may be at other instants."""
    return tuple(
        Recovery(choice.setting, choice.left, choice.database, choice.policy, line, place, choice.loss)
        for line in choice.lines
        if line.log is None
        for place in places(choice.database, choice.loss)
        if leads_back(choice.setting, line, place, choice.loss)
    )


def _least(recovery: Recovery, follows: Follows | None) -> Bound:
    """No plan brings the database back on this way before."""
    image, *logs = _moved(recovery, follows)
    store, log_store, tail = recovery.line.image.store, recovery.line.log_store, recovery.surely_after
    lead = _lead(recovery, store)
    loaded = (*lead.terms, *_loaded(image))
    if not logs or log_store is None:
        return Bound((*loaded, *tail))
    (log,) = logs
    log_lead = lead if log_store is store else _lead(recovery, log_store)
    replays = AtBest(recovery, log.transfer, _narrowest(_by_itself(log.transfer, follows)[-1:]), follows)
    fetched = (*log_lead.terms, _at_best(log))
    both = [one for one in image.transfer.resources if one.firm and one in log.transfer.resources]
    first = min(lead, log_lead, key=_total).terms
    shared = [(*first, _crowded((image, log), one)) for one in both]
    return max((Bound((*terms, *tail)) for terms in ((*loaded, _at_best(replays)), fetched, *shared)), key=_total)


def _moved(recovery: Recovery, follows: Follows | None) -> tuple[AtBest, ...]:
    """The image, and the log if any must follow it."""
    setting, line = recovery.setting, recovery.line
    image = replace_struct(recovery.transfers[0], bytes=recovery.database.size.value.bytes_up())
    found = AtBest(recovery, image, _narrowest(_by_itself(image, None)))
    if follows is None or line.log_store is None:
        return (found,)
    written = least_log(recovery.database, line, follows.written_in)
    reading = setting.ways.reading(line.log_store, recovery.place.site, recovery.loss.sites)
    if not written or reading is None:
        return (found,)
    way = (*reading, setting.ways.replays_of(recovery.database))
    log = Transfer(recovery.database, line.image, written, way)
    return found, AtBest(recovery, log, _narrowest(_by_itself(log, follows)), follows)


def _by_itself(transfer: Transfer, follows: Follows | None) -> tuple[Resource, ...]:
    """Its way, with what is said of the machine for this database: what is said for others on it is about theirs."""
    *way, host = transfer.resources
    said = transfer.database.replays if follows else transfer.database.restores
    if said is None or said.origin is Origin.STANDARD:
        return transfer.resources
    return (*way, replace_struct(host, capacity=said.value, best=None, span=said.span, origin=said.origin))


def _passed(ways: Sequence[Recovery], follows: Follows | None) -> Mapping[Resource, tuple[AtBest, ...]]:
    """What must pass a resource whichever of `ways` is taken: of that on which the least does."""
    least: dict[Resource, tuple[AtBest, ...]] | None = None
    for way in ways:
        moved = _moved(way, follows)
        on: dict[Resource, tuple[AtBest, ...]] = {}
        for part in moved:
            for one in dict.fromkeys(part.transfer.resources):
                if one.firm and not (one.name.startswith("database:") and way.place.standby):  # standbys may be many
                    on[one] = (*on.get(one, ()), part)
        least = on if least is None else {one: min(least[one], on[one], key=_bytes) for one in least if one in on}
    return least or {}


def _lead(recovery: Recovery, store: Store) -> Bound:
    """Before the first byte of `store` moves: it thaws while a machine is made ready, and the restore must start."""
    return Bound((*recovery.responds, *ready_at(recovery.place, (store,)), *surely_starting(recovery.database)))


def _leads(ways: Sequence[Recovery]) -> Iterator[Bound]:
    """Before the first byte of all."""
    for way in ways:
        yield _lead(way, way.line.image.store)
        if way.line.log_store is not None:
            yield _lead(way, way.line.log_store)


def _loaded(image: AtBest) -> tuple[Term, ...]:
    """An image, all of it: through its narrowest place, and by its machine, which takes its time for each table beside
    the bytes. While it does, more bytes may come."""
    recovery, whole = image.recovery, _at_best(image)
    if not _surely_logical(recovery.line.image) or not surely_creating(recovery.database):
        return (whole,)
    host = _narrowest(_by_itself(image.transfer, None)[-1:])
    by_machine = (*creating_term(recovery), _at_best(AtBest(recovery, image.transfer, host)))
    return max((whole,), by_machine, key=lambda terms: sum(one.duration.amount for one in terms))


def _surely_logical(image: ImageCopy) -> bool:
    """Whether it is loaded table by table, whichever way brought it."""
    return not any(jobs[0].of_its_end for jobs in (image.jobs, *image.others))


def _at_best(part: AtBest) -> Term:
    """At the full capacity of its narrowest place."""
    transfer, slowest = part.transfer, part.slowest
    if slowest is None:
        return Term(transfer.what, Duration(Fraction(0)), working=part)
    return transfer.term(slowest, Duration(transfer.bytes / slowest.most), part)


def _crowded(parts: Sequence[AtBest], through: Resource) -> Term:
    """All of `parts` through one resource."""
    images = sum(part.follows is None for part in parts)
    many = f"{images} images" if images > 1 else parts[0].transfer.what
    logged = "".join(f", {part.transfer.what}" for part in parts if part.follows)
    spans = ((through.span,) if through.span else ()) + tuple(span for part in parts for span in part.transfer.spans)
    takes = Duration(_bytes(parts) / through.most)
    words = f"{many}{logged}: {through.words}"
    return Term(words, takes, tuple(dict.fromkeys(spans)), through.origin, Crowding(tuple(parts), through))


def _narrowest(resources: Sequence[Resource]) -> Resource | None:
    return min((one for one in resources if one.firm), key=lambda one: (one.most, one.name), default=None)


def _bytes(parts: Sequence[AtBest]) -> int:
    return sum(part.transfer.bytes for part in parts)


def _total(bound: Bound) -> Duration:
    return bound.total
