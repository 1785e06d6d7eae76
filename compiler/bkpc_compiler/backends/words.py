"""How the figures and names of a plan read, the same in every back end."""

from __future__ import annotations

from fractions import Fraction

from bkpc_grammar.plan import Reservation, Schedule
from bkpc_grammar.quantities import Duration, Rate, Size
from bkpc_grammar.shares import for_share

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORTEST_IN_MINUTES = 600
"""From here on, seconds are noise."""

STEPS = {
    "detect": "Notice the failure",
    "activate": "Decide, and gather the people",
    "provision": "Make an empty server ready",
    "thaw": "Thaw the backups",
    "restore.image": "Load the image",
    "restore.increment": "Load the increments",
    "restore.log": "Replay the log",
    "check.service": "Check the service",
}
JOBS = {
    "backup.full": "full image",
    "backup.incremental": "incremental image",
    "copy": "copy",
    "verify": "verification",
    "expire": "deletion of what is too old",
    "drill": "drill",
}
OBJECTIVES = {"rpo": "data lost", "rto": "time to recover"}


def span(milliseconds: int) -> str:
    """A span of time, rounded up: `1h 12min`."""
    return Duration(Fraction(milliseconds, 1000)).human()


def of_share(milliseconds: int | None, millionths: int) -> str:
    """A span in a share of all instants, `13h for 50%`; `–` where there is none."""
    return "–" if milliseconds is None else f"{span(milliseconds)}{for_share(millionths)}"


SHARES = (
    "`for 50%` and the like: so it is where the failure comes in that share of all instants; at the others it may be "
    "more. What the steps take is told of the worst instant."
)


def takes(milliseconds: int) -> str:
    """How long a step takes: `at most 5min`."""
    return f"at most {span(milliseconds)}" if milliseconds else "no time planned for it"


def moment(milliseconds: int) -> str:
    """A moment after the failure, rounded down, so that nobody begins late: `+1h 12min`."""
    seconds = milliseconds // 1000
    step = 60 if seconds >= _SHORTEST_IN_MINUTES else 1
    return f"+{Duration(Fraction(seconds // step * step)).human()}"


def clock(milliseconds: int) -> str:
    """A time of day: `17:48`, with seconds where there are any."""
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f":{rest // 1000:02}" if rest else ""
    return f"{minutes // 60:02}:{minutes % 60:02}{seconds}"


def rate(bytes_per_second: int) -> str:
    """A rate in decimal units: `112.5MB/s`."""
    return Rate(Fraction(bytes_per_second)).human()


def size(number: int) -> str:
    """A size in binary units: `300GiB`."""
    return Size(Fraction(number)).human()


def failure(scope: str, lost: str) -> str:
    """A failure as a heading says it: `Loss of site hangzhou`."""
    return {
        "corruption": f"Wrong or deleted data in {lost}",
        "host": f"Loss of the host of {lost}",
        "site": f"Loss of site {lost}",
        "region": f"Loss of region {lost}",
        "intruder": "An intruder with the credentials of databases and backups",
    }[scope]


_RESOURCES = {
    ("store", "reads"): "Reading from store",
    ("store", "writes"): "Writing to store",
    ("account", "reads"): "Reading from OSS in",
    ("account", "writes"): "Writing to OSS in",
    ("database", "dump"): "Dumping",
    ("database", "log"): "Replay on",
}


def resource(name: str) -> str:
    """A resource as a heading says it, and `explain` too: `Writing to store near`."""
    kind, _, rest = name.partition(":")
    if kind == "link":
        return f"Link {rest}"
    what, _, direction = rest.rpartition(":")
    if kind == "database" and not what:
        return f"Loading into {rest}"
    told = _RESOURCES.get((kind, direction))
    return f"{told} {what}" if told else f"{kind.capitalize()} {rest}"


def origin(name: str) -> str:
    """Whose figure it is: `declared`, `assumed by std`."""
    return "assumed by std" if name == "std" else name


def when(schedule: Schedule) -> str:
    """A schedule as a policy says it: `weekly on Sunday at 03:00 Asia/Shanghai`."""
    if schedule.cadence == "hourly":
        return "hourly"
    if schedule.cadence == "every":
        return f"every {span(schedule.period_ms)}"
    minutes = schedule.at_minute or 0
    at = f"at {minutes // 60:02}:{minutes % 60:02} {schedule.timezone}"
    if schedule.cadence == "weekly":
        return f"weekly on {_DAYS[schedule.weekday or 0]} {at}"
    if schedule.cadence == "monthly":
        return f"monthly on day {schedule.day} {at}"
    return f"daily {at}"


def rate_into(reserve: tuple[Reservation, ...], store: str) -> int | None:
    """The rate reserved for writing to `store`; else the least reserved on the way; None: no reservation."""
    for one in reserve:
        if one.resource == f"store:{store}:writes":
            return one.rate
    return min((one.rate for one in reserve), default=None)


def listed(names: tuple[str, ...] | list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last


def many(number: int, noun: str) -> str:
    """`1 store`, `2 stores`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
