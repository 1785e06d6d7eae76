"""An image and its log bring a server back, by our commands and by standard tools alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyrage
import pytest
from msgspec.structs import replace

from bkpc_runtime.errors import BadUsage, DamagedBackup, PolicyBroken, Refused, RuntimeFailure
from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.flavour import ServerFacts
from bkpc_runtime.recovery.accounts_back import AccountsBack
from bkpc_runtime.recovery.choice import Start, choose, starts
from bkpc_runtime.recovery.load import load_image, ready_target
from bkpc_runtime.recovery.marker import Marker
from bkpc_runtime.recovery.point import Point, parse_point
from bkpc_runtime.recovery.recover import Means, Restored, Silent, recover
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import By, ByApplier, ByClient, Way
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.repository.manifest import Manifest
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.steps.copy import copy_image
from bkpc_runtime.steps.verify import verify_image
from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import digest, quoted, tables
from tests.demo.shop import load
from tests.servers.kinds_of_store import BOTH, keys
from tests.servers.streaming import Streaming, position, wait_for

HOSTILE = """
CREATE DATABASE `odd ``name`;
CREATE TABLE `odd ``name`.`a``b; DROP` (id INT PRIMARY KEY, words TEXT COMMENT 'it''s
-- Table structure for table `audit`');
INSERT INTO `odd ``name`.`a``b; DROP` VALUES
  (1, '\\n--\\n-- Table structure for table `audit`\\n--\\n'), (2, '\\\\'), (3, NULL);
CREATE TABLE `odd ``name`.`订单` (id INT PRIMARY KEY, body LONGBLOB, j JSON, d DECIMAL(30,10), t TIMESTAMP(6) NULL);
CREATE TABLE `odd ``name`.aaa (id INT PRIMARY KEY, `
--
-- Table structure for table ``orders``
--
x` VARCHAR(99) DEFAULT '
--
-- Table structure for table `orders`
--
', CHECK (CONCAT(id, 'x') <> '
--
-- Table structure for table `orders`
--
'));
INSERT INTO `odd ``name`.aaa (id) VALUES (1);
INSERT INTO `odd ``name`.`订单` VALUES (1, UNHEX(REPEAT('00FF0A0D1A275C', 1000)), '{"a": [1, null]}', 1e19, NULL);
"""
TRIGGER = """CREATE TRIGGER shop.marked BEFORE INSERT ON shop.audit FOR EACH ROW BEGIN
--
-- Table structure for table `audit`
--
SET NEW.what = CONCAT(NEW.what, '');
END"""


WAYS: list[By] = ["applier", "client"]


@pytest.fixture(autouse=True)
def _tools(fresh_server: ThrowawayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BKPC_MYSQL_BIN", str(fresh_server.bin))


@pytest.fixture
def shop(fresh_server: ThrowawayServer) -> ThrowawayServer:
    load(fresh_server)
    subprocess.run(fresh_server.client_command("--default-character-set=utf8mb4"), input=HOSTILE.encode(), check=True)
    fresh_server.run(TRIGGER)
    return fresh_server


@pytest.fixture
def rescue(fresh_server: ThrowawayServer, tmp_path: Path) -> Iterator[ThrowawayServer]:
    with start_server(fresh_server.flavour, tmp_path / "rescue") as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, Secret]:
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path / "key.txt"
    path.write_text(f"{identity}\n")
    path.chmod(0o600)
    return str(identity.to_public()), Secret(str(identity))


def image_of(server: ThrowawayServer, stores: Sequence[Store], recipients: list[str]) -> Manifest:
    return take_image(Source("shop", parse_address(server.url), Secret("")), stores, recipients, expected_size=1 << 20)


def fingerprint(server: ThrowawayServer) -> list[tuple[object, ...]]:
    """Definition and digest of every table, and the definitions of all else."""
    found: list[tuple[object, ...]] = []
    for schema, table in tables(server):
        found += server.run(f"SHOW CREATE TABLE {quoted(schema, table)}")
        found.append((schema, table, digest(server, schema, table)))
    found += server.run("SELECT trigger_name, action_statement, definer FROM information_schema.triggers "
                        "WHERE trigger_schema NOT IN ('sys', 'mysql') ORDER BY 1")  # fmt: skip
    found += server.run("SELECT routine_name, routine_definition, definer FROM information_schema.routines "
                        "WHERE routine_schema NOT IN ('sys', 'mysql') ORDER BY 1")  # fmt: skip
    found += server.run("SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = 'shop'")
    found += server.run("SELECT event_name, event_definition, interval_value, status FROM information_schema.events")
    return found


class Watching(Silent):
    """Remembers how the log was replayed."""

    way: Way | None = None

    def certain(self, start: Start, facts: ServerFacts, way: Way | None) -> None:  # noqa: ARG002
        self.way = way

    def __init__(self, target: Target, store: Store, identities: list[Secret]) -> None:
        self._target, self._store, self._identities = target, store, identities

    def begins(self, marker: Marker) -> None:
        (image,) = [one for one in catalogue.all_images(self._store, "shop") if one.manifest.id == marker.image]
        self.accounts = AccountsBack.on(self._target, image, self._store, self._identities)
        self.accounts.create(self._target)

    def before_views(self) -> None:
        self.accounts.grant(self._target)

    def loaded(self) -> None:
        self.accounts.grant_on_views(self._target)


def restore(
    store: Store,
    rescue: ThrowawayServer,
    to: str | Point,
    identities: list[Secret],
    by: By = "auto",
    problems: Sequence[str] = (),
) -> Restored:
    target = Target(parse_address(rescue.url), Secret(""))
    point = parse_point(to) if isinstance(to, str) else to
    watching = Watching(target, store, identities)
    restored = recover(starts(store, "shop", point, identities), store, target, Means(identities, by=by), watching)
    watching.accounts.follow(target, [statement for one in restored.accounts for statement in one.statements])
    assert watching.accounts.problems == list(problems)
    if watching.way:
        assert isinstance(watching.way, ByClient if by == "client" else ByApplier), watching.way
    with rescue.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'bkpc_restore'")
        assert cursor.fetchall() == ()
    assert not [one.name for one in rescue.datadir.iterdir() if "bkpc" in one.name]
    return restored


def test_an_image_comes_back_whole(
    shop: ThrowawayServer, rescue: ThrowawayServer, store: Store, key: tuple[str, Secret]
) -> None:
    image_of(shop, [store], [key[0]])
    target = Target(parse_address(rescue.url), Secret(""))
    (image,) = catalogue.all_images(store, "shop")
    other = {**image.manifest.variables, "lower_case_table_names": "1"}
    with pytest.raises(Refused, match=r"lower_case_table_names of the target .* is 0, of its source 1"):
        ready_target(target, Image(image.prefix, replace(image.manifest, variables=other)))
    load_image(image, store, target, ready_target(target, image), [key[1]], lambda *_: None)
    assert fingerprint(rescue) == fingerprint(shop)
    # A second restore into what is now full is refused, and changes nothing.
    with pytest.raises(Refused, match="not empty"):
        ready_target(target, image)


@pytest.mark.parametrize("by", WAYS)
def test_back_to_the_moment_before_the_drop(
    shop: ThrowawayServer, rescue: ThrowawayServer, store: Store, key: tuple[str, Secret], by: By
) -> None:
    with Streaming(shop, store, key[0]) as stream:
        shop.run("INSERT INTO shop.audit (what) VALUES ('before the image')")
        image_of(shop, [store], [key[0]])
        shop.run("INSERT INTO shop.audit (what) VALUES ('after it')", "FLUSH BINARY LOGS")
        shop.run("CREATE TABLE shop.later (id INT PRIMARY KEY)", "INSERT INTO shop.later VALUES (1), (2)")
        wanted, stop = fingerprint(shop), position(shop)
        shop.run("DROP TABLE shop.reviews", "DELETE FROM shop.order_items", "DROP DATABASE `odd ``name`")
        wait_for(stream, position(shop))
    assert restore(store, rescue, stop.text, [key[1]], by).position == stop
    assert fingerprint(rescue) == wanted


def test_latest_is_everything(shop: ThrowawayServer, rescue: ThrowawayServer, store: Store) -> None:
    with Streaming(shop, store) as stream:
        image_of(shop, [store], [])
        shop.run("UPDATE shop.products SET stock = stock * 2", "DROP TABLE shop.reviews")
        wait_for(stream, position(shop))
    restore(store, rescue, "latest", [])
    assert fingerprint(rescue) == fingerprint(shop)


def test_a_point_inside_a_transaction_or_beyond_the_log_is_refused(shop: ThrowawayServer, store: Store) -> None:
    with Streaming(shop, store) as stream:
        image_of(shop, [store], [])
        before = position(shop)
        shop.run("INSERT INTO shop.audit (what) VALUES ('x')")
        wait_for(stream, position(shop))
    with pytest.raises(BadUsage, match="inside a transaction"):
        choose(store, "shop", f"{before.file}:{before.offset + 50}", [])
    with pytest.raises(RuntimeFailure, match="reaches"):
        choose(store, "shop", f"{before.file}:999999999", [])
    with pytest.raises(Refused, match="ends at"):
        choose(store, "shop", "2999-01-01T00:00:00Z", [])
    with pytest.raises(RuntimeFailure, match="can be restored to"):
        choose(store, "shop", "2001-01-01T00:00:00Z", [])
    with pytest.raises(BadUsage, match="latest"):
        choose(store, "shop", "yesterday", [])


@BOTH
def test_a_damaged_part_is_found_by_verify_and_never_restored(
    shop: ThrowawayServer, rescue: ThrowawayServer, store: Store, key: tuple[str, Secret]
) -> None:
    manifest = image_of(shop, [store], [key[0]])
    (image,) = catalogue.all_images(store, "shop")
    assert verify_image(image, store, []).problems == ()
    assert verify_image(image, store, [key[1]]).problems == ()
    (victim,) = keys(store, manifest.parts[3].name)
    body = bytearray(store.get(victim))
    body[-40] ^= 4
    store.put(victim, bytes(body))
    for identities in ([], [key[1]]):
        (problem,) = verify_image(image, store, identities).problems
        assert manifest.parts[3].name in problem
    target = Target(parse_address(rescue.url), Secret(""))
    facts = ready_target(target, image)
    with pytest.raises(DamagedBackup, match=manifest.parts[3].name):
        load_image(image, store, target, facts, [key[1]], lambda *_: None)


@BOTH
def test_a_missing_segment_blocks_the_way_across_it(shop: ThrowawayServer, store: Store) -> None:
    with Streaming(shop, store) as stream:
        image_of(shop, [store], [])
        ends = []
        for number in range(3):
            shop.run(f"INSERT INTO shop.audit (what) VALUES ('{number}')")
            ends.append(position(shop))
            wait_for(stream, ends[-1])
    store.delete([key for key in keys(store, ".zst") if "/logs/" in key][-2])
    assert choose(store, "shop", ends[0].text, []).stop == ends[0]
    with pytest.raises(RuntimeFailure, match="reaches"):
        choose(store, "shop", ends[2].text, [])


@BOTH
def test_an_image_is_copied_once_and_resumed(shop: ThrowawayServer, store: Store, far: Store) -> None:
    manifest = image_of(shop, [store], [])
    (image,) = catalogue.all_images(store, "shop")
    assert copy_image(image, store, far) == manifest.stored_size
    (copied,) = catalogue.all_images(far, "shop")
    assert copied == image
    (victim,) = keys(far, f"/{manifest.parts[0].name}")
    far.delete(victim)
    assert copy_image(image, store, far) == manifest.parts[0].sums.stored_size


def test_an_account_that_may_not_see_all_makes_no_image(shop: ThrowawayServer, store: Store) -> None:
    shop.run("CREATE USER 'near'@'%'", "GRANT ALL ON shop.* TO 'near'@'%'", "GRANT RELOAD ON *.* TO 'near'@'%'")
    address = parse_address(shop.url.replace("user=root", "user=near"))
    with pytest.raises(PolicyBroken, match="lacks SELECT") as raised:
        take_image(Source("shop", address, Secret("")), [store], [], expected_size=1)
    assert raised.value.help.startswith("GRANT SELECT, ")
    assert catalogue.all_images(store, "shop") == []


def test_two_backups_of_one_server_at_once_are_refused(shop: ThrowawayServer, store: Store) -> None:
    with shop.connect() as other, other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK('bkpc backup', 0)")
        with pytest.raises(Refused, match="another backup"):
            image_of(shop, [store], [])
    assert catalogue.all_images(store, "shop") == []


def test_one_table_with_age_zstd_and_the_client_alone(
    shop: ThrowawayServer, rescue: ThrowawayServer, disk: DirectoryStore, key: tuple[str, Secret], tmp_path: Path
) -> None:
    """As `docs/repository-format.md` says."""
    manifest = image_of(shop, [disk], [key[0]])
    (part,) = [one for one in manifest.parts if one.table == "products"]
    path = next(disk.root.glob(f"shop/*/images/{manifest.id}/{part.name}"))
    rescue.run("CREATE DATABASE shop")
    client = " ".join(rescue.client_command("--binary-mode", "--comments"))
    subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"age -d -i {tmp_path}/key.txt {path} | zstd -d | {client}"], check=True
    )
    assert digest(rescue, "shop", "products") == digest(shop, "shop", "products")


def test_all_of_it_by_hand(
    shop: ThrowawayServer, rescue: ThrowawayServer, disk: DirectoryStore, key: tuple[str, Secret], tmp_path: Path
) -> None:
    """The image and the log of `docs/repository-format.md`, in one pipe each."""
    with Streaming(shop, disk, key[0]) as stream:
        manifest = image_of(shop, [disk], [key[0]])
        shop.run("INSERT INTO shop.audit (what) VALUES ('later')", "UPDATE shop.products SET stock = stock + 1")
        wanted, stop = fingerprint(shop), position(shop)
        shop.run("DROP TABLE shop.reviews")
        wait_for(stream, position(shop))
    (folder,) = disk.root.glob("shop/*")
    client = " ".join(rescue.client_command("--binary-mode", "--comments", "--default-character-set=utf8mb4"))
    binlog = " ".join(rescue.binlog_command(*(["--skip-gtids"] if rescue.flavour == "mysql" else [])))
    by_hand = f"""
        set -e -o pipefail
        cd {folder}/images/{manifest.id}
        for part in part-*.zst.age; do age -d -i {tmp_path}/key.txt "$part" | zstd -d; done | {client}
        cd {folder}/logs/000001/{stop.file}
        for one in *.zst.age; do age -d -i {tmp_path}/key.txt "$one" | zstd -d; done > {tmp_path}/{stop.file}
        {binlog} --start-position={manifest.binlog_offset} --stop-position={stop.offset} {tmp_path}/{stop.file} \\
            | {client}
    """
    rescue.run("SET GLOBAL event_scheduler = OFF")
    subprocess.run(["bash", "-c", by_hand], check=True)
    assert manifest.binlog_file == stop.file
    assert fingerprint(rescue) == wanted


def test_a_server_without_schemas_can_be_backed_up_and_what_comes_later_with_it(
    fresh_server: ThrowawayServer, rescue: ThrowawayServer, store: Store
) -> None:
    source = Source("shop", parse_address(fresh_server.url), Secret(""))
    take_image(source, [store], [], expected_size=1)
    with Streaming(fresh_server, store) as stream:
        fresh_server.run("CREATE DATABASE later", "CREATE TABLE later.t (a INT)", "INSERT INTO later.t VALUES (1)")
        wait_for(stream, position(fresh_server))
    target = Target(parse_address(rescue.url), Secret(""))
    recover(starts(store, "shop", parse_point("latest"), []), store, target, Means(), Silent())
    assert rescue.run("SELECT a FROM later.t") == [(1,)]
