"""What goes out comes back, with our code and with the `age` and `zstd` programs; damage is found."""

from __future__ import annotations

import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from bkpc_runtime.errors import DamagedBackup, Refused
from bkpc_runtime.secret import Secret
from bkpc_runtime.transfer.identity import read_identities
from bkpc_runtime.transfer.inbound import inbound, segment_opener
from bkpc_runtime.transfer.outbound import SMALL, Outbound, packed, packing
from bkpc_runtime.transfer.throttle import Throttle

PLAIN = random.Random(7).randbytes(300_000) + b"INSERT INTO t VALUES (1,'x');\n" * 100_000  # noqa: S311


def key() -> tuple[str, Secret]:
    identity = pyrage.x25519.Identity.generate()
    return str(identity.to_public()), Secret(str(identity))


@pytest.mark.parametrize("encrypted", [True, False])
def test_out_and_back(encrypted: bool) -> None:
    public, secret = key()
    parts: list[bytes] = []
    outbound = Outbound(parts.append, (public,) if encrypted else ())
    for start in range(0, len(PLAIN), 70_001):
        outbound.write(PLAIN[start : start + 70_001])
    sums = outbound.finish()
    assert sums.plain_size == len(PLAIN)
    assert sums.stored_size == sum(map(len, parts)) < len(PLAIN)
    back = inbound(parts, name="part", encrypted=encrypted, identities=(secret,), expected=sums)
    assert b"".join(back) == PLAIN


def test_the_programs_age_and_zstd_open_it(tmp_path: Path) -> None:
    public, secret = key()
    (tmp_path / "key").write_text(secret.reveal() + "\n")
    (tmp_path / "part.zst.age").write_bytes(packed(PLAIN, (public,)))
    compressed = subprocess.run(
        ["age", "-d", "-i", str(tmp_path / "key"), str(tmp_path / "part.zst.age")],
        check=True,
        capture_output=True,
    ).stdout
    assert subprocess.run(["zstd", "-dc"], input=compressed, check=True, capture_output=True).stdout == PLAIN


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("at", [5, 200, 100_000, -3])
def test_one_wrong_byte_is_found(encrypted: bool, at: int) -> None:
    public, secret = key()
    parts: list[bytes] = []
    outbound = Outbound(parts.append, (public,) if encrypted else ())
    outbound.write(PLAIN)
    sums = outbound.finish()
    stored = bytearray(b"".join(parts))
    stored[at] ^= 1
    with pytest.raises((DamagedBackup, Refused), match="part"):
        b"".join(inbound([bytes(stored)], name="part", encrypted=encrypted, identities=(secret,), expected=sums))


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_cut_object_is_found(encrypted: bool) -> None:
    public, secret = key()
    stored = packed(PLAIN, (public,) if encrypted else ())
    with pytest.raises(DamagedBackup, match="part"):
        b"".join(inbound([stored[:-100_000]], name="part", encrypted=encrypted, identities=(secret,)))


@pytest.mark.parametrize("step", [1, 1000, 1 << 20])
def test_what_follows_or_lacks_a_byte_is_found_however_it_comes(step: int) -> None:
    for plain in (b"", b"x", bytes(1 << 20), PLAIN[:1000], bytes(131_073)):
        whole = packed(plain)

        def back(stored: bytes) -> bytes:
            return b"".join(inbound((stored[at : at + step] for at in range(0, len(stored), step)), name="part",
                                    encrypted=False))  # fmt: skip

        assert back(whole) == plain
        for wrong in (whole[:-1], whole[:-5], whole + b"x", whole + whole, b""):
            with pytest.raises(DamagedBackup, match="part is damaged"):
                back(wrong)


def test_equal_rows_are_expanded_in_bounded_pieces() -> None:
    parts: list[bytes] = []
    outbound = Outbound(parts.append)
    for _ in range(64):
        outbound.write(bytes(1 << 20))
    sums = outbound.finish()
    assert sums.stored_size < 10_000  # one chunk of what is stored
    back = inbound([b"".join(parts)], name="part", encrypted=False, expected=sums)
    assert max(map(len, back)) <= 1 << 20


def test_a_log_segment_expands_to_no_more_than_its_name_says() -> None:
    public, secret = key()
    assert segment_opener([secret])(packed(b"log", (public,)), 3) == b"log"
    seen = len(threading.enumerate())
    with pytest.raises(DamagedBackup, match="more than the 3 bytes"):
        segment_opener([secret])(packed(bytes(100 << 20), (public,)), 3)
    assert len(threading.enumerate()) == seen


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("size", [1, SMALL, SMALL + 1, 3 << 20])
def test_a_segment_that_is_packed_in_pieces_is_one_as_before(size: int, encrypted: bool, tmp_path: Path) -> None:
    public, secret = key()
    plain, stored = PLAIN[:size], list[bytes]()
    pieces = [plain[at : at + 70_001] for at in range(0, len(plain), 70_001)]
    packing([public] if encrypted else [])(pieces, len(plain), stored.append)
    assert segment_opener([secret])(b"".join(stored), len(plain)) == plain
    (tmp_path / "key").write_text(secret.reveal() + "\n")
    opened = b"".join(stored)
    if encrypted:
        command = ["age", "-d", "-i", str(tmp_path / "key")]
        opened = subprocess.run(command, input=opened, check=True, capture_output=True).stdout
    assert subprocess.run(["zstd", "-dc"], input=opened, check=True, capture_output=True).stdout == plain


@pytest.mark.parametrize("encrypted", [True, False])
def test_what_fails_as_a_segment_is_packed_is_told_as_it_is(encrypted: bool) -> None:
    public, _ = key()

    def torn() -> Iterator[bytes]:
        yield PLAIN[:400_000]
        raise DamagedBackup("can't be read")

    def full(_piece: bytes) -> None:
        raise DamagedBackup("no room")

    pack = packing([public] if encrypted else [])
    with pytest.raises(DamagedBackup, match="can't be read"):
        pack(torn(), 1 << 20, lambda _: None)
    with pytest.raises(DamagedBackup, match="no room"):
        pack([PLAIN[:300_000]] * 9, 2_700_000, full)


def test_another_object_in_its_place_is_found() -> None:
    parts: list[bytes] = []
    outbound = Outbound(parts.append)
    outbound.write(b"what was written")
    sums = outbound.finish()
    with pytest.raises(DamagedBackup, match="SHA-256"):
        b"".join(inbound([packed(b"something else")], name="part", encrypted=False, expected=sums))


def test_a_wrong_identity_is_refused_and_none_asks_for_one() -> None:
    public, _ = key()
    stored = packed(b"x", (public,))
    with pytest.raises(Refused, match="does not open"):
        b"".join(inbound([stored], name="part", encrypted=True, identities=(key()[1],)))
    with pytest.raises(Refused) as raised:
        b"".join(inbound([stored], name="part", encrypted=True))
    assert "--identity" in raised.value.help


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_failing_store_surfaces_as_itself(encrypted: bool) -> None:
    def full(_: bytes) -> None:
        raise DamagedBackup("the store said no")

    outbound = Outbound(full, (key()[0],) if encrypted else ())
    noise = random.Random(1).randbytes(8_000_000)  # noqa: S311

    def send() -> None:
        for start in range(0, len(noise), 65_536):
            outbound.write(noise[start : start + 65_536])
        outbound.finish()

    with pytest.raises(DamagedBackup, match="said no"):
        send()
    outbound.abort()


def test_a_reader_that_stops_early_leaves_no_thread_waiting() -> None:
    public, secret = key()
    noise = random.Random(1).randbytes(40_000_000)  # noqa: S311
    back = inbound([packed(noise, (public,))], name="part", encrypted=True, identities=(secret,))
    before = set(threading.enumerate())  # those of other tests may end while we look
    first = next(back)
    assert noise.startswith(first)
    assert len(set(threading.enumerate()) - before) == 1
    back.close()
    assert not set(threading.enumerate()) - before


def test_identity_file_of_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("# created\n" + key()[1].reveal())
    path.chmod(0o644)
    with pytest.raises(Refused, match="readable by others"):
        read_identities(path)
    path.chmod(0o600)
    assert len(read_identities(path)) == 1


def test_throttle_keeps_the_rate() -> None:
    now = [0.0]
    throttle = Throttle(1000, clock=lambda: now[0], sleep=lambda pause: now.__setitem__(0, now[0] + pause))
    for _ in range(50):
        throttle.take(500)
    assert 23 <= now[0] <= 25
