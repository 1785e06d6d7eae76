"""Clauses that say where files lie go from statements, and nothing else does."""

from __future__ import annotations

import pytest

from bkpc_runtime.mysql.placement import names_a_place, without_places

WITHOUT = {
    "CREATE TABLE t (a INT) DATA DIRECTORY='/x'": "CREATE TABLE t (a INT)",
    "CREATE TABLE t (a INT) DATA DIRECTORY '/it''s' INDEX DIRECTORY = \"/y\"": "CREATE TABLE t (a INT)",
    "CREATE TABLE t (a INT) data directory='/x', ENGINE=InnoDB": "CREATE TABLE t (a INT) ENGINE=InnoDB",
    "CREATE TABLE t (a INT) ENGINE=InnoDB, DATA DIRECTORY='/x'": "CREATE TABLE t (a INT) ENGINE=InnoDB",
    "CREATE TABLE t (a INT) COMMENT='a', DATA DIRECTORY='/x', INDEX DIRECTORY='/y', MAX_ROWS=2": (
        "CREATE TABLE t (a INT) COMMENT='a' , MAX_ROWS=2"
    ),
    "CREATE TABLE t (a INT) DATA DIRECTORY='/x', INDEX DIRECTORY='/y', MAX_ROWS=2": "CREATE TABLE t (a INT) MAX_ROWS=2",
    "CREATE TABLE t (a INT) PARTITION BY HASH (a) (PARTITION p DATA DIRECTORY='/x', PARTITION q)": (
        "CREATE TABLE t (a INT) PARTITION BY HASH (a) (PARTITION p , PARTITION q)"
    ),
    "CREATE TABLE t (a INT) /*!50100 PARTITION BY HASH (a) (PARTITION p DATA DIRECTORY = '/x' ENGINE = InnoDB) */": (
        "CREATE TABLE t (a INT) /*!50100 PARTITION BY HASH (a) (PARTITION p ENGINE = InnoDB) */"
    ),
    "ALTER TABLE t DATA DIRECTORY='/x', ADD b INT": "ALTER TABLE t ADD b INT",
    "CREATE TABLESPACE s ADD DATAFILE '/x/s.ibd' ENGINE=InnoDB": "CREATE TABLESPACE s ENGINE=InnoDB",
}
AS_THEY_ARE = (
    "CREATE TABLE t (a INT COMMENT 'DATA DIRECTORY=''/x''') COMMENT='INDEX DIRECTORY = \"/y\"'",
    "CREATE TABLE t (`DATA` INT, directory INT) /* DATA DIRECTORY='/x' */",
    "CREATE TABLESPACE s ADD DATAFILE 's.ibd'",
    "INSERT INTO t VALUES ('DATA DIRECTORY=''/x''')",
)


@pytest.mark.parametrize("statement", WITHOUT)
def test_a_place_goes(statement: str) -> None:
    assert names_a_place(statement)
    without = without_places(statement)
    assert len(without) == len(statement)
    assert " ".join(without.split()) == WITHOUT[statement]


@pytest.mark.parametrize("statement", AS_THEY_ARE)
def test_what_names_none_stays(statement: str) -> None:
    assert without_places(statement) == statement
