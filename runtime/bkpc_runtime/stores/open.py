"""From a store of the plan to a driver that talks to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bkpc_grammar import plan
from bkpc_grammar.address import never_leaves
from bkpc_grammar.bucket import NoPlace, Place, endpoint_of, place_of, region_of
from bkpc_runtime.errors import BadUsage, Refused
from bkpc_runtime.repository import layout
from bkpc_runtime.stores.credentials import AccessKey, read_access_key
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.store import Store

if TYPE_CHECKING:
    from bkpc_runtime.stores.oss_settings import BucketSettings


def open_store(store: plan.Store, folder: Path, environ: Mapping[str, str], patience: Patience | None = None) -> Store:
    """The driver for `store`; nothing is sent yet. Relative paths are below `folder`.

    Raises:
        BadUsage: it lacks an endpoint, a region or its credentials.
        Refused: its endpoint would carry data over plain HTTP.
    """
    if store.kind == "directory":
        return DirectoryStore(store.name, folder / store.location, layout.PLANS)
    place = _place(store, folder, environ)
    from bkpc_runtime.stores.oss import OssStore

    return OssStore(
        store.name,
        place.bucket,
        place.endpoint,
        place.region,
        place.prefix,
        place.credentials,
        patience,
        cold=store.thaw_ms > 0,
    )


def open_settings(store: plan.Store, folder: Path, environ: Mapping[str, str]) -> BucketSettings:
    """The settings of the bucket of `store`, which is no directory; as `open_store`."""
    place = _place(store, folder, environ)
    from bkpc_runtime.stores.oss_calls import OssCalls
    from bkpc_runtime.stores.oss_settings import BucketSettings

    described = f"`{store.name}` (bucket {place.bucket} at {place.endpoint})"
    path_style = urlsplit(place.endpoint).hostname == "localhost"
    calls = OssCalls(described, place.bucket, place.endpoint, place.region, place.credentials, path_style)
    return BucketSettings(store.name, place.bucket, calls)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a bucket is, and what gives the key for each request."""

    bucket: str
    prefix: str
    endpoint: str
    region: str
    credentials: Callable[[], AccessKey]


def _place(store: plan.Store, folder: Path, environ: Mapping[str, str]) -> _Place:
    endpoint = checked_endpoint(store.name, store.endpoint)
    credentials = _credentials(store, folder, environ)
    # Asked once now, so that what is missing is told before a backup has begun.
    credentials()
    place = checked_place(store)
    region = region_of(endpoint) or store.region
    if not region:
        raise BadUsage(f"store `{store.name}` has no region, which requests are signed with")
    return _Place(place.bucket, place.folder, endpoint, region, credentials)


def _credentials(store: plan.Store, folder: Path, environ: Mapping[str, str]) -> Callable[[], AccessKey]:
    """What gives the key for each request."""
    if store.credentials and store.credentials.kind == "role":
        from bkpc_runtime.stores.temporary_keys import role_keys

        return role_keys(store.name, next(iter(store.credentials.names), ""), environ)
    return partial(read_access_key, store.name, store.credentials, folder, environ)


def checked_endpoint(store: str, endpoint: str | None) -> str:
    """A URL with its scheme, https unless it names this machine."""
    if not endpoint:
        raise BadUsage(f"store `{store}` has no endpoint", help='write `endpoint "https://oss-REGION.aliyuncs.com"`')
    try:
        url = endpoint_of(endpoint)
    except NoPlace as problem:
        raise BadUsage(f"store `{store}`: {problem}", help=problem.help) from problem
    if url.scheme == "http" and not never_leaves(url.hostname or ""):
        raise Refused(f"store `{store}` would be reached over plain HTTP", help=f"write https://{url.netloc}")
    return url.geturl()


def checked_place(store: plan.Store) -> Place:
    """The bucket of `store` and what is its own there. Nothing wider is asked for, whatever wrote the plan."""
    try:
        return place_of(store.location)
    except NoPlace as problem:
        raise BadUsage(f"store `{store.name}`: {problem}", help=problem.help) from problem
