"""Names in streams of physical images, however the bytes are cut."""

from __future__ import annotations

import struct

import pytest

from bkpc_runtime.engines.page_copy import Name
from bkpc_runtime.errors import DamagedBackup
from bkpc_runtime.recovery.stream_names import StreamNames


def head(kind: bytes, name: bytes, flags: int = 0) -> bytes:
    return b"XBSTCK01" + bytes([flags]) + kind + struct.pack("<I", len(name)) + name


def payload(name: bytes, body: bytes = b"abc", flags: int = 0) -> bytes:
    return head(b"P", name, flags) + struct.pack("<QQI", len(body), 0, 0) + body


# What is within a payload is nobody's name.
FINE = payload(b"ibdata1", payload(b"../not/a/name")) + head(b"E", b"ibdata1") + payload(b"./shop/a..b.ibd", b"")
MARIADB = head(b"S", b"a/b.ibd") + bytes(8) + head(b"R", b"a/b") + struct.pack("<I", 3) + b"a/c" + head(b"D", b"a/c")
SPARSE = head(b"S", b"a.ibd") + struct.pack("<IQQI", 2, 5, 0, 0) + bytes(16) + b"12345" + head(b"E", b"a.ibd")
WHOLE: list[tuple[Name, bytes]] = [("mariabackup", FINE + MARIADB + FINE), ("xtrabackup", FINE + SPARSE + FINE)]


def see(tool: Name, stream: bytes, size: int) -> None:
    names = StreamNames(tool, "one")
    for at in range(0, len(stream), size):
        names.see(stream[at : at + size])


@pytest.mark.parametrize("size", [1, 2, 7, 13, 14, 50, 10_000])
@pytest.mark.parametrize(("tool", "stream"), WHOLE)
def test_names_within_the_folder_are_fine(tool: Name, stream: bytes, size: int) -> None:
    see(tool, stream, size)


@pytest.mark.parametrize("size", [1, 3, 14, 10_000])
@pytest.mark.parametrize(
    "evil",
    [
        payload(b"../evil"),
        payload(b"a/../../evil"),
        payload(b"/etc/evil"),
        payload(b"a/.."),
        payload(b"a\0b"),
        payload(b""),
        head(b"E", b"../evil"),
        head(b"D", b"../evil"),
        head(b"S", b"../evil") + bytes(24),
        head(b"R", b"fine") + struct.pack("<I", 7) + b"../evil",
    ],
)
@pytest.mark.parametrize(("tool", "stream"), WHOLE)
def test_a_name_that_leads_out_is_told_wherever_it_stands(tool: Name, stream: bytes, evil: bytes, size: int) -> None:
    with pytest.raises(DamagedBackup, match=r"image one was changed: it has a file .*, which leads out of its folder"):
        see(tool, stream + evil + stream, size)


@pytest.mark.parametrize(
    "other",
    [
        b"PK" + bytes(40),
        head(b"X", b"a") + bytes(20),
        # Unknown kinds that may be left out, to one program and not to another.
        head(b"S", b"a", 1) + bytes(30),
        payload(b"a", flags=1),
        head(b"P", b"a" * 5000),
        head(b"R", b"a") + struct.pack("<I", 5000),
    ],
)
@pytest.mark.parametrize(("tool", "stream"), WHOLE)
def test_what_is_no_such_stream_is_told(tool: Name, stream: bytes, other: bytes) -> None:
    with pytest.raises(DamagedBackup, match=f"it is no stream of {tool}"):
        see(tool, stream + other, 11)
