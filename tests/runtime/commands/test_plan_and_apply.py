"""`bkpc plan` and the settings part of `bkpc apply`, as their users run them: the database is away throughout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import oss2
import pytest

from bkpc_runtime import preflight
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.accounts import UID, Account
from tests.oss_server.certificate import tls_context

POLICY = """\
edition 1
import "std/oss"

site here {{ region "cn-hangzhou" }}
store disk at here {{ directory "backups" }}
store far at here {{
  oss "{bucket}"
  endpoint "{endpoint}"
  {more}
  credentials env OSS_KEY_ID, OSS_KEY_SECRET
}}

database shop at here {{
  mysql "127.0.0.1:1"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h
}}
database wiki at here {{
  mysql "127.0.0.1:2"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h
}}

policy basic {{
  promise against corruption {{ rpo 2d }}
  full daily at 02:00 within 1h to far
  keep 14d
  {lock}
}}
policy local {{
  promise against corruption {{ rpo 2d }}
  full daily at 02:00 within 1h to disk
}}
protect shop with basic
protect wiki with local
"""


@dataclass
class Desk:
    """A folder with a policy and its plan, and what the commands print there (stdout, stderr) and how they end."""

    folder: Path
    server: OssServer
    environ: dict[str, str] = field(default_factory=dict)

    def agree(self, bucket: str = "backup/shop", lock: str = "", more: str = "", endpoint: str = "") -> None:
        text = POLICY.format(bucket=bucket, endpoint=endpoint or self.server.endpoint, lock=lock, more=more)
        (self.folder / "shop.bkp").write_text(text)
        done = self.run("compile", "shop.bkp", "-o", "plan.json")
        assert done.returncode == 0, done.stderr

    def run(self, *arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "bkpc_compiler.main", *arguments],
            cwd=self.folder,
            env={**os.environ, "SHOP_DB_USER": "u", "SHOP_DB_PASSWORD": "p", **self.environ},
            input=answers,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert KEY_SECRET not in done.stdout + done.stderr
        return done

    @property
    def bucket(self) -> Any:
        return oss2.Bucket(oss2.AuthV4(KEY_ID, KEY_SECRET), self.server.endpoint, "backup", region=REGION)

    def writes(self) -> list[str]:
        """What was sent that isn't of the images' store."""
        return [line for line in self.server.requests if line.split()[0] in {"PUT", "POST", "DELETE"}]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with OssServer(tmp_path / "oss") as server:
        server.bucket()
        (tmp_path / "desk").mkdir()
        keys = {"OSS_KEY_ID": KEY_ID, "OSS_KEY_SECRET": KEY_SECRET}
        yield Desk(tmp_path / "desk", server, keys)
        assert server.problems == []


def test_plan_tells_and_writes_nothing(desk: Desk) -> None:
    desk.agree(lock="lock 7d")
    done = desk.run("plan", "plan.json")
    assert done.returncode == 3, done
    page = (Path(__file__).parents[3] / "docs" / "buckets.md").read_text()
    (shown,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert done.stdout == shown
    assert desk.writes() == []
    assert not (desk.folder / "backups").exists()


def test_apply_makes_it_so_and_the_second_time_there_is_nothing(desk: Desk) -> None:
    desk.agree(lock="lock 7d")
    desk.bucket.put_object(f"shop/shop/{IMAGE}", b"{}")
    first = desk.run("apply", "plan.json", "--yes", "--yes-lock-forever")
    # The databases are away: the buckets are as they should be all the same.
    assert first.returncode == 1
    assert "warning: bucket `backup` is locked for 7 days, and this can never be undone" in first.stderr
    assert "bucket backup: + retention lock: 7 days, for ever" in first.stderr
    assert first.stderr.splitlines()[-1] == (
        "no image was taken; what was done: public access of bucket backup, "
        "encryption by the service of bucket backup, lifecycle of bucket backup, retention lock of bucket backup"
    )
    assert desk.bucket.get_bucket_worm().state == "Locked"
    planned = desk.run("plan", "plan.json")
    assert (planned.returncode, planned.stdout.splitlines()[:2]) == (
        0,
        ["far  bucket backup  as the plan asks", "buckets: nothing to change"],
    )
    desk.server.requests.clear()
    again = desk.run("apply", "plan.json", "--yes", "--yes-lock-forever")
    assert "buckets: nothing to change" in again.stderr
    assert [line for line in desk.writes() if "probe-" not in line] == []


def test_a_lock_needs_its_own_word(desk: Desk) -> None:
    desk.agree(lock="lock 7d")
    done = desk.run("apply", "plan.json", "--yes")
    assert "+ encryption by the service: AES256" in done.stderr
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        desk.bucket.get_bucket_worm()
    assert desk.bucket.get_bucket_encryption().sse_algorithm == "AES256"
    assert desk.run("plan", "plan.json").returncode == 3


def test_nothing_is_changed_unless_somebody_says_yes(desk: Desk) -> None:
    desk.agree(lock="lock 7d")
    for answers in ("", "n\n", "\n"):
        done = desk.run("apply", "plan.json", "--yes-lock-forever", answers=answers)
        assert "the buckets were not changed" in done.stderr
        assert [line for line in desk.writes() if "probe-" not in line] == []
    desk.bucket.put_object(f"shop/shop/{IMAGE}", b"{}")
    desk.run("apply", "plan.json", "--yes-lock-forever", answers="y\nn\n")
    assert desk.bucket.get_bucket_worm().state == "Locked"


def test_a_bucket_that_is_missing_is_made(desk: Desk) -> None:
    desk.agree(bucket="new-one", more="class archive redundancy zrs", lock="lock 7d")
    planned = desk.run("plan", "plan.json")
    assert planned.returncode == 3
    assert planned.stdout.splitlines()[1] == "  + bucket: made in cn-hangzhou, ZRS, class Archive (it does not exist)"
    assert "in the whole bucket" in planned.stdout
    assert "new-one" not in desk.server.buckets
    agreed = [line.strip() for line in planned.stdout.splitlines() if line.startswith("  + ") and "lock:" not in line]
    done = desk.run("apply", "plan.json", "--yes")
    assert [line for line in agreed if f"bucket new-one: {line}: " not in done.stderr] == []
    found = desk.server.buckets["new-one"].settings
    assert (found.storage_class, found.redundancy) == ("Archive", "ZRS")


def test_a_problem_stops_everything(desk: Desk) -> None:
    desk.agree(more="class standard redundancy zrs")
    planned = desk.run("plan", "plan.json")
    assert planned.returncode == 1
    assert "  ! bucket: its redundancy is LRS (store `far` counts on ZRS" in planned.stdout
    assert "1 for people to solve" in planned.stdout
    done = desk.run("apply", "plan.json", "--yes")
    assert done.returncode == 1
    assert done.stderr.endswith("nothing was done\n")
    assert desk.writes() == []


def test_a_rule_that_would_delete_backups_stops_everything(desk: Desk) -> None:
    desk.agree()
    rule = oss2.models.LifecycleRule("tidy", "", expiration=oss2.models.LifecycleExpiration(days=15))
    desk.bucket.put_bucket_lifecycle(oss2.models.BucketLifecycle([rule]))
    done = desk.run("apply", "plan.json", "--yes")
    assert done.returncode == 1
    assert (
        "! lifecycle: rule `tidy`, which is not ours, deletes what is below `shop/shop/` after 15 days" in done.stderr
    )
    assert desk.bucket.get_bucket_info().bucket_encryption_rule.sse_algorithm is None


def test_a_service_that_is_away_and_a_key_that_may_not(desk: Desk) -> None:
    desk.agree()
    desk.environ["OSS_KEY_SECRET"] = "not-the-secret"
    for command in (("plan", "plan.json"), ("apply", "plan.json", "--yes")):
        done = desk.run(*command)
        assert done.returncode == 4, done
        assert "key secret" in done.stderr
    assert desk.writes() == [line for line in desk.writes() if "probe-" in line]


def test_what_is_not_known_is_not_told_as_nothing(desk: Desk) -> None:
    desk.agree()
    desk.environ["OSS_KEY_SECRET"] = "not-the-secret"
    assert desk.run("plan", "plan.json").stdout.splitlines()[-6:-1] == [
        "+ wiki/full/disk: backup.full to disk (missing or overdue)",
        "images: 1 to take; not known of those to far",
        "expiry: nothing is to go; not known of far",
        "endangered: `shop`: rpo 2d against corruption: bucket backup can't be looked at",
        "endangered: `wiki`: rpo 2d against corruption: wiki/full/disk is missing or overdue",
    ]
    assert desk.run("plan", "plan.json", "--only", "shop").stdout.splitlines()[-4:-1] == [
        "images: not known of those to far",
        "expiry: not known of far",
        "endangered: `shop`: rpo 2d against corruption: bucket backup can't be looked at",
    ]


def test_only_one_databases_buckets(desk: Desk) -> None:
    desk.agree()
    assert desk.run("plan", "plan.json", "--only", "wiki").stdout.splitlines() == [
        "+ wiki/full/disk: backup.full to disk (missing or overdue)",
        "images: 1 to take",
        "expiry: nothing is to go",
        "endangered: `wiki`: rpo 2d against corruption: wiki/full/disk is missing or overdue",
        "coverage: not all is known of `wiki`: cannot reach u@127.0.0.1:2: Connection refused",
    ]
    assert desk.run("plan", "plan.json", "--only", "shop").returncode == 3
    assert desk.run("plan", "plan.json", "--only", "nobody").returncode == 2
    assert not [line for line in desk.server.requests if "bucketInfo" not in line and "GET" not in line]


def test_https_only_is_set_over_https(desk: Desk, tmp_path: Path) -> None:
    context, trusted = tls_context(tmp_path / "tls", ["localhost"])
    with OssServer(tmp_path / "secure", tls=context) as server:
        server.bucket()
        port = server._listeners[1].server_address[1]
        desk.environ["REQUESTS_CA_BUNDLE"] = str(trusted)
        desk.agree(endpoint=f"https://localhost:{port}")
        assert "+ https only: plain HTTP denied on backup/shop/*" in desk.run("plan", "plan.json").stdout
        desk.run("apply", "plan.json", "--yes")
        (statement,) = json.loads(server.buckets["backup"].settings.documents["policy"])["Statement"]
        assert statement["Condition"] == {"Bool": {"acs:SecureTransport": ["false"]}}
        assert desk.run("plan", "plan.json").returncode == 0


def test_a_plan_of_directories_loads_no_oss(desk: Desk) -> None:
    desk.agree()
    program = (
        "import sys; from bkpc_compiler.main import main; "
        "code = main(['plan', 'plan.json', '--only', 'wiki']); "
        "sys.exit(code or 'oss2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=desk.folder, check=False, timeout=60)
    assert done.returncode == 0


NO_ENCRYPTION = """{"Version": "1", "Statement": [
  {"Effect": "Allow", "Action": "oss:*", "Resource": "acs:oss:*:*:*"},
  {"Effect": "Deny", "Action": "oss:PutBucketEncryption", "Resource": "acs:oss:*:*:*"}
]}"""


NO_PLANS = """{"Version": "1", "Statement": [
  {"Effect": "Allow", "Action": "oss:*", "Resource": "acs:oss:*:*:*"},
  {"Effect": "Deny", "Action": "oss:GetObject", "Resource": "acs:oss:*:*:backup/shop/plans/*"}
]}"""
NO_BACKUP = "bucket backup: not locked, since no backup of this plan was in far before"
IMAGE = "a-server/images/20261120T020000Z-0123abcd/MANIFEST.json"


def with_key(desk: Desk, policy: str) -> None:
    desk.server.service.keys.add("narrow", "narrow-secret", Account(UID, (policy,)))
    desk.environ |= {"OSS_KEY_ID": "narrow", "OSS_KEY_SECRET": "narrow-secret"}


@pytest.mark.parametrize("unusable", [True, False])
def test_what_can_be_refused_comes_before_what_can_not_be_undone(desk: Desk, unusable: bool) -> None:
    """A bucket that nobody can write to, or that can't be made as the plan asks, is not locked for ever."""
    desk.agree(lock="lock 7d")
    if unusable:
        desk.server.fault("status", match="^PUT .*/probe-", status=400, code="InvalidArgument")
    else:
        with_key(desk, NO_ENCRYPTION)
    done = desk.run("apply", "plan.json", "--yes", "--yes-lock-forever")
    assert done.returncode
    assert ("not locked, since preflight found a problem" if unusable else "oss:PutBucketEncryption") in done.stderr
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        desk.bucket.get_bucket_worm()
    assert not any("worm" in line for line in desk.writes())


def test_the_key_that_sets_buckets_locks_them_though_it_may_not_write_into_them(desk: Desk) -> None:
    desk.agree(lock="lock 7d")
    assert desk.run("compile", "plan.json", "--target", "iam", "-o", "iam/").returncode == 0
    ram = json.loads((desk.folder / "iam" / "iam.json").read_text())["ram"]
    (policy,) = (one["document"] for one in ram if one["role"] == "reconciler")
    with_key(desk, json.dumps(policy))
    done = desk.run("apply", "plan.json", "--yes", "--yes-lock-forever")
    assert NO_BACKUP in done.stderr
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        desk.bucket.get_bucket_worm()
    # A probe left over, and what somebody else keeps in a bucket that was named by mistake.
    for key in ("probe-1", "photo.jpg", "shop/photo.jpg", "shop/2026/images/x/MANIFEST.json", "plans/holiday.json"):
        desk.bucket.put_object(f"shop/{key}", b"{}")
    desk.bucket.put_object(f"shop/wiki/{IMAGE}", b"{}")  # kept in another store
    desk.bucket.put_object(f"shop/shop/{IMAGE}.old", b"{}")
    assert NO_BACKUP in desk.run("apply", "plan.json", "--yes", "--yes-lock-forever").stderr
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        desk.bucket.get_bucket_worm()
    desk.bucket.put_object(f"shop/shop/{IMAGE}", b"{}")
    done = desk.run("apply", "plan.json", "--yes", "--yes-lock-forever")
    assert "may set it and not write into it" in done.stderr
    assert desk.bucket.get_bucket_worm().state == "Locked"


def test_a_key_that_sets_buckets_has_not_failed_where_it_takes_no_image(desk: Desk) -> None:
    desk.agree()
    assert desk.run("compile", "plan.json", "--target", "iam", "-o", "iam/").returncode == 0
    ram = json.loads((desk.folder / "iam" / "iam.json").read_text())["ram"]
    (policy,) = (one["document"] for one in ram if one["role"] == "reconciler")
    with_key(desk, json.dumps(policy))
    for done in (desk.run("apply", "plan.json", "--yes", "--only", "shop") for _ in range(2)):
        assert done.returncode == 0, done.stderr
        assert "this key sets buckets and may not write into far: images come there with the writer's" in done.stderr
        assert "nothing was done" in done.stderr or "no image was taken; what was done: public access" in done.stderr
    with_key(desk, json.dumps(policy).replace("oss:GetBucketEncryption", "oss:GetBucketTags"))
    assert desk.run("apply", "plan.json", "--yes", "--only", "shop").returncode == 4


@pytest.mark.parametrize("prefix", ["", "shop/", "shop/shop/"])
def test_what_somebody_else_keeps_is_not_locked_by_a_writer_either(desk: Desk, prefix: str) -> None:
    """A bucket's name mistaken for that of the photos."""
    desk.agree(lock="lock 7d")
    desk.bucket.put_object(f"{prefix}photo.jpg", b"{}")
    done = desk.run("apply", "plan.json", "--yes", "--yes-lock-forever")
    assert NO_BACKUP in done.stderr
    assert done.returncode == 1
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        desk.bucket.get_bucket_worm()


@pytest.mark.parametrize("damaged", [True, False])
def test_where_nobody_knows_what_was_kept_nothing_is_locked(desk: Desk, damaged: bool) -> None:
    """The plan in force may keep more than this one: nobody could have agreed to keep less."""
    desk.agree(lock="lock 7d")
    digest = json.loads((desk.folder / "plan.json").read_text())["header"]["digest"]
    applied = f"shop/plans/current/20261120T020000Z-0123abcd.{digest}.json"
    desk.bucket.put_object(applied, b"{}")
    desk.bucket.put_object(f"shop/plans/{digest}.json", b"{}" if damaged else (desk.folder / "plan.json").read_bytes())
    if not damaged:
        with_key(desk, NO_PLANS)
    done = desk.run("apply", "plan.json", "--yes-lock-forever", answers="y\nn\n")
    assert (
        "bucket backup: not locked, since what the plan in force in far keeps can't be read: apply first" in done.stderr
    )
    assert ("the plan in force in far can't be read" if damaged else "may not do oss:GetObject") in done.stderr
    assert done.returncode == (1 if damaged else 4)
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        desk.bucket.get_bucket_worm()
    if not damaged:
        assert "left out: far, in which what is kept can't be looked at" in done.stderr
        there = desk.bucket.list_objects_v2(prefix="shop/plans/current/").object_list
        assert [one.key for one in there] == [applied], "a plan that nobody has seen is not replaced"
    if damaged:
        desk.bucket.put_object(f"shop/plans/{digest}.json", (desk.folder / "plan.json").read_bytes())
        desk.run("apply", "plan.json", "--yes", "--yes-lock-forever")
        assert desk.bucket.get_bucket_worm().state == "Locked"


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "UserDisable", "SecurityTokenExpired"])
def test_a_key_that_is_no_good_is_not_taken_for_one_that_may_set_buckets_alone(desk: Desk, code: str) -> None:
    desk.agree(lock="lock 7d")
    desk.bucket.put_object("shop/shop/a-server/images/x/MANIFEST.json", b"{}")
    desk.server.fault("status", match="^PUT .*/probe-", status=403, code=code)
    done = desk.run("apply", "plan.json", "--yes", "--yes-lock-forever")
    assert done.returncode
    assert "not locked, since preflight found a problem with far" in done.stderr
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        desk.bucket.get_bucket_worm()


@pytest.mark.parametrize("usable", [True, False])
def test_a_lock_on_what_databases_share_is_set_for_one_of_them_too(desk: Desk, usable: bool) -> None:
    """Not where the other's store can't be used, which `--only` does not name."""
    desk.agree(lock="lock 7d")
    path = desk.folder / "shop.bkp"
    text = path.read_text()
    store = text[text.index("store far") : text.index("database shop")]
    text = text.replace('store disk at here { directory "backups" }', store.replace("backup/shop", "backup/wiki"))
    path.write_text(
        text.replace("store far", "store disk", 1).replace("within 1h to disk", "within 1h to disk  lock 7d  keep 14d")
    )
    assert desk.run("compile", "shop.bkp", "-o", "plan.json").returncode == 0
    desk.bucket.put_object(f"shop/shop/{IMAGE}", b"{}")
    if not usable:
        desk.server.fault("status", match="^PUT .*wiki/probe-", status=403, code="InvalidAccessKeyId")
    done = desk.run("apply", "plan.json", "--yes", "--yes-lock-forever", "--only", "shop")
    if usable:
        assert desk.bucket.get_bucket_worm().state == "Locked"
    else:
        assert "not locked, since preflight found a problem with disk" in done.stderr
        with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
            desk.bucket.get_bucket_worm()


def test_preflight_tries_the_folder_in_which_parts_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose root can't be written to: small images would succeed, and larger ones fail."""
    assert list(preflight._temporary_folder()) == []

    def none(*_: object) -> object:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryFile", none)
    (found,) = preflight._temporary_folder()
    assert found.kind == "problem"
    assert "where parts of uploads wait: No usable" in found.text
    assert "emptyDir" in found.mend[0]
