"""What `plan` and `apply` share: the buckets of a plan beside what it asks of them, as lines, and made so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bkpc_runtime.commands.outcome import complain, say
from bkpc_runtime.errors import Refused, RuntimeFailure, StoreFailed
from bkpc_runtime.settings import reconcile
from bkpc_runtime.settings.difference import Difference
from bkpc_runtime.settings.wanted import Wanted, wanted_of
from bkpc_runtime.stores.oss_settings import BucketSettings
from bkpc_runtime.world import World


@dataclass(frozen=True, slots=True)
class Looked:
    """A bucket and how it differs; `failure` where it can't be looked at."""

    wanted: Wanted
    bucket: BucketSettings
    differences: tuple[Difference, ...]
    failure: StoreFailed | None = None

    @property
    def changes(self) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.changes)

    @property
    def problems(self) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.sign == "!")

    @property
    def missing(self) -> bool:
        """Whether the bucket is still to be made."""
        return any(one.setting == reconcile.SETTINGS[0].name for one in self.changes)


def look_at_buckets(world: World, only: str | None) -> list[Looked]:
    """Every bucket that keeps something of the database `only`, or of any; nothing is written."""
    names = {name for one in world.databases(only) for name in world.stores_of(one.name)}
    return [_looked(world, wanted) for wanted in wanted_of(world.plan, names)]


def _looked(world: World, wanted: Wanted) -> Looked:
    bucket = world.bucket(wanted.store)
    try:
        if why := world.away.get(wanted.store):
            return Looked(wanted, bucket, (), why)
        return Looked(wanted, bucket, reconcile.look(bucket, wanted))
    except StoreFailed as problem:
        return Looked(wanted, bucket, (), problem)


def lines(looked: Iterable[Looked]) -> Iterator[str]:
    """A block for each bucket, a line for each difference; then how many of each kind."""
    counts = dict.fromkeys("+~-!", 0)
    counted = False
    for one in looked:
        counted = counted or one.failure is None
        stores = ", ".join(place.store for place in one.wanted.places)
        state = "  can't be looked at" if one.failure else "" if one.differences else "  as the plan asks"
        yield f"{stores}  bucket {one.wanted.bucket}{state}"
        for difference in one.differences:
            counts[difference.sign] = counts.get(difference.sign, 0) + 1
            yield f"  {difference.text}"
    if any(counts[sign] for sign in "+~-!"):
        told = [f"{counts['+']} to add", f"{counts['~']} to change", f"{counts['-']} to remove"]
        told += [f"{counts['!']} for people to solve"] if counts["!"] else []
        yield f"buckets: {', '.join(told)}"
    elif counted:
        yield "buckets: nothing to change"


def complain_of_failures(looked: Iterable[Looked]) -> int:
    """Tells why buckets can't be looked at; the worst exit code, 0 where all can."""
    failures = [one.failure for one in looked if one.failure]
    for problem in failures:
        complain(problem)
    return max((problem.exit_code for problem in failures), default=0)


def make(looked: Sequence[Looked], *, forever: bool) -> tuple[int, list[str]]:
    """Makes the changes that can't be undone (`forever`), or the others.

    The exit code, each failure being told, and what was done.
    """
    worst, done = 0, list[str]()
    for one in looked:
        agreed = [change for change in one.changes if bool(change.forever) == forever]
        try:
            made: list[Difference] = []
            for change in reconcile.mend(one.bucket, one.wanted, agreed):
                made.append(change)
                done.append(f"{change.setting} of bucket {one.wanted.bucket}")
                say(f"bucket {one.wanted.bucket}: {change.text}: done")
            for change in agreed:
                if change not in made:  # as OSS makes a new bucket, or others did meanwhile
                    say(f"bucket {one.wanted.bucket}: {change.text}: it is so already")
        except RuntimeFailure as problem:
            complain(problem)
            worst = max(worst, problem.exit_code)
    return worst, done


def held_back(looked: Sequence[Looked]) -> Iterator[Refused]:
    """What is not done for want of `--yes-lock-forever`."""
    for one in looked:
        for change in one.changes:
            if change.forever:
                yield Refused(
                    f"{change.setting} of bucket `{one.wanted.bucket}` was not set: {change.forever}",
                    help="where that is meant, say --yes-lock-forever; else take `lock` out of the policy",
                )
