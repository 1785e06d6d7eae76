"""What goes wrong is told once and plainly, with its exit code, and the repository stays as it was."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database_server import ThrowawayServer, start_server
from tests.demo import policy
from tests.demo.shop import load
from tests.servers.command_line import PASSWORD, Done, Office


@pytest.fixture(scope="module")
def office(server: ThrowawayServer, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """With one image taken."""
    load(server)
    office = Office.opened(tmp_path_factory.mktemp("office") / "office", server)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    return office


@pytest.fixture(autouse=True)
def _consistent(office: Office) -> Iterator[None]:
    """Whatever a test made go wrong: the image of before is there and whole, and nothing else is seen."""
    before = office.bkpc("list", "plan.json", expect=0).text
    yield
    assert office.bkpc("list", "plan.json", expect=0).text == before
    assert "ok  shop" in office.bkpc("verify", "plan.json", expect=0).text


def told(done: Done, code: int, *says: str) -> None:
    """One error, which says all of `says`."""
    assert done.code == code, done.text
    errors = [line for line in done.text.splitlines() if re.match(r"error:|\s+problem:", line)]
    assert len(errors) == 1, done.text
    for one in says:
        assert one in done.text


def test_wrong_password(office: Office) -> None:
    told(office.bkpc("apply", "plan.json", "--yes", SHOP_DB_PASSWORD="wrong"), 1, "refused the login")
    told(office.bkpc("run", "plan.json", "shop/full/disk", SHOP_DB_PASSWORD="wrong"), 4, "refused the login")


def test_no_server_there(office: Office, tmp_path: Path) -> None:
    # Beside the policy of the plan that other tests apply: that one must stay as it was compiled.
    (office.folder / "nobody.bkp").write_text(policy.mended(1, office.recipient))
    office.bkpc("compile", "nobody.bkp", "-o", "nobody.json", expect=0)
    told(office.bkpc("run", "nobody.json", "shop/full/disk"), 4, "127.0.0.1:1", "refused", "is the server running")
    told(office.bkpc("preflight", "nobody.json"), 1, "127.0.0.1:1")


def test_no_credentials(office: Office) -> None:
    del office.environ["SHOP_DB_PASSWORD"]
    try:
        told(office.bkpc("run", "plan.json", "shop/full/disk"), 2, "SHOP_DB_PASSWORD", "export")
        told(office.bkpc("agent", "plan.json"), 2, "SHOP_DB_PASSWORD")
    finally:
        office.environ["SHOP_DB_PASSWORD"] = PASSWORD


def test_a_missing_privilege(office: Office) -> None:
    office.server.run("REVOKE TRIGGER ON *.* FROM 'backup'@'%'")
    try:
        for command, code in ((("apply", "plan.json", "--yes"), 1), (("run", "plan.json", "shop/full/disk"), 1)):
            told(office.bkpc(*command), code, "lacks TRIGGER", "GRANT TRIGGER ON *.* TO 'backup'@'%'")
    finally:
        office.server.run("GRANT TRIGGER ON *.* TO 'backup'@'%'")


def test_a_store_that_is_not_there(office: Office) -> None:
    plan = office.folder / "backups"
    away = plan.rename(office.folder / "away")
    plan.write_text("a file where the folder was")
    try:
        told(office.bkpc("apply", "plan.json", "--yes"), 1, "disk")
        told(office.bkpc("run", "plan.json", "shop/full/disk"), 4, "disk")
        told(office.bkpc("restore", "plan.json", "shop", "--into", office.server.url), 4, "disk")
    finally:
        plan.unlink()
        away.rename(plan)


def test_a_store_that_fills_up(office: Office) -> None:
    office.server.run(
        "CREATE TABLE shop.filling (body LONGBLOB)",
        *(f"INSERT INTO shop.filling VALUES ({'0x' + os.urandom(400_000).hex()})" for _ in range(3)),
    )
    try:
        done = subprocess.run(
            ["prlimit", "--fsize=300000", *office.command("run", "plan.json", "shop/full/disk")],
            cwd=office.folder, env=office.environ, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        told(Done(done.returncode, done.stdout), 4, "disk")
    finally:
        office.server.run("DROP TABLE shop.filling")


def test_a_plan_that_was_edited(office: Office) -> None:
    path = office.folder / "plan.json"
    whole = path.read_text()
    edited = office.folder / "edited.json"
    for body, says in (
        (whole.replace('"flush_ms": 2000', '"flush_ms": 2000000'), "edited"),
        (whole[: len(whole) // 2], "edited.json"),
        ('{"a": 1}', "edited.json"),
        ("", "edited.json"),
    ):
        assert body != whole
        edited.write_text(body)
        for command in (["apply", "edited.json", "--yes"], ["agent", "edited.json"], ["list", "edited.json"]):
            told(office.bkpc(*command), 5, says)
    told(office.bkpc("list", "nowhere.json"), 2, "nowhere.json")


def test_names_nobody_knows(office: Office) -> None:
    told(office.bkpc("list", "plan.json", "shpo"), 2, "no database `shpo`", "it has: shop")
    told(office.bkpc("run", "plan.json", "shop/full/nowhere"), 2, "no job", "shop/full/disk")
    told(office.bkpc("verify", "plan.json", "--store", "tape"), 2, "no store `tape`", "it has: disk")
    told(office.bkpc("log", "plan.json", "shop", "--find", "where is it"), 2, "can't be looked for")
    done = office.bkpc("log", "plan.json", "shop", "--find", "drop table shop.ordres")
    assert (done.code, "there is `orders`" in done.text) == (1, True), done.text


def test_a_restore_that_may_not_be(office: Office, tmp_path: Path) -> None:
    restore = ("restore", "plan.json", "shop", "--into")
    told(office.bkpc(*restore, office.server.url), 5, "not empty")
    told(office.bkpc(*restore, "mysql+unix:///nowhere.sock?user=root"), 4, "nowhere.sock")
    told(office.bkpc(*restore, "postgres://x"), 2, "postgres")
    told(office.bkpc(*restore, office.server.url, "--to", "1999-01-01"), 1, "what can be restored")
    told(office.bkpc(*restore, office.server.url, "--to", "yesterday"), 2, "yesterday", "such as")
    with start_server(office.server.flavour, tmp_path / "rescue") as rescue:
        told(office.bkpc(*restore, rescue.url, BKPC_AGE_IDENTITY=""), 5, "encrypted", "--identity")
        other = tmp_path / "other.txt"
        subprocess.run(["age-keygen", "-o", str(other)], check=True, capture_output=True)
        told(office.bkpc(*restore, rescue.url, "--identity", str(other)), 5, "use that of a recipient")
        assert rescue.run("SHOW DATABASES LIKE 'shop'") == []
        other.chmod(0o644)
        told(office.bkpc(*restore, rescue.url, "--identity", str(other)), 5, "chmod 600")
        image = json.loads(office.bkpc("list", "plan.json", "--format", "json").text)[0]["image"]
        office.bkpc(*restore, rescue.url, "--to", image, expect=0)
        assert rescue.run("SELECT COUNT(*) FROM shop.orders") == office.server.run("SELECT COUNT(*) FROM shop.orders")


def test_status_of_what_is_and_what_is_not(office: Office) -> None:
    done = office.bkpc("status", "plan.json")
    assert done.code == 1, "an rpo is promised, and no log is archived"
    assert "is `bkpc agent` running?" in done.text
    assert "1 image, " in done.text
    assert "no log" in done.text
    down = office.bkpc("status", "plan.json", SHOP_DB_PASSWORD="wrong")
    assert "refused the login" in down.text
    assert "1 image, " in down.text
