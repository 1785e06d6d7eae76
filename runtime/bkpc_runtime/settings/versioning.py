"""Versioning: left as it is found, but not suspended where a retention lock is asked for: OSS takes none there."""

from __future__ import annotations

from collections.abc import Iterator

from bkpc_runtime.settings.difference import Difference
from bkpc_runtime.settings.view import BucketView
from bkpc_runtime.settings.wanted import Wanted
from bkpc_runtime.stores.oss_settings import BucketSettings

NAME = "versioning"


def look(bucket: BucketView, wanted: Wanted) -> Iterator[Difference]:
    found = bucket.info()
    if wanted.unsuspended and found and found.versioning == "Suspended":
        yield Difference(
            NAME, "Enabled", "~", "a bucket whose versioning is suspended takes no retention lock", "Suspended"
        )


def mend(bucket: BucketSettings, _wanted: Wanted) -> None:
    bucket.enable_versioning()
