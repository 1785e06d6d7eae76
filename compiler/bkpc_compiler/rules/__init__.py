"""All rules, in the order of their codes."""

from bkpc_compiler.rules.billed_larger import billed_larger
from bkpc_compiler.rules.kept_too_short import kept_too_short
from bkpc_compiler.rules.limit_too_low import limit_too_low
from bkpc_compiler.rules.lock_outlives_keep import lock_outlives_keep
from bkpc_compiler.rules.lock_too_short import lock_too_short
from bkpc_compiler.rules.log_thaws import log_thaws
from bkpc_compiler.rules.minimum_stay import minimum_stay
from bkpc_compiler.rules.no_standby import no_standby
from bkpc_compiler.rules.no_way import no_way
from bkpc_compiler.rules.no_way_back import no_way_back
from bkpc_compiler.rules.nothing_to_copy import nothing_to_copy
from bkpc_compiler.rules.promises_nothing import promises_nothing
from bkpc_compiler.rules.replica_written import replica_written
from bkpc_compiler.rules.required_encryption import required_encryption
from bkpc_compiler.rules.required_keep import required_keep
from bkpc_compiler.rules.required_objective import required_objective
from bkpc_compiler.rules.required_survival import required_survival
from bkpc_compiler.rules.rpo_unproved import rpo_unproved
from bkpc_compiler.rules.rpo_unreachable import rpo_unreachable
from bkpc_compiler.rules.rto_unproved import rto_unproved
from bkpc_compiler.rules.rto_unreachable import rto_unreachable
from bkpc_compiler.rules.rule import Rule
from bkpc_compiler.rules.shared_lock import shared_lock
from bkpc_compiler.rules.unprotected import unprotected
from bkpc_compiler.rules.unused_policy import unused_policy
from bkpc_compiler.rules.window_unproved import window_unproved

RULES: tuple[Rule, ...] = (
    rpo_unreachable,
    rpo_unproved,
    window_unproved,
    limit_too_low,
    no_way,
    rto_unreachable,
    rto_unproved,
    no_standby,
    no_way_back,
    minimum_stay,
    lock_outlives_keep,
    kept_too_short,
    log_thaws,
    billed_larger,
    nothing_to_copy,
    replica_written,
    shared_lock,
    lock_too_short,
    required_survival,
    required_objective,
    required_keep,
    required_encryption,
    unprotected,
    promises_nothing,
    unused_policy,
)
"""Run one after the other by `passes.check_sources`; a new rule is one file and one line here."""
