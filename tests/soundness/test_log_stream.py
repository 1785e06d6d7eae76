"""What may be left out of the answers of a server that is asked for hours: those that tell nothing new."""

from __future__ import annotations

from random import Random

import pytest

from tests.soundness.log_stream import OBJECT, Made, Notes, Pipe, after_silence, all_at_once, before_the_cut, steady

MIB = 2**20


@pytest.mark.parametrize("seed", range(12))
def test_the_worst_is_among_the_notes_that_tell(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - a repeatable draw
    burst, latency = random.choice((1, 64, 512)) * MIB, random.choice((0.0, 0.01, 2.0))
    pipe = Pipe(
        random.choice((5, 40)) * MIB, latency, random.choice((0.25, 1, 60)), random.choice((0.2, 4)) * MIB, burst
    )
    for adversary in (steady, all_at_once, after_silence(pipe), before_the_cut(pipe)):
        made, apart = Made.by(pipe, adversary, 12), random.choice((1.0, 5.0, 60.0))
        notes = Notes.of(pipe, made, apart, random.uniform(0, apart))
        seen = max((one.worst for one in notes.over_time()), default=0.0)
        assert notes.worst() == pytest.approx(seen / 1000)


def test_an_answer_is_noted_when_all_before_it_is_safe() -> None:
    """Objects that take 4 s, cut every 10 s: those asked at 1 and 6 s are noted at 14 s, the next one at 24 s."""
    pipe = Pipe(OBJECT / 4, 0.0, 10.0, OBJECT / 10, 0.0)
    first = Notes.of(pipe, Made.by(pipe, steady, 4), 5.0, 1.0).over_time()[0]
    assert [first.least, first.worst] == pytest.approx([9000, 19000])  # since the one asked at 6 s
