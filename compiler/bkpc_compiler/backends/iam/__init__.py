"""`bkpc compile --target iam`: RAM policies and GRANTs, for machines and for people."""

from __future__ import annotations

import json

from bkpc_compiler.backends.iam.grants import ACCOUNT, grants_of
from bkpc_compiler.backends.iam.roles import ROLES, Policy, policies_of
from bkpc_grammar.plan import Plan


def iam_json(plan: Plan) -> str:
    """All of it as one document."""
    ram = [
        {"name": one.name, "role": one.role, "store": one.store, "document": one.document} for one in policies_of(plan)
    ]
    databases = [
        {"database": one.database, "account": ACCOUNT, "statements": dict(one.statements)} for one in grants_of(plan)
    ]
    return json.dumps({"ram": ram, "databases": databases}, indent=2, ensure_ascii=False) + "\n"


def iam_markdown(plan: Plan) -> str:
    """For whoever makes keys and accounts."""
    lines = ["# What bkpc must be allowed", ""]
    lines += ["Each action was found by taking it away. A key of one role can't do what another's is for.", ""]
    for one in policies_of(plan):
        lines += [f"## {one.name}", "", f"{ROLES[one.role].capitalize()}.", "", "```json"]
        lines += [*json.dumps(one.document, indent=2, ensure_ascii=False).splitlines(), "```", ""]
    for name, text in _sql(plan):
        lines += [f"## The account on `{name}`", "", "```sql", *text, "```", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def grants_sql(plan: Plan) -> str:
    """The statements alone, those for both kinds of server: choose."""
    return "\n\n".join("\n".join(text) for _, text in _sql(plan)) + "\n"


def _sql(plan: Plan) -> list[tuple[str, list[str]]]:
    found = []
    for one in grants_of(plan):
        whose = f", the account that ${one.user} names" if one.user else ""
        text = [f"-- {one.database} at {one.address}{whose}"]
        for server, statement in one.statements:
            text += [f"-- {server}", statement]
        found.append((one.database, text))
    return found


__all__ = ["Policy", "grants_sql", "iam_json", "iam_markdown"]
