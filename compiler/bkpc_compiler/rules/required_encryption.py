"""BKP6004 required-encryption: a rule of the organisation asks for encryption the policy lacks."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic, Label, Severity
from bkpc_compiler.feasibility.verdict import Analysis
from bkpc_compiler.program.model import Policy
from bkpc_compiler.rules.required import required


def required_encryption(analysis: Analysis) -> Iterator[Diagnostic]:
    """One error per word of `encrypt` that is required and missing."""
    for requirement, protection in required(analysis.program, "encrypt"):
        for word in requirement.words:
            if _encrypts(protection.policy, word):
                continue
            clause = "encrypt transfer" if word == "transfer" else 'encrypt rest to "age1…"'
            yield Diagnostic(
                code="BKP6004",
                name="required-encryption",
                severity=Severity.ERROR,
                message=f"backups of `{protection.database}` must be encrypted: {word}",
                primary=Label(protection.policy.span, f"does not say `{clause}`"),
                secondary=(Label(requirement.span, "required here"),),
                help=f"add `{clause}` to policy `{protection.policy.name}`",
            )


def _encrypts(policy: Policy, word: str) -> bool:
    if policy.encryption is None:
        return False
    return policy.encryption.transfer if word == "transfer" else bool(policy.encryption.recipients)
