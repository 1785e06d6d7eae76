"""What is too old goes, on a real server: `apply` agrees, `run` marks and deletes, a server that is away stops it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.mysql.flavour import Position, read_facts
from bkpc_runtime.repository import catalogue, layout, marks
from bkpc_runtime.stores.directory import DirectoryStore
from tests.database_server import ThrowawayServer
from tests.runtime.retention import made
from tests.runtime.retention.made import DAY
from tests.servers.command_line import Office


def test_from_policy_to_deletion(fresh_server: ThrowawayServer, tmp_path: Path) -> None:
    fresh_server.run(
        "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)", "INSERT INTO shop.t VALUES (1)"
    )
    office = Office.opened(tmp_path / "office", fresh_server)
    store = DirectoryStore("disk", office.folder / "backups")
    connection = connect(parse_address(fresh_server.url))
    identity = read_facts(connection).identity
    connection.close()
    prefix = layout.prefix_of("shop", identity)
    now = datetime.now(UTC)
    for age in (30, 20, 10):
        made.put_image(store, made.manifest(now - age * DAY, Position("", 0), identity=identity))
    assert (
        "disk: nothing expires: no plan is in force in it"
        in office.bkpc("run", "plan.json", "shop/expire", expect=0).text
    )

    refused = office.bkpc("apply", "plan.json", expect=5)  # nobody at the terminal to agree
    assert "keeps less" in refused.text
    assert "can't be restored any more: the moment of image" in refused.text
    assert "say --lose-history" in office.bkpc("apply", "plan.json", "--yes", expect=5).text
    office.bkpc("apply", "plan.json", "--yes", "--lose-history", expect=0)
    tombstones = marks.tombstones(marks.marks(store, prefix))
    # The image of 20 days ago is where the points of 14 days begin.
    assert [marks.time_of(one).date() for one in tombstones] == [(now - 30 * DAY).date()]
    assert len(catalogue.all_images(store, "shop")) == 4

    (subject, mark) = next(iter(tombstones.items()))
    store.delete(mark.key(prefix))
    marks.put(store, prefix, marks.EXPIRING, subject, "due", now - 4 * DAY)
    fresh_server.stop()
    away = office.bkpc("run", "plan.json", "shop/expire")
    assert away.code == 4
    assert len(catalogue.all_images(store, "shop")) == 4
    fresh_server.start()
    done = office.bkpc("run", "plan.json", "shop/expire", expect=0)
    assert "1 images deleted" in done.text
    assert subject not in {one.manifest.id for one in catalogue.all_images(store, "shop")}
    office.write((office.folder / "shop.bkp").read_text().replace("keep 14d", "keep 7d"))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    assert "keeps something else" in office.bkpc("run", "plan.json", "shop/expire", expect=0).text


FLOW = """  flow { size warn 20% hold 50%  verify every backup }
  keep"""


def test_an_image_that_lost_its_rows_is_held_until_somebody_frees_it(
    fresh_server: ThrowawayServer, tmp_path: Path
) -> None:
    fresh_server.run(
        "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, body LONGBLOB)",
        *[f"INSERT INTO shop.t VALUES ({number}, REPEAT(UUID(), 20000))" for number in range(4)],
        "CREATE TABLE shop.prices (id INT PRIMARY KEY, text VARCHAR(9))",
        f"INSERT INTO shop.prices VALUES {', '.join(f'({one}, NULL)' for one in range(150))}",
        "CREATE DATABASE audit", "CREATE TABLE audit.t (a INT)",
    )  # fmt: skip
    office = Office.opened(tmp_path / "office", fresh_server)
    office.write((office.folder / "shop.bkp").read_text().replace("  keep", FLOW))
    office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
    applied = office.bkpc("apply", "plan.json", "--yes", expect=0)
    assert "verified of `shop`: image" in applied.text
    assert "disk: nothing to expire" in applied.text

    fresh_server.run("TRUNCATE shop.t", "DELETE FROM shop.prices", "DROP DATABASE audit")
    told = office.bkpc("run", "plan.json", "shop/full/disk", expect=0)
    assert "held: image" in told.text
    # So little of all that no share would tell.
    assert "table shop.prices is empty, 150 rows are in the image before it" in told.text
    assert "schema audit is no longer there" in told.text
    store = DirectoryStore("disk", office.folder / "backups")
    newest = catalogue.all_images(store, "shop")[0].manifest.id
    assert f"the newest image, {newest}, is held" in office.bkpc("run", "plan.json", "shop/expire", expect=0).text
    assert office.bkpc("release", "plan.json", "shop", newest, "--because", " ").code == 2
    freed = office.bkpc("release", "plan.json", "shop", newest, "--because", "a test emptied it", expect=0)
    assert f"image {newest} of `shop` is released" in freed.text
    assert "is not verified yet" in office.bkpc("run", "plan.json", "shop/expire", expect=0).text
    # The agent does both beside its jobs.
    agent = office.start("agent", "plan.json")
    log = office.folder / "agent.log"
    for _ in range(300):
        if "expiry of `shop`" in log.read_text():
            break
        time.sleep(0.1)
    agent.terminate()
    assert agent.wait(30) == 0, log.read_text()
    assert f"verified of `shop`: image {newest} in disk" in log.read_text()
    assert "expiry of `shop`: disk: nothing to expire" in log.read_text()
    assert "Traceback" not in log.read_text()

    assert "(missing or overdue)" not in office.bkpc("plan", "plan.json", expect=0).text
    prefix = catalogue.all_images(store, "shop")[0].prefix
    marks.put(store, prefix, marks.VERIFIED, newest, "damaged", datetime.now(UTC))
    assert "+ shop/full/disk: backup.full to disk (missing or overdue)" in office.bkpc("plan", "plan.json").text
