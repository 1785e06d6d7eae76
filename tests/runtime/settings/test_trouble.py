"""A service that stumbles, keys that may not, buckets of others, and others who change settings meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import oss2
import pytest

from bkpc_runtime.errors import PolicyBroken, Refused, StepFailed, StoreDenied, StoreUnreachable
from bkpc_runtime.settings import reconcile
from bkpc_runtime.settings.lifecycle_document import rules_in
from bkpc_runtime.stores.oss_settings import BucketSettings
from tests.oss_server import OssServer
from tests.oss_server.accounts import UID, Account
from tests.runtime.settings.test_lifecycle import THEIRS, held, rule
from tests.runtime.settings.wishes import ALL, NOTHING, looked, mended, settings

PLAIN = replace(ALL, https_only=False)
WRITES = frozenset(
    {
        "create",
        "enable_versioning",
        "encrypt",
        "block_public_access",
        "put_policy",
        "put_lifecycle",
        "begin_retention",
        "abandon_retention",
        "lock_retention",
        "extend_retention",
    }
)


class Watched:
    """A bucket's settings; `before` and `after` are called with the name of each write."""

    def __init__(
        self,
        bucket: BucketSettings,
        before: Callable[[str], None] = lambda _: None,
        after: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.bucket, self.before, self.after = bucket, before, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.bucket, name)
        if name not in WRITES:
            return method

        def watched(*given: Any, **named: Any) -> Any:
            self.before(name)
            result = method(*given, **named)
            self.after(name)
            return result

        return watched


@pytest.mark.parametrize(
    ("status", "code"), [(500, "InternalError"), (503, "ServiceUnavailable"), (503, "QpsLimitExceeded")]
)
def test_every_request_that_stumbles_is_made_again(server: OssServer, status: int, code: str) -> None:
    server.fault("status", nth=2, status=status, code=code)
    mended(server, PLAIN)
    server.faults.rules.clear()
    assert looked(server, PLAIN) == []


def test_the_pause_that_a_throttling_service_asks_for_is_kept(server: OssServer) -> None:
    server.fail_next(1, 503, "QpsLimitExceeded", x_oss_qos_delay_time="60000")
    with pytest.raises(StoreUnreachable):
        looked(server, PLAIN)
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_answers_that_are_lost_do_no_harm(server: OssServer, bucket: Any, method: str) -> None:
    server.fault("lost", method=method, nth=2)
    mended(server, PLAIN)
    assert looked(server, PLAIN) == []
    assert bucket.get_bucket_worm().retention_period_days == 30


def test_a_bucket_whose_making_was_not_answered_is_not_somebody_elses(server: OssServer) -> None:
    wanted = replace(PLAIN, bucket="new-one")
    agreed = looked(server, wanted)
    server.lose_answer("PUT")
    mended(server, wanted, agreed)
    assert looked(server, wanted) == []


@pytest.mark.parametrize("done", [False, True])
def test_a_run_that_is_killed_at_any_write_is_finished_by_the_next(server: OssServer, *, done: bool) -> None:
    for nth in range(1, 7):
        wanted = replace(PLAIN, bucket=f"bucket-{nth}")
        left = [nth]

        def die(_: str, left: list[int] = left) -> None:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

        bucket: Any = Watched(settings(server, wanted.bucket), **{"after" if done else "before": die})
        try:
            list(reconcile.mend(bucket, wanted, looked(server, wanted)))
        except KeyboardInterrupt:
            mended(server, wanted)
        else:
            assert nth == 6  # a new bucket blocks public access by itself: five writes are all there is
        assert looked(server, wanted) == []


# ---------------------------------------------------------------- others


def test_rules_that_others_add_after_the_look_are_kept(server: OssServer) -> None:
    agreed = looked(server, NOTHING)
    held(server, THEIRS)
    mended(server, NOTHING, agreed)
    first, _ = rules_in(settings(server).lifecycle())
    assert first.id == "logs of the web team"
    assert looked(server, NOTHING) == []


def test_a_rule_that_would_delete_backups_added_after_the_look_stops_it(server: OssServer) -> None:
    agreed = looked(server, NOTHING)
    held(server, rule("<Expiration><Days>1</Days></Expiration>"))
    with pytest.raises(PolicyBroken, match="rule `tidy`, which is not ours, deletes"):
        mended(server, NOTHING, agreed)


def test_what_was_not_agreed_to_is_not_done(server: OssServer, bucket: Any) -> None:
    agreed = looked(server, NOTHING)
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    with pytest.raises(Refused, match="has changed since"):
        mended(server, NOTHING, agreed)
    assert settings(server).lifecycle() == b""


@pytest.mark.parametrize("times", [0, 2, 3])
def test_one_that_undoes_ours_is_overruled_and_told_in_the_end(server: OssServer, times: int) -> None:
    left = [times]

    def undo(_: str) -> None:
        left[0] -= 1
        if left[0] >= 0:
            held(server, THEIRS)

    bucket: Any = Watched(settings(server), after=undo)
    if times == 3:
        with pytest.raises(StepFailed, match="lifecycle does not stay as it is set"):
            list(reconcile.mend(bucket, NOTHING, looked(server, NOTHING)))
    else:
        assert len(list(reconcile.mend(bucket, NOTHING, looked(server, NOTHING)))) == 1
        assert looked(server, NOTHING) == []


# ---------------------------------------------------------------- keys that may not

READS = ("GetBucketInfo", "GetBucketEncryption", "GetBucketPublicAccessBlock", "GetBucketPolicy", "GetBucketLifecycle")
CHANGES = ("PutBucketEncryption", "PutBucketPublicAccessBlock", "PutBucketLifecycle", "PutBucketPolicy")
LOCKS = ("GetBucketWorm", "InitiateBucketWorm", "CompleteBucketWorm")
ACTIONS = (*READS, *CHANGES, *LOCKS)


def limited(server: OssServer, without: str) -> BucketSettings:
    allowed = [f"oss:{action}" for action in ACTIONS if action != without]
    statement = {"Effect": "Allow", "Action": allowed, "Resource": ["acs:oss:*:*:backup"]}
    policies = (json.dumps({"Version": "1", "Statement": [statement]}),)
    server.service.keys.add("limited", "secret", Account(UID, policies))
    return settings(server, key="limited", secret="secret")


@pytest.mark.parametrize("action", ACTIONS)
def test_the_action_that_is_missing_is_named_with_its_bucket(server: OssServer, action: str) -> None:
    bucket = limited(server, action)
    with pytest.raises(StoreDenied, match=rf"`backup`.*oss:{action}\b|oss:{action}\b.*`backup`") as raised:
        list(reconcile.mend(bucket, ALL, reconcile.look(bucket, ALL)))
    assert f"`oss:{action}` on `acs:oss:*:*:backup`" in raised.value.help


def test_what_is_denied_is_not_asked_for_again(server: OssServer) -> None:
    bucket = limited(server, "PutBucketEncryption")
    with pytest.raises(StoreDenied, match="PutBucketEncryption"):
        list(reconcile.mend(bucket, PLAIN, reconcile.look(bucket, PLAIN)))
    assert server.requests.count("PUT backup/?encryption=") == 1


def test_these_actions_are_enough(server: OssServer) -> None:
    bucket = limited(server, "")
    list(reconcile.mend(bucket, PLAIN, reconcile.look(bucket, PLAIN)))
    assert reconcile.look(bucket, PLAIN) == ()


def test_prolonging_and_replacing_a_lock_need_their_own(server: OssServer, bucket: Any) -> None:
    bucket.init_bucket_worm(7)
    with pytest.raises(StoreDenied, match="oss:AbortBucketWorm"):
        list(reconcile.mend(limited(server, ""), PLAIN, reconcile.look(settings(server), PLAIN)))
    bucket.complete_bucket_worm(bucket.get_bucket_worm().worm_id)
    with pytest.raises(StoreDenied, match="oss:ExtendBucketWorm"):
        list(reconcile.mend(limited(server, ""), PLAIN, reconcile.look(settings(server), PLAIN)))


def test_a_bucket_of_another_account_is_refused(server: OssServer) -> None:
    server.service.keys.add("other", "secret", Account("42"))
    before = dict(server.buckets["backup"].settings.documents)
    with pytest.raises(
        StoreDenied, match="`backup` belongs to another account, or the key may not do oss:GetBucketInfo"
    ):
        reconcile.look(settings(server, key="other", secret="secret"), ALL)
    assert server.buckets["backup"].settings.documents == before


def test_a_name_that_somebody_takes_before_us_is_refused(server: OssServer) -> None:
    wanted = replace(PLAIN, bucket="new-one")
    agreed = looked(server, wanted)
    server.service.keys.add("other", "secret", Account("42"))

    def taken(_: str) -> None:
        if "new-one" not in server.buckets:
            settings(server, "new-one", "other", "secret").create("Standard", "LRS")

    bucket: Any = Watched(settings(server, "new-one"), before=taken)
    with pytest.raises(StoreDenied, match="`new-one` belongs to another account"):
        list(reconcile.mend(bucket, wanted, agreed))


def test_a_bucket_in_another_region_than_its_endpoint_is_refused(server: OssServer, bucket: Any) -> None:
    server.buckets["backup"].settings.region = "cn-beijing"
    (found,) = looked(server, ALL)
    assert found.text.startswith("! bucket: it lies in cn-beijing (the plan counts on cn-hangzhou: choose another")
    with pytest.raises(oss2.exceptions.AccessDenied):
        bucket.get_bucket_info()


@pytest.mark.parametrize("kind", ["reset", "truncate"])
@pytest.mark.parametrize("what", ["bucketInfo", "lifecycle", "policy", "worm", "encryption", "publicAccessBlock"])
def test_an_answer_that_breaks_off_is_asked_for_again(server: OssServer, bucket: Any, kind: Any, what: str) -> None:
    held(server, THEIRS)
    bucket.put_bucket_policy(json.dumps({"Version": "1", "Statement": []}))
    before = [one.text for one in looked(server, ALL)]
    server.fault(kind, match=rf"\?{what}", after=20, times=1)
    assert [one.text for one in looked(server, ALL)] == before
    assert server.faults.rules == []
