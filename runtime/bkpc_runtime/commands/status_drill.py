"""What `bkpc status` says of drills: the newest from each store, and whether one is overdue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any

from bkpc_grammar.quantities import Duration
from bkpc_runtime.drilling import is_drill_due
from bkpc_runtime.repository.drills import drills
from bkpc_runtime.world import World


def drill_row(world: World, database: str, store: str, now: datetime) -> dict[str, Any] | None:
    """The newest drill of a database from a store; None where none was held and none is asked for."""
    asked = [one for one in world.plan.jobs if one.kind == "drill" and one.database == database and store in one.stores]
    newest = next(iter(drills(world.store(store), database)), None)
    if newest is None and not asked:
        return None
    age = (now - datetime.fromisoformat(newest.began)).total_seconds() if newest else None
    return {
        "id": newest.id if newest else None,
        "passed": newest.passed if newest else None,
        "age_seconds": None if age is None else round(max(0.0, age)),
        "took_seconds": newest.milliseconds / 1000 if newest else None,
        "compared_tables": newest.compared if newest else None,
        "problems": list(newest.problems) if newest else [],
        "overdue": any(is_drill_due(world, one, now) for one in asked),
    }


def drill_fine(row: dict[str, Any] | None) -> bool:
    """A drill that failed is as bad as no backup; one that is overdue is told, and fails nothing."""
    return row is None or row["passed"] is not False


def drill_lines(row: dict[str, Any] | None) -> Iterator[str]:
    """A line or two for people."""
    if row is None:
        return
    if row["id"]:
        ago = Duration(Fraction(row["age_seconds"])).human()
        took = Duration(Fraction(str(row["took_seconds"]))).human()
        how = f"{row['compared_tables']} tables compared" if row["compared_tables"] else "rows not compared"
        yield f"drill: {'passed' if row['passed'] else 'FAILED'} {ago} ago in {took}, {how}"
        for problem in row["problems"]:
            yield f"problem: {problem}"
    if row["overdue"]:
        yield "drill: overdue" + ("" if row["id"] else "; none was held yet")
