"""Fingerprints: equal for equal rows, different for any other, and of one moment of the log."""

from __future__ import annotations

import pytest

from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.mysql.connection import connect, query
from bkpc_runtime.mysql.fingerprint import Fingerprint, TableSum, fingerprint
from bkpc_runtime.mysql.flavour import current_position, read_facts
from bkpc_runtime.secret import Secret
from tests.database_server import ThrowawayServer

TABLES = """
CREATE TABLE {s}.a (id INT PRIMARY KEY, t VARCHAR(20), b VARBINARY(9), f FLOAT, d DOUBLE,
  n DECIMAL(30,10),
  j JSON, bits BIT(9), at DATETIME(6), g GEOMETRY, e ENUM('x','y')) ENGINE=InnoDB
INSERT INTO {s}.a VALUES
  (1, 'ä', X'00FF', 0.1, 0.1, 1.5, '{{"a": [1]}}', b'101', '2026-01-02 03:04:05.000006', POINT(1, 2), 'x')
INSERT INTO {s}.a (id) VALUES (2)
CREATE TABLE {s}.twice (a INT, b INT) ENGINE=InnoDB
INSERT INTO {s}.twice VALUES (1, 2), (1, 2), (NULL, 1)
CREATE TABLE {s}.none (a INT) ENGINE=InnoDB
CREATE TABLE {s}.loose (a INT) ENGINE=MyISAM
"""


def of(server: ThrowawayServer) -> Fingerprint:
    address = parse_address(server.url)
    connection = connect(address)
    facts = read_facts(connection)
    connection.close()
    return fingerprint(address, Secret(""), facts)


def filled(server: ThrowawayServer, schema: str) -> None:
    server.run(f"CREATE DATABASE {schema}", *_statements(schema))


def _statements(schema: str) -> list[str]:
    text = TABLES.format(s=schema).strip().replace("\n  ", " ")
    return text.splitlines()


def test_it_counts_rows_and_is_of_the_position_it_names(server: ThrowawayServer) -> None:
    filled(server, "prints")
    before = of(server)
    facts_connection = connect(parse_address(server.url))
    assert before.position == current_position(facts_connection, read_facts(facts_connection))
    facts_connection.close()
    mine = {table: one.rows for (schema, table), one in before.tables.items() if schema == "prints"}
    assert mine == {"a": 2, "twice": 3, "none": 0}
    assert not before.changed
    assert before.tables == of(server).tables


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE {s}.a SET t = 'a' WHERE id = 1", "a"),
        ("UPDATE {s}.a SET t = '' WHERE id = 2", "a"),  # from NULL
        ("UPDATE {s}.a SET b = X'00FE' WHERE id = 1", "a"),
        ("UPDATE {s}.a SET f = 0.10000001 WHERE id = 1", "a"),
        ("UPDATE {s}.a SET n = 1.5000000001 WHERE id = 1", "a"),
        ("UPDATE {s}.a SET bits = b'100' WHERE id = 1", "a"),
        ("UPDATE {s}.a SET at = '2026-01-02 03:04:05.000007' WHERE id = 1", "a"),
        ("UPDATE {s}.a SET g = POINT(1, 3) WHERE id = 1", "a"),
        ("UPDATE {s}.a SET j = '{{\"a\": [2]}}' WHERE id = 1", "a"),
        ("DELETE FROM {s}.twice WHERE a = 1", "twice"),  # two equal rows must not cancel out
        ("INSERT INTO {s}.none VALUES (NULL)", "none"),
    ],
)
def test_any_other_row_makes_it_another(server: ThrowawayServer, change: str, table: str) -> None:
    schema = "differ"
    server.run(f"DROP DATABASE IF EXISTS {schema}", f"CREATE DATABASE {schema}", *_statements(schema))
    before = of(server)
    server.run(change.format(s=schema))
    after = of(server)
    different = {key for key in before.tables if before.tables[key] != after.tables[key]}
    assert different == {(schema, table)}
    assert before.position != after.position


def test_what_is_committed_meanwhile_is_in_neither_position_nor_rows(server: ThrowawayServer) -> None:
    server.run("CREATE DATABASE moment", "CREATE TABLE moment.t (a INT) ENGINE=InnoDB")
    address = parse_address(server.url)
    connection = connect(address)
    facts = read_facts(connection)
    from bkpc_runtime.mysql.fingerprint import _snapshot

    with _snapshot(address, Secret(""), facts) as (snapshot, position):
        query(connection, "INSERT INTO moment.t VALUES (1)")
        assert query(snapshot, "SELECT COUNT(*) FROM moment.t") == [(0,)]
        assert position != current_position(connection, facts)
    connection.close()


def test_what_a_logical_image_rounds_is_the_same_as_printed(server: ThrowawayServer) -> None:
    """FLOAT has more digits than servers print: a drill from such an image must not fail for it."""
    server.run("CREATE DATABASE digits", "CREATE TABLE digits.t (a INT, f FLOAT) ENGINE=InnoDB")
    key, found = ("digits", "t"), []
    for value in ("16777217", "16777200", "16777300"):
        server.run("DELETE FROM digits.t", f"INSERT INTO digits.t VALUES (1, 1.23456789), (2, {value})")
        found.append(of(server).tables[key])
    exact, rounded, other = found
    assert exact != rounded
    assert exact.same_when_printed(rounded)
    assert not exact.same_when_printed(other)
    assert not exact.same_when_printed(TableSum(3, exact.total, exact.printed))
