"""What jobs and recoveries take beside moving bytes: to start, and for each table of a logical image.

Rates are measured of 16 MiB and more; of small tables to name, to dump and to create them is most of the work.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from bkpc_compiler.feasibility.bounds import Term, given_term
from bkpc_compiler.feasibility.working import Creating
from bkpc_compiler.program.model import ColdLevel, Database, ImageLevel, Origin, Policy
from bkpc_grammar.quantities import Duration

if TYPE_CHECKING:
    from bkpc_compiler.feasibility.recovery_time import Recovery


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


def surely_starting(database: Database) -> tuple[Term, ...]:
    """What a recovery takes to start, where that is said of the database: what is only assumed may be less."""
    if database.starts is None or database.starts.origin is Origin.STANDARD:
        return ()
    return starting_term(database)


def surely_creating(database: Database) -> int:
    """Milliseconds that its tables take beside their bytes, where both is said of the database."""
    figures = (database.tables, database.table)
    if any(one is None or one.origin is Origin.STANDARD for one in figures):
        return 0
    return creating(database)


def starting_term(database: Database) -> tuple[Term, ...]:
    """What a recovery takes to start, if anything."""
    takes = database.starts
    return given_term("start the restore", takes) if takes and takes.value.amount else ()


def creating_term(recovery: Recovery) -> tuple[Term, ...]:
    """What the tables of a logical image take beside their bytes to be loaded, if anything."""
    database, tables, each = recovery.database, recovery.database.tables, recovery.database.table
    takes = creating(database)
    if not takes or tables is None or each is None:
        return ()
    words = f"load {tables.value.number:,} tables and schemas beside their bytes"
    duration = Duration(Fraction(takes, 1000))
    return (Term(words, duration, (tables.span, each.span), each.origin, Creating(recovery)),)
