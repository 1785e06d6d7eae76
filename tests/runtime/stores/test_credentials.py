"""Keys from variables and files, and endpoints, as people get them wrong."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bkpc_grammar import plan
from bkpc_runtime.errors import BadUsage
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores.credentials import AccessKey, read_access_key
from bkpc_runtime.stores.open import open_store

VARIABLES = plan.CredentialReference(kind="env", names=("KEY_ID", "KEY_SECRET", "TOKEN"))
FILE = plan.CredentialReference(kind="file", names=("keys",))
FAR = plan.Store(
    name="far",
    site="hangzhou",
    kind="oss",
    location="backup",
    endpoint="https://oss-cn-hangzhou.aliyuncs.com",
    region="cn-hangzhou",
    storage_class="standard",
    redundancy=None,
    thaw_ms=0,
    credentials=plan.CredentialReference(kind="env", names=("KEY_ID", "KEY_SECRET")),
)
GIVEN = {"KEY_ID": "id", "KEY_SECRET": "secret", "TOKEN": "token"}


@pytest.mark.parametrize("wrong", ["日本", "two words", "one\nline", "\u200bhidden", "   "])
@pytest.mark.parametrize("name", VARIABLES.names)
def test_a_variable_that_holds_no_key_is_named(tmp_path: Path, name: str, wrong: str) -> None:
    with pytest.raises(BadUsage, match=f"{name}, which store `far` needs") as raised:
        read_access_key("far", VARIABLES, tmp_path, GIVEN | {name: wrong})
    assert wrong.strip() == "" or wrong not in str(raised.value)


def key_file(folder: Path, text: bytes) -> None:
    (folder / "keys").touch(0o600)
    (folder / "keys").write_bytes(text)


def test_a_file_that_begins_with_a_mark_is_read(tmp_path: Path) -> None:
    key_file(tmp_path, b"\xef\xbb\xbf[Credentials]\r\naccessKeyID=id\r\naccessKeySecret=secret\r\n")
    assert read_access_key("far", FILE, tmp_path, {}) == AccessKey("id", Secret("secret"))


@pytest.mark.parametrize("line", ["accessKeyID=日本", "accessKeySecret=s e", "stsToken=日本"])
def test_a_file_with_letters_that_no_key_has_is_refused(tmp_path: Path, line: str) -> None:
    lines = {"accessKeyID": "id", "accessKeySecret": "secret"} | dict([line.split("=")])
    key_file(tmp_path, "\n".join(["[Credentials]", *(f"{key}={said}" for key, said in lines.items())]).encode())
    with pytest.raises(BadUsage, match=r"keys of store `far` holds no key: \[Credentials\] has letters"):
        read_access_key("far", FILE, tmp_path, {})


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://oss cn.example",
        "https://a:b:c",
        "https://a:99999",
        "https://[::1",
        "https://x/y",
        "https://x?z",
        "https://id:key@x",
        "ftp://x",
    ],
)
def test_an_endpoint_that_can_be_none_is_told(tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(BadUsage, match=r"`far`.*endpoint"):
        open_store(msgspec.structs.replace(FAR, endpoint=endpoint), tmp_path, GIVEN)
