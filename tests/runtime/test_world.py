"""Where the addresses of a plan lead."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bkpc_grammar.plan import CredentialReference
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.secret import Secret
from bkpc_runtime.world import World, _place
from tests.compiler.backends.made import made_plan


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("db:3307", ("db", 3307, "")),
        ("db", ("db", 3306, "")),
        ("[::1]:3307", ("::1", 3307, "")),
        ("[::1]", ("::1", 3306, "")),
        ("/run/mysqld.sock", ("", 0, "/run/mysqld.sock")),
    ],
)
def test_an_address_of_a_plan(address: str, place: tuple[str, int, str]) -> None:
    assert _place(address) == place


def test_a_port_that_is_none() -> None:
    with pytest.raises(BadUsage):
        _place("db:port")


SPOILT = ["hush\nhush", "hush\n", "hush\x00", "hush\x85hush", "hush\udc80"]


@pytest.mark.parametrize("spoilt", SPOILT)
@pytest.mark.parametrize("name", ["USER", "PASSWORD"])
def test_a_login_with_what_nobody_types_is_refused_and_not_shown(name: str, spoilt: str, tmp_path: Path) -> None:
    plan = made_plan()
    login = CredentialReference(kind="env", names=("USER", "PASSWORD"))
    database = msgspec.structs.replace(plan.estate.databases[0], credentials=login)
    with pytest.raises(BadUsage, match=rf"{name}, which database `{database.name}` needs") as raised:
        World(plan, tmp_path, {"USER": "me", "PASSWORD": "p", name: spoilt}).login(database)
    assert "hush" not in f"{raised.value} {raised.value.help}"


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_password_with_what_nobody_types_is_refused_and_not_shown(
    spoilt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, file = "mysql://me@localhost/?password-", tmp_path / "password"
    file.touch(0o600)
    file.write_bytes(f"{spoilt}x".encode(errors="surrogateescape"))
    with pytest.raises(BadUsage, match=r"the password file .* (holds a line break|is not UTF-8)") as raised:
        parse_address(f"{url}file={file}").password()
    assert "hush" not in f"{raised.value} {raised.value.help}"
    if "\x00" not in spoilt:
        monkeypatch.setenv("PW", spoilt)
        with pytest.raises(BadUsage, match="the value of PW, the password of me@localhost:3306, ") as raised:
            parse_address(f"{url}env=PW").password()
        assert "hush" not in f"{raised.value} {raised.value.help}"


def test_a_file_may_end_its_line(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text("\u5bc6\u7801\u00e4\r\n")
    assert parse_address(f"mysql://me@localhost/?password-file={file}").password() == Secret("\u5bc6\u7801\u00e4")


def test_a_user_in_a_url_with_a_line_break_is_refused() -> None:
    with pytest.raises(BadUsage, match="the user in the server's URL"):
        parse_address("mysql://me%0Apassword=x@localhost/")
