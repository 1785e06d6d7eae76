"""What jobs and recoveries take beside moving bytes: to start, and for each table of a logical image.

Rates are measured of 16 MiB and more; of small tables to name, to dump and to create them is most of the work.
"""

from __future__ import annotations

from fractions import Fraction

from bkpc_compiler.program.model import ColdLevel, Database, ImageLevel, Policy


def starting(database: Database, *, logical: bool) -> int:
    """Milliseconds that it takes to start, and that each table of a logical image takes beside its bytes."""
    takes = database.starts.value.milliseconds_up() if database.starts else 0
    return takes + (creating(database) if logical else 0)


def creating(database: Database) -> int:
    """Milliseconds that all tables of a logical image take beside their bytes."""
    if database.tables is None or database.table is None:
        return 0
    return database.tables.value.number * database.table.value.milliseconds_up()


def job_starting(database: Database, policy: Policy, level: ImageLevel | ColdLevel) -> int:
    """The same of a job of `level`; a copy moves whatever images its source has."""
    levels = policy.images if isinstance(level, ColdLevel) else (level,)
    return starting(database, logical=any(one.kind == "full" and one.engine == "logical" for one in levels))


def tried_again(takes: int, retries: Fraction) -> int:
    """Milliseconds with what failed attempts may cost."""
    whole = retries.denominator
    return -(-takes * (whole + retries.numerator) // whole)
