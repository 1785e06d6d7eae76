"""Rules and tests in policies: what they may say of what."""

from __future__ import annotations

import pytest

from bkpc_compiler.commands.test import failures_of
from tests.compiler.one_file import SMALL, check

EXPECT = "expect shop rto against corruption <= 4h"


@pytest.mark.parametrize(
    ("added", "code", "says"),
    [
        ('test "x" { }', "BKP1003", "this test has no `expect`"),
        ('test "x" { given shop { reads 1MiB/s } … }', "BKP1001", "a database has no `reads`"),
        ('test "x" { given disk { size 1GiB } … }', "BKP1001", "a store has no `size`"),
        ('test "x" { given disk { burst 1GiB } … }', "BKP1001", "a store has no `burst`"),
        ('test "x" { given here { size 1GiB } … }', "BKP1002", "`here`"),
        ('test "x" { given link there -- here { latency 1ms } … }', "BKP1002", "`there -- here`"),
        ('test "x" { given shop { size 1GiB size 2GiB } … }', "BKP1007", "twice"),
        ('test "x" { … }\ntest "x" { … }', "BKP1004", '`"x"` is declared twice'),
        ('test "x" { expect ship rto against corruption <= 4h }', "BKP1002", "no database `ship`"),
        ('test "x" { expect shop rto against meteors <= 4h }', "BKP1002", "no scope `meteors`"),
        ('test "x" { expect shop rto against corruption <= 4 }', "BKP1001", "`4` has no unit"),
    ],
)
def test_refused(added: str, code: str, says: str) -> None:
    (found,) = check(f"{SMALL}\n{added}\n".replace("…", EXPECT)).diagnostics
    assert found.code == code
    assert says in found.message


@pytest.mark.parametrize(
    ("supposed", "holds"),
    [
        ("", True),
        ("given shop { size 1TiB }", False),
        ("given shop { size 2GiB  writes 1MiB/h  burst 1MiB  restores 1GiB/s  replays 1GiB/s }", True),
        ("given disk { reads 1KiB/s }", False),
        ("given link here -- there { bandwidth 1Mbit/s  latency 1s }", True),
    ],
)
def test_supposing(supposed: str, holds: bool) -> None:
    checked = check(f'{SMALL}\ntest "x" {{ {supposed} expect shop rto against corruption <= 30min }}\n')
    assert checked.diagnostics == ()
    assert checked.program is not None
    (test,) = checked.program.tests
    assert bool(failures_of(checked.program, test)) is not holds


@pytest.mark.parametrize("deep", [500, 20_000])
@pytest.mark.parametrize(("before", "after"), [("not ", ""), ("(", ")")])
def test_conditions_are_nested_as_deep_as_anybody_likes(deep: int, before: str, after: str) -> None:
    condition = f'{before * deep}tier == "gold"{after * deep}'
    for tier, asked in (("gold", True), ("tin", False)):
        text = SMALL.replace("size 1GiB", f'labels {{ tier "{tier}" }} size 1GiB')
        checked = check(text.replace("protect shop", f"protect databases where {condition}"))
        assert bool(checked.answers) == asked
        assert [one.code for one in checked.diagnostics] == ([] if asked else ["BKP1010"])
