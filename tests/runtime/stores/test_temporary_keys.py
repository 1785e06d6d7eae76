"""Keys of a machine's or pod's role, lent by small services of our own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from bkpc_grammar import plan
from bkpc_runtime.errors import BadUsage, Refused, StoreDenied, StoreUnreachable
from bkpc_runtime.secret import Secret
from bkpc_runtime.stores import temporary_keys
from bkpc_runtime.stores.credentials import AccessKey
from bkpc_runtime.stores.open import open_store
from bkpc_runtime.stores.oss import OssStore
from bkpc_runtime.stores.patience import Patience
from bkpc_runtime.stores.temporary_keys import AHEAD, RRSA, Lent, Renewed, role_keys
from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.runtime.stores.test_credentials import FAR

Answer = tuple[int, str]


@pytest.fixture(autouse=True)
def _nothing_lent_yet() -> Iterator[None]:
    """Ports come again: no test is lent what another was."""
    temporary_keys._renewed.clear()
    yield
    temporary_keys._renewed.clear()


METADATA, STS = "BKPC_METADATA_ENDPOINT", "ALIBABA_CLOUD_STS_ENDPOINT"


@contextmanager
def service(answer: Callable[[str, str, dict[str, str], bytes], Answer]) -> Iterator[str]:
    """Answers every request with what `answer(method, path, headers, body)` says; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, text = answer(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_PUT = do_POST = do_GET  # noqa: N815 - the names are http.server's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def lent(number: int) -> dict[str, str]:
    ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "AccessKeyId": f"STS.{number}",
        "AccessKeySecret": "lent-secret",
        "SecurityToken": "lent-token",
        "Expiration": ends,
        "Code": "Success",
    }


def metadata(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    """An instance with one role, in hardened mode."""
    if method == "PUT" and path == "/latest/api/token" and "x-aliyun-ecs-metadata-token-ttl-seconds" in headers:
        return 200, "a-session-token"
    if headers.get("x-aliyun-ecs-metadata-token") != "a-session-token":
        return 403, "no token"
    if path == "/latest/meta-data/ram/security-credentials/":
        return 200, "backup-writer"
    if path == "/latest/meta-data/ram/security-credentials/backup-writer":
        return 200, json.dumps(lent(1))
    return 404, "<html>no such thing</html>"


@pytest.mark.parametrize("role", ["", "backup-writer"])
def test_an_instance_lends_the_key_of_its_role(role: str) -> None:
    with service(metadata) as url:
        assert role_keys("far", role, {METADATA: url})() == AccessKey(
            "STS.1", Secret("lent-secret"), Secret("lent-token")
        )


def test_a_store_that_is_opened_again_uses_the_key_that_was_lent(tmp_path: Path) -> None:
    token, asked = tmp_path / "token", list[str]()
    token.write_text("t")

    def counted(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        asked.append(method)
        return metadata(method, path, headers, body)

    def sts(*_: object) -> Answer:
        asked.append("STS")
        return 200, json.dumps({"Credentials": lent(len(asked))})

    with service(counted) as url, service(sts) as other:
        store = replace(FAR, credentials=plan.CredentialReference(kind="role", names=("backup-writer",)))
        for _ in range(3):
            open_store(store, tmp_path, {METADATA: url})
        assert asked == ["PUT", "GET"]
        assert len({role_keys("far", "", pod(token, other))().id for _ in range(3)}) == 1
        assert asked == ["PUT", "GET", "STS"]
        role_keys("far", "other-role", {METADATA: url})  # another role is another key
        assert role_keys("near", "", {METADATA: url}) is not role_keys("far", "", {METADATA: url})


def test_a_role_that_is_not_attached_is_named() -> None:
    with service(metadata) as url, pytest.raises(StoreDenied, match=r"`far`.*`other`.*404"):
        role_keys("far", "other", {METADATA: url})()


def test_a_machine_that_is_no_instance_is_told() -> None:
    with pytest.raises(StoreUnreachable, match=r"RAM role could not be taken, since http://.* lends nothing") as raised:
        role_keys("far", "", {METADATA: "http://127.0.0.1:9"})()
    assert "credentials env" in raised.value.help


def pod(token: Path, sts: str) -> dict[str, str]:
    return dict(zip(RRSA, ("acs:ram::1:role/bkpc", "acs:ram::1:oidc-provider/ack", str(token)), strict=True)) | {
        STS: sts
    }


def test_a_pod_takes_its_role_and_reads_its_token_anew(tmp_path: Path) -> None:
    token, asked = tmp_path / "token", []

    def sts(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        assert method == "POST"
        assert "OIDCToken" not in path, "proxies write down what is asked for"
        both = f"{urlsplit(path).query}&{body.decode()}"
        asked.append({name: value[0] for name, value in parse_qs(both).items()})
        return 200, json.dumps({"Credentials": lent(len(asked))})

    with service(sts) as url:
        now = [datetime.now(UTC).timestamp()]
        keys = role_keys("far", "", pod(token, url))
        keys._clock = lambda: now[0]
        token.write_text("first\n")
        assert keys().id == keys().id == "STS.1"
        token.write_text("second\n")
        now[0] += 3600 - AHEAD + 1
        assert keys().id == "STS.2"
    assert [one["OIDCToken"] for one in asked] == ["first", "second"]
    assert asked[0]["Action"] == "AssumeRoleWithOIDC"
    assert asked[0]["RoleArn"] == "acs:ram::1:role/bkpc"
    assert asked[0]["OIDCProviderArn"] == "acs:ram::1:oidc-provider/ack"
    assert asked[0]["DurationSeconds"] == "3600"
    told = datetime.strptime(asked[0]["Timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)


def test_what_sts_refuses_is_told_without_the_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-pods-own-secret")
    with (
        service(lambda *_: (400, json.dumps({"Code": "AuthenticationFail.NoPermission", "Message": "m"}))) as url,
        pytest.raises(StoreDenied, match=r"acs:ram::1:role/bkpc.*AuthenticationFail.NoPermission") as raised,
    ):
        role_keys("far", "", pod(token, url))()
    assert "a-pods-own-secret" not in repr(raised.value)


def test_a_token_that_is_not_mounted_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreDenied, match="No such file"):
        role_keys("far", "", pod(tmp_path / "token", "http://127.0.0.1:9"))()


@pytest.mark.parametrize("held", ["", "one\nline", "日本", "\x00"])
def test_a_token_that_can_be_none_is_told_and_not_shown(tmp_path: Path, held: str) -> None:
    (tmp_path / "token").write_text(f"hush{held}hush" if held else "")
    with pytest.raises(StoreDenied, match="token holds no token") as raised:
        role_keys("far", "", pod(tmp_path / "token", "http://127.0.0.1:9"))()
    assert "hush" not in repr(raised.value)


@pytest.mark.parametrize("name", RRSA[:2])
def test_a_variable_of_a_pod_that_can_be_no_name_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadUsage, match=f"{name} has letters"):
        role_keys("far", "", pod(tmp_path / "token", "http://127.0.0.1:9") | {name: "a\udc80\nb"})


@pytest.mark.parametrize("url", ["https://[", "https://a b", "https://日本\n", "ftp://x", "https://"])
def test_an_endpoint_of_sts_that_can_be_none_is_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadUsage, match="ALIBABA_CLOUD_STS_ENDPOINT is no URL"):
        role_keys("far", "", pod(tmp_path / "token", url))


def test_half_a_pods_variables_are_told() -> None:
    with pytest.raises(BadUsage, match=RRSA[1]):
        role_keys("far", "", {RRSA[0]: "arn"})


def test_a_key_is_renewed_before_it_ends_and_the_old_one_used_while_that_fails() -> None:
    now, failing, asked = [0.0], [False], [0]

    def ask() -> Lent:
        if failing[0]:
            raise StoreDenied("not now")
        asked[0] += 1
        return Lent(AccessKey(f"{asked[0]}", Secret("s")), now[0] + 3600)

    keys = Renewed(ask, lambda: now[0])
    assert keys().id == "1"
    now[0] = 3600 - AHEAD
    assert keys().id == "1"
    now[0] += 1
    failing[0] = True
    assert keys().id == "1"
    failing[0] = False
    now[0] += 31
    assert keys().id == "2"
    failing[0], now[0] = True, now[0] + 3600
    with pytest.raises(StoreDenied):
        keys()


NO_KEYS = (
    "null",
    "[]",
    "<html>",
    "",
    '{"Credentials":null}',
    '{"Credentials":"x"}',
    json.dumps({"Credentials": lent(1) | {"AccessKeySecret": None}}),
    json.dumps({"Credentials": lent(1) | {"AccessKeyId": "\u65e5\u672c"}}),
    json.dumps({"Credentials": lent(1) | {"Expiration": 5}}),
)


@pytest.mark.parametrize("said", NO_KEYS)
def test_an_answer_that_lends_no_key_is_told_and_may_be_asked_for_again(tmp_path: Path, said: str) -> None:
    token = tmp_path / "token"
    token.write_text("a-pods-own-secret")
    with service(lambda *_: (200, said)) as url:
        with pytest.raises(StoreUnreachable, match=r"`far`.*role acs:ram.*no usable answer") as raised:
            role_keys("far", "", pod(token, url))()
        assert raised.value.retryable
    with service(lambda _, path, *__: (200, said if path.endswith("/role") else "token")) as url:
        with pytest.raises(StoreUnreachable, match=r"`far`.*no usable answer") as raised:
            role_keys("far", "role", {METADATA: url})()
        assert raised.value.retryable


@pytest.mark.parametrize("status", [429, 500, 503])
def test_sts_that_is_away_for_a_moment_is_asked_again(tmp_path: Path, status: int) -> None:
    """The request that needed the key goes on."""
    token, asked = tmp_path / "token", list[int]()
    token.write_text("t")

    def sts(*_: object) -> Answer:
        asked.append(status)
        return (status, "null") if len(asked) < 3 else (200, json.dumps({"Credentials": lent(1)}))

    (tmp_path / "oss").mkdir()
    with service(sts) as url, OssServer(tmp_path / "oss") as server:
        server.bucket()
        keys = role_keys("far", "", pod(token, url))

        def known() -> AccessKey:
            keys()
            return AccessKey(KEY_ID, Secret(KEY_SECRET))

        OssStore("far", "backup", server.endpoint, REGION, "", known, Patience(first=0.001, longest=0.01)).put(
            "a", b"x"
        )
    assert len(asked) == 3


def test_no_request_waits_for_a_renewal_while_the_old_key_holds() -> None:
    now, asked, answering = [0.0], list[int](), threading.Event()

    def ask() -> Lent:
        asked.append(1)
        if len(asked) > 1:
            answering.wait(10)
            raise StoreUnreachable("away", retryable=True)
        return Lent(AccessKey("1", Secret("s")), 3600)

    keys = Renewed(ask, lambda: now[0])
    keys()
    now[0] = 3600 - AHEAD + 1
    first = threading.Thread(target=keys)
    first.start()
    while len(asked) < 2:
        time.sleep(0.001)
    began = time.monotonic()
    assert {keys().id for _ in range(50)} == {"1"}
    assert time.monotonic() - began < 5
    answering.set()
    first.join()
    assert {keys().id for _ in range(50)} == {"1"}
    assert len(asked) == 2, "one that failed is not tried again at once"
    now[0] += 31
    assert keys().id == "1"
    assert len(asked) == 3


def test_the_pods_token_never_goes_over_plain_http(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="plain HTTP") as raised:
        role_keys("far", "", pod(tmp_path / "token", "http://sts.example"))
    assert "https://sts.example" in raised.value.help
    with pytest.raises(BadUsage, match=STS):
        role_keys("far", "", pod(tmp_path / "token", "ftp://localhost"))


def test_a_store_of_a_plan_with_a_role_opens(tmp_path: Path) -> None:
    store = replace(FAR, credentials=plan.CredentialReference(kind="role", names=()))
    with service(metadata) as url:
        assert isinstance(open_store(store, tmp_path, {METADATA: url}), OssStore)


def lending(server: OssServer, lasts: float, clock: Callable[[], float]) -> tuple[Renewed, list[str]]:
    """A role of which each key lasts so many seconds, by the service's clock; and the ids of those that were lent."""
    given: list[str] = []

    def ask() -> Lent:
        key = server.lend(timedelta(seconds=lasts))
        given.append(key.id)
        return Lent(AccessKey(key.id, Secret(key.secret), Secret(key.token)), time.time() + lasts)

    return Renewed(ask, clock), given


@pytest.mark.parametrize("times", [1, 2])
def test_a_key_that_oss_calls_expired_is_asked_for_once_more(tmp_path: Path, times: int) -> None:
    """The machine's clock is slow: by it the key holds. Nothing of what was under way fails."""
    with OssServer(tmp_path) as server:
        server.bucket()
        keys, given = lending(server, 600, time.time)
        store = OssStore("far", "backup", server.endpoint, REGION, "", keys, Patience(total=1, first=0.001))
        store.put("a", b"x")
        server.ahead = timedelta(seconds=700)
        if times == 2:
            server.fault("status", status=403, code="SecurityTokenExpired")
        if times == 1:
            store.put("b", b"x")
            assert [one.key for one in store.list("")] == ["a", "b"]
        else:
            with pytest.raises(StoreDenied, match="the STS token has expired"):
                store.put("b", b"x")
        assert len(given) == 2


def test_a_key_that_has_expired_is_asked_for_once_by_all_threads(tmp_path: Path) -> None:
    with OssServer(tmp_path) as server:
        server.bucket()
        keys, given = lending(server, 600, time.time)
        store = OssStore("far", "backup", server.endpoint, REGION, "", keys, Patience(total=1, first=0.001))
        keys()
        server.ahead = timedelta(seconds=700)
        with ThreadPoolExecutor(4) as pool:
            barrier = threading.Barrier(4)

            def put(number: int) -> None:
                barrier.wait()
                store.put(f"{number}", b"x")

            list(pool.map(put, range(4)))
        assert len(list(store.list(""))) == 4
        assert len(given) == 2


def test_where_no_other_key_can_be_lent_that_is_told(tmp_path: Path) -> None:
    with OssServer(tmp_path) as server:
        server.bucket()
        lent_once = server.lend()
        asked: list[int] = []

        def ask() -> Lent:
            asked.append(1)
            if len(asked) > 1:
                raise StoreUnreachable("STS is away", retryable=True)
            return Lent(AccessKey(lent_once.id, Secret(lent_once.secret), Secret(lent_once.token)), time.time() + 3600)

        store = OssStore("far", "backup", server.endpoint, REGION, "", Renewed(ask), Patience(total=0.1, first=0.001))
        server.fault("status", status=403, code="SecurityTokenExpired")
        with pytest.raises(StoreUnreachable, match="STS is away") as raised:
            store.put("a", b"x")
        assert raised.value.retryable


def test_a_file_that_was_written_anew_meanwhile_is_read_again(tmp_path: Path) -> None:
    with OssServer(tmp_path) as server:
        server.bucket()
        keys = [server.lend() for _ in range(3)]
        held = [AccessKey(one.id, Secret(one.secret), Secret(one.token)) for one in keys]
        read = iter((held[0], held[1], held[2], held[2]))
        store = OssStore("far", "backup", server.endpoint, REGION, "", lambda: next(read), Patience(total=0.1))
        server.fault("status", status=403, code="SecurityTokenExpired", times=1)
        store.put("a", b"x")
        same = OssStore("far", "backup", server.endpoint, REGION, "", lambda: held[0], Patience(total=0.1))
        server.fault("status", status=403, code="SecurityTokenExpired", times=1)
        with pytest.raises(StoreDenied, match="the STS token has expired"):
            same.put("a", b"x")


@pytest.mark.parametrize("lasts", [200.0, 1.0, -50.0])
def test_a_key_that_lives_shortly_is_not_asked_for_at_each_request(lasts: float) -> None:
    """Nor one that has ended before it was lent: this machine's clock is wrong, and OSS knows better."""
    now, asked = [0.0], list[int]()

    def ask() -> Lent:
        asked.append(1)
        return Lent(AccessKey(f"{len(asked)}", Secret("s")), now[0] + lasts)

    keys = Renewed(ask, lambda: now[0])
    assert {keys().id for _ in range(20)} == {"1"}
    now[0] += max(lasts, 30.0) / 2 + 1
    assert {keys().id for _ in range(20)} == {"2"}
    assert len(asked) == 2


def test_an_instance_is_not_redirected() -> None:
    """A page of a portal is no session token."""
    with (
        service(lambda *_: (302, json.dumps(lent(1)))) as url,
        pytest.raises(StoreUnreachable, match="the service answers 302"),
    ):
        role_keys("far", "role", {METADATA: url})()
