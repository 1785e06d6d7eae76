"""What a reconciler needs for replication, and that none of it can be left out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bkpc_compiler.backends.iam import iam_json
from bkpc_runtime.errors import StoreFailed
from bkpc_runtime.secret import Secret
from bkpc_runtime.settings import reconcile
from bkpc_runtime.settings.wanted import wanted_of
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.oss_calls import OssCalls
from bkpc_runtime.stores.oss_settings import BucketSettings
from tests.compiler.one_file import planned
from tests.iam.test_least import HASTY, POLICY
from tests.oss_server import REGION, OssServer
from tests.oss_server.accounts import UID, Account

AWAY = """\
  replicates to away
}
site there { region "cn-beijing" }
store away at there { oss "copy/acme"  endpoint "https://oss-cn-beijing.aliyuncs.com"  credentials role }
database"""
PLAN = planned(POLICY.replace("}\ndatabase", AWAY, 1))
DOCUMENTS = {(one["store"], one["role"]): one["document"] for one in json.loads(iam_json(PLAN))["ram"]}
ACTIONS = [f"oss:{verb}BucketReplication" for verb in ("Get", "Put", "Delete")]


def reconciled(folder: Path, document: dict[str, Any]) -> None:
    """Made, and once `replicates to` is gone, taken out."""
    with OssServer(folder / "here") as server, OssServer(folder / "there", region="cn-beijing") as other:
        server.neighbours(other)
        other.bucket("copy")
        server.bucket()
        server.service.keys.add("limited", "secret", Account(UID, (json.dumps(document),)))
        calls = OssCalls(
            "`far`", "backup", server.endpoint, REGION, lambda: AccessKey("limited", Secret("secret")), path_style=False
        )
        bucket = BucketSettings("far", "backup", calls, HASTY)
        _, wanted = wanted_of(PLAN, ["far"])
        wanted = replace(wanted, lock_days=0)
        places = tuple(replace(one, replica=None) for one in wanted.places)
        for one in (wanted, replace(wanted, places=places)):
            list(reconcile.mend(bucket, one, reconcile.look(bucket, one)))
            server.advance(timedelta(hours=1))
        assert not bucket.replication()


def test_it_is_enough_and_of_a_copy_nothing_is_written(tmp_path: Path) -> None:
    reconciled(tmp_path, DOCUMENTS["far", "reconciler"])
    assert sorted(role for store, role in DOCUMENTS if store == "away") == ["reconciler", "restorer"]
    assert not {*ACTIONS} & {*DOCUMENTS["away", "reconciler"]["Statement"][0]["Action"]}


@pytest.mark.parametrize("action", ACTIONS)
def test_none_can_be_left_out(tmp_path: Path, action: str) -> None:
    document = json.loads(json.dumps(DOCUMENTS["far", "reconciler"]))
    document["Statement"][0]["Action"].remove(action)
    with pytest.raises((StoreFailed, AssertionError)):
        reconciled(tmp_path, document)
