"""What a plan asks of the test's bucket, and its settings as the reconciler reaches them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bkpc_runtime.secret import Secret
from bkpc_runtime.settings import reconcile
from bkpc_runtime.settings.difference import Difference
from bkpc_runtime.settings.wanted import Place, Wanted
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss_calls import OssCalls
from bkpc_runtime.stores.oss_settings import BucketSettings
from bkpc_runtime.stores.patience import Patience
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer

HASTY = Patience(total=2.0, first=0.001, longest=0.01)
SHOP = Place("far", "shop/", ("shop/orders/", "shop/plans/"), "Standard", "")
NOTHING = Wanted(
    bucket="backup",
    region=REGION,
    places=(SHOP,),
    lock_days=0,
    unsuspended=False,
    encrypted=False,
    public_blocked=False,
    https_only=False,
    upload_days=3,
    noncurrent_days=30,
    needed_days=16,
)
"""No setting but the lifecycle rule is asked for."""
ALL = replace(NOTHING, lock_days=30, unsuspended=True, encrypted=True, public_blocked=True, https_only=True)


def settings(server: OssServer, name: str = "backup", key: str = KEY_ID, secret: str = KEY_SECRET) -> BucketSettings:
    access = AccessKey(key, Secret(secret))
    described = f"`far` (bucket {name} at {server.endpoint})"
    calls = OssCalls(described, name, server.endpoint, REGION, lambda: access, path_style=False)
    return BucketSettings("far", name, calls, HASTY)


def looked(server: OssServer, wanted: Wanted, setting: str = "") -> list[Difference]:
    """How the bucket differs, in all or in one setting."""
    found = reconcile.look(settings(server, wanted.bucket), wanted)
    return [one for one in found if not setting or one.setting == setting]


def told(server: OssServer, wanted: Wanted, setting: str = "") -> list[str]:
    """The differences, as they are printed."""
    return [one.text for one in looked(server, wanted, setting)]


def mended(server: OssServer, wanted: Wanted, agreed: Any = None) -> list[str]:
    """Makes all that differs, or what was agreed to; what was done."""
    agreed = looked(server, wanted) if agreed is None else agreed
    return [one.text for one in reconcile.mend(settings(server, wanted.bucket), wanted, agreed)]
