"""The checker against the simulator, thousands of times: `BKPC_SOUNDNESS_CASES` and `BKPC_SOUNDNESS_SEED` say which."""

from __future__ import annotations

import os

import pytest

from tests.soundness.ground import dense
from tests.soundness.harness import Outcome, one_case, run, summary
from tests.soundness.mutations import MUTATIONS, Plant

CASES = int(os.environ.get("BKPC_SOUNDNESS_CASES", "20000"))
SEED = int(os.environ.get("BKPC_SOUNDNESS_SEED", "1"))
MUTATED_CASES = 1000
pytestmark = pytest.mark.timeout(3600)  # as many cases as were asked for, however busy the machine is


@pytest.fixture(scope="module")
def found() -> Outcome:
    return run(CASES, SEED)


def test_proofs_hold_and_refutations_too(found: Outcome) -> None:
    assert found.cases == CASES
    assert not found.violations, summary(found, 0)


def test_seldom_undecided(found: Outcome) -> None:
    assert found.undecided <= 0.055, summary(found, 0)


@pytest.mark.parametrize(("kind", "least"), [("rpo", 0.8), ("rto", 0.7)])
def test_bounds_are_tight(found: Outcome, kind: str, least: float) -> None:
    assert found.tight(kind) >= least, summary(found, 0)


def test_same_seed_same_cases() -> None:
    first, again = run(20, SEED, processes=1), run(20, SEED, processes=1)
    assert (first.violations, first.verdicts, first.tightness) == (again.violations, again.verdicts, again.tightness)


@pytest.mark.parametrize(("name", "planted", "feature"), MUTATIONS, ids=[name for name, *_ in MUTATIONS])
def test_a_planted_mistake_is_noticed(name: str, planted: Plant, feature: str | None) -> None:
    odds = dense(feature) if feature else None
    with planted():
        assert any(one_case(SEED, number, odds).violations for number in range(MUTATED_CASES)), name
