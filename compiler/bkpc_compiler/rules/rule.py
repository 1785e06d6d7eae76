"""What a rule is: a function from an analysis to diagnostics, one rule per file, one code per rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bkpc_compiler.diagnostics.diagnostic import Diagnostic
from bkpc_compiler.feasibility.verdict import Analysis

Rule = Callable[[Analysis], Iterator[Diagnostic]]
