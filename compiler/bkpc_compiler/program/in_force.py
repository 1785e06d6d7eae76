"""The policies that databases are protected with, each once."""

from __future__ import annotations

from bkpc_compiler.program.model import Policy, Program


def policies_in_force(program: Program) -> list[Policy]:
    """In the order of the databases. Thousands of these share one policy, which is compared once."""
    shared = {id(one.policy): one.policy for one in program.protections}
    return list(dict.fromkeys(shared.values()))
