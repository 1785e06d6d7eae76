"""Log that is held: the same bytes come back wherever they were, in little memory, and nobody else can read them."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bkpc_runtime.errors import StepFailed
from bkpc_runtime.steps.log_held import OWN, Gone, Held, pieces_of
from bkpc_runtime.transfer.memory import MIB, Allowance

NOISE = secrets.token_bytes(3 * MIB)


def room_left(room: Allowance) -> int:
    return room._left


def file_of(held: Held) -> int:
    assert held._file is not None
    return held._file.fileno()


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.sampled_from([1, 100, 60_000, 70_000, 300_000, 600_000, 1_100_000]), min_size=1, max_size=12),
    room=st.sampled_from([0, MIB, 64 * MIB]),
    data=st.data(),
)
def test_what_is_added_comes_back_in_any_order_and_room_is_given_back(
    sizes: list[int], room: int, data: st.DataObject
) -> None:
    shared, whole = Allowance(room), b""
    places = data.draw(st.lists(st.integers(0, sum(sizes)), max_size=5))
    place = data.draw(st.integers(0, sum(sizes)))
    with tempfile.TemporaryDirectory() as name:
        held = Held(Path(name), shared)
        for number, size in enumerate(sizes):
            piece = NOISE[number : number + size]
            whole += piece
            held.add(piece)
        assert b"".join(pieces_of(held)) == whole
        for at in places:
            found = held.read(at)
            assert whole[at:].startswith(found)
            assert bool(found) == (at < len(whole))
        assert held.beginning(65_536) == whole[:65_536]
        rest = held.split(place)
        assert (held.size, rest.size) == (place, len(whole) - place)
        assert b"".join(pieces_of(rest)) == whole[place:]
        assert b"".join(held.drained()) == whole[:place]
        rest.add(b"more")
        assert b"".join(rest.drained()) == whole[place:] + b"more"
        assert room_left(shared) == room
        assert not list(Path(name).iterdir()), "a file that has no name is gone with the process"


def test_no_more_is_in_memory_than_there_is_room_for(tmp_path: Path) -> None:
    shared = Allowance(2 * MIB)
    held = Held(tmp_path, shared)
    held.add(NOISE[: OWN + 2 * MIB])
    assert held._file is None
    assert room_left(shared) == 0
    small = Held(tmp_path, shared)
    small.add(NOISE[:OWN])
    assert small._file is None, "what is small never is on disk"
    small.add(b"x")
    assert small._file is not None
    held.add(b"x")
    assert room_left(shared) == 2 * MIB, "another may have it"
    assert (held._in_memory, held.size) == (0, OWN + 2 * MIB + 1)
    for one in (held, small):
        one.close()
        one.close()
        with pytest.raises(Gone):
            one.read(0)


def test_what_is_on_disk_is_sealed_and_only_this_process_can_reach_it(tmp_path: Path) -> None:
    held = Held(tmp_path, Allowance(0))
    secret = b"4929-1234-5678-9012 " * 50_000
    held.add(secret)
    file = file_of(held)
    assert os.fstat(file).st_mode & 0o777 == 0o600
    assert os.fstat(file).st_nlink == 0
    written = os.pread(file, 2 * MIB, 0)
    assert len(written) > len(secret)
    assert b"4929" not in written
    os.pwrite(file, b"\0\0\0\0", 300_000)
    with pytest.raises(StepFailed, match="it is not what was written"):
        b"".join(pieces_of(held))
    held.close()


def test_where_the_folder_takes_nothing_it_stays_in_memory_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, shared = tmp_path / "not there yet", Allowance(0)
    caplog.set_level(logging.INFO)
    several = [Held(folder, shared) for _ in range(3)]
    for one in several:
        one.add(NOISE[:MIB])
        one.add(NOISE[MIB:])
        assert b"".join(one.drained()) == NOISE
    assert [one.message for one in caplog.records] == [
        f"log is kept in memory, since it can't wait in {folder}: No such file or directory"
    ]
    folder.mkdir()
    again = Held(folder, shared)
    again.add(NOISE)
    assert again._file is not None
    assert caplog.records[-1].message == f"log can wait in {folder} again"
    again.close()


def test_what_is_read_once_leaves_memory_as_it_is_read(tmp_path: Path) -> None:
    shared = Allowance(64 * MIB)
    held = Held(tmp_path, shared)
    for _ in range(30):
        held.add(NOISE[:MIB])
    seen = [64 * MIB - room_left(shared) for _ in held.drained()]
    assert seen[9] <= 20 * MIB
    assert seen[-1] == 0


_HOLDS = """
import sys, time
from pathlib import Path
from bkpc_runtime.steps.log_held import Held
from bkpc_runtime.transfer.memory import Allowance
held = Held(Path(sys.argv[1]), Allowance(0))
held.add(bytes(3 << 20))
print(held._file_size, flush=True)
time.sleep(60)
"""


def test_nothing_is_left_of_it_where_the_process_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert int(process.stdout.readline()) > 3 * MIB
        process.kill()
    assert list(tmp_path.iterdir()) == []
