"""Replication to another region: added, changed and taken out, among rules of others that stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from oss2.models import ReplicationRule

from bkpc_runtime.errors import PolicyBroken, StoreDenied, StoreFailed
from bkpc_runtime.settings.lifecycle import rule_id
from bkpc_runtime.settings.wanted import Replica, Wanted
from bkpc_runtime.stores.oss_settings import Replication, replications_in
from tests.oss_server import OssServer
from tests.oss_server.accounts import UID, Account
from tests.runtime.settings.wishes import NOTHING, SHOP, looked, mended, settings, told

WANTED = replace(NOTHING, places=(replace(SHOP, replica=Replica("away", "copy", "cn-beijing")),))
WORDS = "replication: what is below `shop/` copied to bucket `copy` in cn-beijing"
OURS = rule_id("shop/")
HOUR = timedelta(hours=1)


@pytest.fixture
def server(server: OssServer, tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "beijing", region="cn-beijing") as other:
        for name in ("copy", "elsewhere"):
            other.bucket(name)
        server.neighbours(other)
        yield server


def replication(server: OssServer, wanted: Wanted = WANTED) -> list[str]:
    return told(server, wanted, "replication")


def mend(server: OssServer, wanted: Wanted = WANTED) -> list[str]:
    return mended(server, wanted, looked(server, wanted, "replication"))


def there(server: OssServer) -> list[Replication]:
    return list(settings(server).replication())


def others(**changes: Any) -> ReplicationRule:
    wanted = {"rule_id": "theirs", "target_bucket_name": "copy", "target_bucket_location": "oss-cn-beijing", **changes}
    return ReplicationRule(**wanted)


def test_a_rule_is_added_once_and_it_copies_no_deletion(server: OssServer, bucket: Any) -> None:
    bucket.put_bucket_replication(others(prefix_list=["wiki/"], target_bucket_name="elsewhere"))
    before = there(server)
    assert replication(server) == [f"+ {WORDS} (rule {OURS})"]
    assert mend(server) == [f"+ {WORDS} (rule {OURS})"]
    made = Replication(OURS, ("shop/",), "copy", "oss-cn-beijing", ("PUT",), older=True, status="starting")
    assert there(server) == [*before, made]
    server.requests.clear()
    assert mend(server) == replication(server) == []
    assert [line for line in server.requests if not line.startswith("GET")] == []
    server.advance(HOUR)
    assert replication(server) == []


def test_one_that_says_otherwise_is_made_again_once_it_is_closed(server: OssServer, bucket: Any) -> None:
    bucket.put_bucket_replication(others(rule_id=OURS, prefix_list=["shop/"], action_list=["ALL"]))
    assert replication(server) == [f"~ {WORDS} (rule {OURS} says otherwise)"]
    with pytest.raises(PolicyBroken, match="is taking out replication rule") as refused:
        mend(server)
    assert "run it again in some minutes" in (refused.value.help or "")
    (problem,) = replication(server)
    assert problem.startswith(f"! replication: rule {OURS} is being taken out")
    server.advance(HOUR)
    assert mend(server) == [f"+ {WORDS} (rule {OURS})"]
    assert [one.actions for one in there(server)] == [("PUT",)]


def test_one_that_is_no_longer_asked_for_goes_and_those_of_others_stay(server: OssServer, bucket: Any) -> None:
    mend(server)
    bucket.put_bucket_replication(others(prefix_list=["wiki/"]))
    why = f"(rule {OURS} is no longer asked for; what was copied stays there)"
    assert replication(server, NOTHING) == [f"- replication: what is below `shop/` copied to bucket `copy` {why}"]
    mend(server, NOTHING)
    assert replication(server, NOTHING) == []
    server.advance(HOUR)
    assert [one.id for one in there(server)] == ["theirs"]


def test_a_rule_of_others_that_does_it_is_enough(server: OssServer, bucket: Any) -> None:
    bucket.put_bucket_replication(others())
    assert replication(server) == [f"note: {WORDS} (deletions, too: rule `theirs`, which is not ours)"]
    assert mend(server) == []
    bucket.delete_bucket_replication("theirs")
    server.advance(HOUR)
    bucket.put_bucket_replication(others(action_list=["PUT"]))
    assert replication(server) == []


def test_a_role_is_the_plans_or_else_what_people_gave_it(server: OssServer, bucket: Any) -> None:
    place = WANTED.places[0]
    named = replace(WANTED, places=(replace(place, replica=Replica("away", "copy", "cn-beijing", "copier")),))
    mend(server, named)
    assert there(server)[0].role == "copier"
    assert replication(server, named) == replication(server) == []


def test_an_answer_that_was_lost_does_not_matter(server: OssServer, bucket: Any) -> None:
    server.lose_answer("POST")
    assert mend(server) == [f"+ {WORDS} (rule {OURS})"]
    assert [one.id for one in there(server)] == [OURS]


def test_a_key_that_may_not_look_is_right_where_nothing_is_asked_for(server: OssServer, bucket: Any) -> None:
    allowed = '{"Statement": [{"Effect": "Allow", "Action": ["oss:GetBucketInfo"], "Resource": ["*"]}]}'
    server.service.keys.add("limited", "secret", Account(UID, (allowed,)))
    from bkpc_runtime.settings import replication as setting

    limited = settings(server, key="limited", secret="secret")
    assert list(setting.look(limited, NOTHING)) == []
    with pytest.raises(StoreDenied, match="oss:GetBucketReplication"):
        list(setting.look(limited, WANTED))


def test_what_a_rule_leaves_out_is_as_oss_takes_it() -> None:
    document = b"<R><Rule><ID>x</ID><Destination><Bucket>b</Bucket></Destination><Status>doing</Status></Rule></R>"
    assert replications_in(document) == (Replication("x", (), "b", "", ("ALL",), older=True, status="doing"),)


def test_a_region_without_replication_is_right_where_nothing_is_asked_for(server: OssServer) -> None:
    server.fault("status", match=r"\?replication", status=400, code="OperationNotSupported")
    assert replication(server, NOTHING) == []
    with pytest.raises(StoreFailed, match="OperationNotSupported"):
        replication(server)
    server.faults.rules[0].status = 500
    with pytest.raises(StoreFailed):
        replication(server, NOTHING)
