"""Public access blocked: no ACL or policy, of whatever date, lets strangers in."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_runtime.settings.difference import Difference
from bkpc_runtime.settings.view import BucketView
from bkpc_runtime.settings.wanted import Wanted
from bkpc_runtime.stores.oss_settings import BucketSettings

NAME = "public access"


def look(bucket: BucketView, wanted: Wanted) -> Iterator[Difference]:
    if wanted.public_blocked and not bucket.blocks_public_access():
        yield Difference(NAME, "blocked", "+", "an ACL or a bucket policy could open the bucket to everybody")


def mend(bucket: BucketSettings, _wanted: Wanted) -> None:
    bucket.block_public_access()
