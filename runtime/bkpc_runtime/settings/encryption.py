"""Encryption by the service, beside ours: what `recipients` don't cover (names, plans) is not stored in the clear."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_runtime.settings.difference import Difference
from bkpc_runtime.settings.view import BucketView
from bkpc_runtime.settings.wanted import Wanted
from bkpc_runtime.stores.oss_settings import BucketSettings

NAME = "encryption by the service"
METHOD = "AES256"
"""With keys that OSS keeps: free of charge, and needs no other permission. KMS or SM4, where set, stay."""


def look(bucket: BucketView, wanted: Wanted) -> Iterator[Difference]:
    if wanted.encrypted and not bucket.encryption():
        yield Difference(NAME, METHOD, "+", "new objects would be stored as they are sent")


def mend(bucket: BucketSettings, _wanted: Wanted) -> None:
    bucket.encrypt(METHOD)
