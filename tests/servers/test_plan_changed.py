"""A plan is changed and applied while its agent runs."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path

import pyrage

from bkpc_runtime.mysql.connection import query
from bkpc_runtime.stores.directory import DirectoryStore
from tests.database_server import ThrowawayServer
from tests.servers.command_line import Office
from tests.servers.streaming import wait_until


def test_the_agent_goes_over_to_a_key_that_took_the_place_of_another(server: ThrowawayServer, tmp_path: Path) -> None:
    server.run("DROP USER IF EXISTS 'backup'@'%'", "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
    office = Office.opened(tmp_path / "office", server)
    office.bkpc("apply", "plan.json", "--yes", expect=0)
    log, agent = office.folder / "agent.log", office.start("agent", "plan.json")
    try:
        wait_until(lambda: "streaming shop" in log.read_text(), why=log.read_text)
        identity = pyrage.x25519.Identity.generate()
        policy = (office.folder / "shop.bkp").read_text()
        office.write(policy.replace(office.recipient, str(identity.to_public())))
        office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
        told = office.bkpc("status", "plan.json", expect=1).text
        assert "problem: the agent here runs plan " in told
        told = office.bkpc("apply", "plan.json", "--yes", expect=0).text
        assert "warning: the agent here runs plan " in told
        assert "it goes over to this one by itself" in told
        assert "take an image for the new ones now: bkpc run PLAN shop/full/disk" in told
        wait_until(lambda: log.read_text().count("streaming shop") == 2, why=log.read_text)
        assert agent.poll() is None
        assert log.read_text().count("agent: 1 streams") == 2, "the same process"
        server.run("INSERT INTO shop.t VALUES (1)")
        office.until_archived(server)
        store = DirectoryStore("disk", office.folder / "backups")
        newest = max(one.key for one in store.list("shop/") if "/logs/" in one.key and one.key.endswith(".age"))
        assert pyrage.decrypt(store.get(newest), [identity])
        assert "the agent here runs" not in office.bkpc("status", "plan.json", expect=0).text
    finally:
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(30) == 0


def test_log_is_taken_while_an_image_that_is_under_way_keeps_the_agent_from_going_over(
    server: ThrowawayServer, tmp_path: Path
) -> None:
    server.run("DROP USER IF EXISTS 'backup'@'%'", "CREATE DATABASE IF NOT EXISTS shop")
    server.run("CREATE TABLE shop.locked (id INT PRIMARY KEY)", "CREATE TABLE shop.u (id INT PRIMARY KEY)")
    office = Office.opened(tmp_path / "office", server)
    office.begin()
    log = office.folder / "agent.log"
    with closing(server.connect()) as holding:
        query(holding, "LOCK TABLES shop.locked WRITE")
        agent = office.start("agent", "plan.json")
        try:
            wait_until(lambda: "streaming shop" in log.read_text() and waits(server), why=log.read_text)
            office.write((office.folder / "shop.bkp").read_text().replace("keep 14d", "keep 13d"))
            office.bkpc("compile", "shop.bkp", "-o", "plan.json", expect=0)
            office.begin()
            wait_until(lambda: "when these are done: shop/full/disk" in log.read_text(), why=log.read_text)
            server.run("INSERT INTO shop.u VALUES (1)")
            office.until_archived(server)
            assert "problem: the agent here runs plan " in office.bkpc("status", "plan.json", expect=1).text
            query(holding, "UNLOCK TABLES")
            wait_until(lambda: log.read_text().count("streaming shop") == 2, why=log.read_text)
            assert log.read_text().index("image ") < log.read_text().rindex("agent: 1 streams"), "the image was taken"
        finally:
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(30) == 0


def waits(server: ThrowawayServer) -> bool:
    """Whether somebody waits for the table that is locked."""
    return any("Waiting for table" in str(row) for row in server.run("SHOW FULL PROCESSLIST"))
