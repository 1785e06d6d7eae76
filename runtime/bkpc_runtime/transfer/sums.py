"""What is known of an object after it has passed: sizes in bytes, hashes in hexadecimal."""

from __future__ import annotations

import msgspec


class Sums(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`plain` is what went in, `stored` what lies in the store after compression and encryption.

    `ranges`: CRC-64/XZ of each 8 MiB of what lies in the store; none in images of format 1.
    """

    plain_size: int
    plain_sha256: str
    stored_size: int
    stored_sha256: str
    ranges: tuple[str, ...] = ()
