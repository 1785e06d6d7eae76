"""Whether a text is an age public key: Bech32 (BIP 173) of 32 bytes with the prefix `age`."""

from __future__ import annotations

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_PREFIX = "age"
_LENGTH = len("age1") + 52 + 6


def is_age_recipient(text: str) -> bool:
    """A mistyped key would make backups that nobody can open."""
    if len(text) != _LENGTH or not text.startswith(f"{_PREFIX}1") or text != text.lower():
        return False
    data = text[len(_PREFIX) + 1 :]
    if any(char not in _ALPHABET for char in data):
        return False
    prefix = [*(ord(char) >> 5 for char in _PREFIX), 0, *(ord(char) & 31 for char in _PREFIX)]
    checksum = 1
    for value in [*prefix, *(_ALPHABET.index(char) for char in data)]:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum == 1
