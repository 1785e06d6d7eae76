"""`bkpc plan` names servers that are there and in no policy, with what to write: a source and its replica, for real."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.database_server import start_server
from tests.servers.command_line import PASSWORD, Office
from tests.servers.conftest import FLAVOURS

ACCOUNT = "'backup'@'%'"
FOLLOW = {
    "mysql": (
        (
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='backup', "
            "SOURCE_PASSWORD='{password}', GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1"
        ),
        "START REPLICA",
    ),
    "mariadb": (
        (
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='backup', "
            "MASTER_PASSWORD='{password}', MASTER_CONNECT_RETRY=1"
        ),
        "START SLAVE",
    ),
}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_replica_and_a_source_that_no_policy_names(flavour: str, tmp_path: Path) -> None:
    with (
        start_server(flavour, tmp_path / "source") as source,
        start_server(flavour, tmp_path / "replica", report_host="localhost", relay_log="relay") as replica,
    ):
        office = Office.opened(tmp_path / "office", source)
        source.run("CREATE DATABASE shop", "CREATE TABLE shop.hits (a INT) ENGINE=MyISAM")
        replica.run(*(one.format(port=source.port, password=PASSWORD) for one in FOLLOW[flavour]))
        told = until_told(office, f"127.0.0.1:{replica.port} takes the log of `shop`, and no policy names it")
        assert "note: `shop`: not transactional: shop.hits (MyISAM)" in told
        # What it says to write is what makes it quiet.
        lines = told[told.index("    database ") :].splitlines()
        sentence = "\n".join(line for line in lines if line.startswith("    ")).replace("POLICY", "basic")
        policy = (office.folder / "shop.bkp").read_text()
        plan(office, policy + sentence.replace("USER, PASSWORD", "SHOP_DB_USER, SHOP_DB_PASSWORD"))
        shown = office.bkpc("plan", "plan.json", "--format", "json").text
        document = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])
        assert [one["text"] for one in document["coverage"]["uncovered"] if "no policy" in one["text"]] == []

        plan(office, policy.replace(f":{source.port}", f":{replica.port}"))
        told = office.bkpc("plan", "plan.json").text
        assert f"127.0.0.1:{source.port} is where `shop` takes log from, and no policy names it" in told
        source.run(f"REVOKE ALL PRIVILEGES ON *.* FROM {ACCOUNT}", f"GRANT SELECT ON *.* TO {ACCOUNT}")
        plan(office, policy)
        told = office.bkpc("plan", "plan.json").text
        assert "coverage: not all is known of `shop`: its account may not ask for replicas: that takes REPL" in told


def plan(office: Office, policy: str) -> None:
    office.write(policy)
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)


def until_told(office: Office, text: str) -> str:
    """What `plan` says once the replica has reached its source."""
    for _ in range(50):
        told = office.bkpc("plan", "plan.json").text
        if text in told:
            return told
        time.sleep(0.2)
    raise AssertionError(told)
