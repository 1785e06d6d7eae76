"""The check list at the end of each procedure."""

from __future__ import annotations

from bkpc_compiler.backends import words
from bkpc_compiler.backends.markup import markdown_code as code
from bkpc_compiler.backends.procedure import Procedure
from bkpc_grammar.shares import for_share


def checks_of(procedure: Procedure) -> tuple[str, ...]:
    """What must be true before anybody goes back to bed."""
    whole = words.span(procedure.recovery.expect_ms)
    return (
        *(_database(procedure, name) for name in procedure.recovery.databases),
        *_credentials(procedure),
        "Accounts and grants are there, but those that the restore named.",
        "Events are on where they were: `SHOW VARIABLES LIKE 'event_scheduler'`.",
        "The policy names the new servers, and `bkpc check` and `bkpc compile` agree.",
        "`bkpc apply plan.json --yes` took a new image of each database: log of a new server continues no old image.",
        "`bkpc agent plan.json` runs again, and `bkpc status plan.json` ends with exit code 0.",
        f"Written down: when it failed, when all was in service (at most {whole} later), what was lost.",
    )


def _database(procedure: Procedure, name: str) -> str:
    found = next((one for one in procedure.promised if one.database == name), None)
    told = []
    if found and found.rto_ms is not None:
        told.append(f"promised within {words.of_share(found.rto_ms, found.rto_millionths)}")
    if found and found.rpo_ms is not None:
        told.append(f"at most {words.span(found.rpo_ms)} of data lost{for_share(found.rpo_millionths)}")
    return f"{code(name)} is in service{': ' + ', '.join(told) if told else ''}."


def _credentials(procedure: Procedure) -> tuple[str, ...]:
    if procedure.recovery.scope != "intruder":
        return ()
    return ("Every password and key that the intruder may have seen is another one now, those of backups included.",)
