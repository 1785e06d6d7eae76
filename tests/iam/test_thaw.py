"""Who may ask for a thaw, which is charged: whoever restores from a class that must thaw, or copies out of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bkpc_compiler.main import main
from bkpc_runtime.errors import StoreDenied
from bkpc_runtime.mysql.flavour import Position
from bkpc_runtime.repository import catalogue, layout
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.thaw import Wish, ask, cold_of
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss import OssStore
from tests.iam.test_least import HASTY, NOW, POLICY
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.accounts import UID, Account
from tests.runtime.retention import made

COLD = POLICY.replace("credentials role", "credentials role  class cold_archive").replace("rto 30min", "rto 12h")

COPIED = COLD.replace("database shop", 'store back at here { directory "back" }\ndatabase shop').replace(
    "  hot to far", "  cold daily at 05:00 within 12h from far to back\n  hot to far"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "oss") as server:
        server.bucket()
        server.buckets["backup"].settings.storage_class = "ColdArchive"
        yield server
        assert server.problems == []


def policies(folder: Path, text: str) -> dict[str, Any]:
    """The documents of `far`, by role."""
    (folder / "shop.bkp").write_text(text)
    assert main(["compile", str(folder / "shop.bkp"), "-o", str(folder / "plan.json")]) == 0
    assert main(["compile", str(folder / "plan.json"), "--target", "iam", "-o", f"{folder}/"]) == 0
    ram = json.loads((folder / "iam.json").read_text())["ram"]
    return {one["role"]: one["document"] for one in ram if one["store"] == "far"}


def opened(server: OssServer, key: str = KEY_ID, secret: str = KEY_SECRET) -> OssStore:
    access = AccessKey(key, Secret(secret))
    return OssStore("far", "backup", server.endpoint, REGION, "acme", lambda: access, HASTY, cold=True)


def read_back(server: OssServer, policy: Any) -> None:
    """All of an image out of a class that must thaw, with a key that may do what a policy says."""
    made.put_image(opened(server), made.manifest(NOW + server.service.clock.aged, Position("", 0)))
    server.service.keys.add("limited", "secret", Account(UID, (json.dumps(policy),)))
    reading = opened(server, "limited", "secret")
    image = catalogue.all_images(reading, "shop")[0]
    keys = [layout.part_key(image.prefix, image.manifest.id, part.name) for part in image.manifest.parts]
    cold = cold_of(reading, keys)
    assert ask(reading, cold, Wish(2, timedelta(hours=5))) == len(keys)
    server.advance(timedelta(hours=6))
    for key in keys:
        assert reading.get(key) == made.BODY


@pytest.mark.parametrize(("role", "text"), [("restorer", COLD), ("writer", COPIED)])
def test_whoever_reads_may_ask_and_is_refused_without_the_action(
    server: OssServer, tmp_path: Path, role: str, text: str
) -> None:
    policy = policies(tmp_path, text)[role]
    read_back(server, policy)
    without = deepcopy(policy)
    without["Statement"][0]["Action"].remove("oss:RestoreObject")
    server.advance(timedelta(days=3))
    with pytest.raises(StoreDenied):
        read_back(server, without)


def test_nobody_else_may_nor_where_nothing_thaws(tmp_path: Path) -> None:
    def may(text: str) -> set[str]:
        return {role for role, one in policies(tmp_path, text).items() if "RestoreObject" in str(one)}

    assert (may(POLICY), may(COLD), may(COPIED)) == (set(), {"restorer"}, {"restorer", "writer"})
