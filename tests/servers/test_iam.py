"""What `compile --target iam` writes is enough for the main job: accounts with its GRANTs, keys with its policies."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from tests.database_server import start_server
from tests.database_server.contents import digests
from tests.oss_server import OssServer
from tests.oss_server.accounts import UID, Account
from tests.servers import test_through_oss
from tests.servers.command_line import PASSWORD, Office
from tests.servers.test_through_oss import agree

bucket, office = test_through_oss.bucket, test_through_oss.office


def as_role(office: Office, bucket: OssServer, role: str) -> None:
    """From now on with a key of this role alone."""
    ram = json.loads((office.folder / "iam" / "iam.json").read_text())["ram"]
    (policy,) = [one["document"] for one in ram if one["role"] == role]
    bucket.service.keys.add(role, f"secret-of-{role}", Account(UID, (json.dumps(policy),)))
    office.environ |= {"OSS_KEY_ID": role, "OSS_KEY_SECRET": f"secret-of-{role}"}


def test_what_it_writes_is_enough(office: Office, bucket: OssServer, tmp_path: Path) -> None:
    agree(office, bucket, "far", "far")
    office.bkpc("compile", "shop.bkp", "--target", "iam", "-o", "iam/", expect=0)
    named = {"mariadb": "-- MariaDB", "mysql": "-- MySQL"}[office.server.flavour]
    lines = (office.folder / "iam" / "grants.sql").read_text().splitlines()
    (grant,) = [after for line, after in pairwise(lines) if line.startswith(named)]
    office.server.run(f"CREATE USER 'bkpc'@'%' IDENTIFIED BY '{PASSWORD}'", grant.rstrip(";"))
    office.environ["SHOP_DB_USER"] = "bkpc"
    as_role(office, bucket, "reconciler")
    assert "1 to take" in office.bkpc("plan", "plan.json", expect=3).text
    as_role(office, bucket, "writer")
    office.bkpc("preflight", "plan.json", expect=0)
    office.bkpc("run", "plan.json", "shop/full/far", expect=0)
    office.server.run("INSERT INTO shop.audit (what) VALUES ('later')")
    test_through_oss.stream_until_stored(office, 1)
    office.bkpc("verify", "plan.json", expect=0)
    before = digests(office.server)
    as_role(office, bucket, "restorer")
    with start_server(office.server.flavour, tmp_path / "rescue") as rescue:
        office.bkpc("restore", "plan.json", "shop", "--into", rescue.url, expect=0)
        assert digests(rescue) == before
    office.bkpc("drill", "plan.json", "shop", expect=0)
    office.bkpc("list", "plan.json", expect=0)
    assert "drill: passed" in office.bkpc("status", "plan.json", expect=1).text  # no agent runs here
    as_role(office, bucket, "reconciler")
    assert "nothing is missing or overdue" in office.bkpc("plan", "plan.json", expect=3).text
    as_role(office, bucket, "writer")
    told = office.bkpc("apply", "plan.json", "--yes", expect=0).text
    assert "bucket backup: this key may write into it and not see how it is set" in told
    as_role(office, bucket, "restorer")
    assert "oss:GetBucketInfo" in office.bkpc("apply", "plan.json", "--yes", expect=4).text
    as_role(office, bucket, "expirer")
    office.bkpc("run", "plan.json", "shop/expire", expect=0)
