"""Whether what a recovery reads is still there when it is read: `keep` and `lock` against the age of the image.

A point may be as old as the newest of the database was when the failure came, or as the point that its group has in
common, with an image before it. It must be kept until its first byte is read: a restore that runs holds what it
reads. An intruder honours no holds: the lock must last until the last byte is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from bkpc_compiler.feasibility.images import ImageCopy
from bkpc_compiler.feasibility.lines import Choice
from bkpc_compiler.feasibility.recovery_point import Line, lost_at_most
from bkpc_compiler.feasibility.recovery_time import ready_after
from bkpc_compiler.feasibility.thaw import asked_of, thaw_days
from bkpc_compiler.feasibility.together import Outage
from bkpc_compiler.program.model import Cadence, Database, Policy, Scope
from bkpc_compiler.timetable.calendar import DAY, HOUR, MINUTE
from bkpc_grammar.quantities import Duration

WHOLE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Short:
    """What `database` keeps, or locks, for less than a recovery needs. Milliseconds.

    `acted`: the policy that says when somebody acts: of the one whose recovery it is.
    `common`: how old the point may be that its group has in common; None where it comes back alone. `age`: of the
    oldest image that may be needed, when the failure comes. `until`: from then until it is no longer needed; None:
    nothing bounds that. `held`: how long it is there for certain.
    """

    database: Database
    policy: Policy
    acted: Policy
    locked: bool
    common: int | None
    age: int
    until: int | None
    held: int

    @property
    def needed(self) -> Duration | None:
        """For how long it must be there; None: nothing bounds that."""
        return None if self.until is None else Duration(Fraction(self.age + self.until, 1000))

    @property
    def thinned(self) -> bool:
        """Whether it keeps no point for certain: one of a day, a week, a month or a year."""
        return not self.locked and not self.held and self.policy.keep is not None and self.policy.keep.days is None


def shorts_of(outage: Outage, choice: Choice, members: Sequence[Choice]) -> tuple[Short, ...]:
    """Everything that may be gone when `choice.database` comes back, and with it the other `members` of its group."""
    if not members and not _goes_on(outage, choice):
        return ()  # of each store the newest image always stays, and the log from it on
    everyone = (choice, *members)
    common = common_age([one.line for one in everyone]) if members else None
    found = []
    for one in everyone:
        policy, line = one.policy, one.line
        if line is None or not line.image.comes or (policy.keep is None and policy.lock is None):
            continue
        age = line.image.oldest
        if common is not None:
            age = common if line.log is None else common + age
        for locked, held, until in (_lock(outage, one), _keep(outage, one, _noticed(choice, one), bool(members))):
            # Expiry keeps what an incremental image builds on; whoever breaks in does not.
            oldest = age + (line.image.behind.older if locked and line.image.behind else 0)
            if held is not None and (until is None or oldest + until > held):
                found.append(Short(one.database, policy, choice.policy, locked, common, oldest, until, held))
    return tuple(found)


def common_age(lines: Sequence[Line | None]) -> int | None:
    """Milliseconds that the newest point all `lines` have is old at most; None where nothing bounds it.

    With one image among logs: the snapshot of the newest image that all the logs have reached.
    """
    worst = 0
    for line in lines:
        most = lost_at_most(line, WHOLE) if line is not None else None
        if most is None:
            return None
        worst = max(worst, ceil(most * 1000))
    return worst + image_before_logs([line for line in lines if line is not None])


def image_before_logs(lines: Sequence[Line]) -> int:
    """Milliseconds by which the log of one may reach the snapshot of another's image later than that is whole.

    The others go to the moment that the image tells, which may be any until it is whole: a tool that dumps tells it
    with its first bytes, one that copies files with its last.
    """
    imaged = any(line.log is None and line.image.staleness for line in lines)
    late = [ceil(most * 1000) for line in lines if line.log and (most := lost_at_most(line, WHOLE)) is not None]
    return max(late, default=0) if imaged else 0


def _lock(outage: Outage, choice: Choice) -> tuple[bool, int | None, int | None]:
    """True; milliseconds that it lasts, None where none is needed; until all is read, None where nothing bounds it."""
    lock = choice.policy.lock
    if outage.loss.scope is not Scope.INTRUDER or lock is None:
        return True, None, None
    back = outage.returns.get(choice.database.name)
    return True, lock.value.milliseconds_down(), back.loaded if back else None


def _keep(
    outage: Outage, choice: Choice, noticed: tuple[int, int], grouped: bool
) -> tuple[bool, int | None, int | None]:
    """False; milliseconds that it lasts, None for ever; until the first byte is read, None where nothing bounds it.

    `noticed`: milliseconds until the failure is noticed, and until somebody acts.
    """
    assert choice.line is not None
    detect, respond = noticed
    goes_on = _goes_on(outage, choice)
    if not goes_on and not grouped:
        return False, None, detect  # of each store the newest image always stays, and the log from it on
    until = _begins(outage, choice, respond) if goes_on else detect
    return False, held_for(choice.policy, choice.line, newest=not grouped and until == 0), until


def _goes_on(outage: Outage, choice: Choice) -> bool:
    """Whether it still takes images: after most losses what they hit is down, so that nothing supersedes an image of
    it, and nothing expires. Of its group those that are left go on until their restore begins."""
    return outage.loss.scope in {Scope.CORRUPTION, Scope.INTRUDER} or choice.database.name not in outage.hit


def _noticed(choice: Choice, one: Choice) -> tuple[int, int]:
    """The later of both policies counts: a group comes back at once."""
    ours = choice.setting.patience_of(choice.policy)
    if one is choice:
        return ours.detect, ours.respond
    theirs = one.setting.patience_of(one.policy)
    return max(ours.detect, theirs.detect), max(ours.respond, theirs.respond)


def _begins(outage: Outage, choice: Choice, respond: int) -> int | None:
    """Milliseconds until its first byte is read; None where nothing bounds that."""
    name = choice.database.name
    if name in outage.choices and len(outage.choices) > 1:
        back = outage.returns.get(name)
        return max(respond, back.moves[0].start) if back else None
    if choice.recovery is None or choice.line is None:
        return respond
    if not choice.line.frozen:
        return respond + ready_after(choice.line, choice.recovery.place)
    everyone = outage.thawed if name in outage.choices else None
    queue = thaw_days(asked_of(choice.database, choice.line), everyone)[0] * DAY
    if outage.asking:
        queue += outage.asking.duration.milliseconds_up()
    return respond + ready_after(choice.line, choice.recovery.place) + queue


def held_for(policy: Policy, line: Line, *, newest: bool) -> int | None:
    """Milliseconds that every point of `line`, or else only its `newest`, is kept for certain; None: for ever.

    `7 daily` keeps the newest image of a day, and says nothing of the log between: every point only of a line without
    one whose images are not two of a day. Of seven days the first may be about to end and the last have just begun.
    """
    keep = policy.keep
    if keep is None:
        return None
    plain = keep.days.value.milliseconds_down() if keep.days else 0
    if not keep.daily or not (newest or (line.log is None and _one_a_day(line.image))):
        return plain
    return max(plain, (keep.daily - 1) * DAY - HOUR)  # an hour: a night on which clocks are put forward


def _one_a_day(image: ImageCopy) -> bool:
    """Whether no two of its snapshots are of one day of the policy's timezone, retries included."""
    first = image.jobs[0]
    if image.others or first.slot is None:
        return False
    schedule, ends = first.schedule, first.slot.end
    if schedule.cadence is Cadence.DAILY:
        return (schedule.at or 0) * MINUTE + ends + first.rhythm.shift <= DAY
    return first.rhythm.least - ends >= DAY + HOUR
