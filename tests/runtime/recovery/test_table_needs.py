"""What a table needs of its target, told from its definition and from what the client says."""

from __future__ import annotations

import pytest

from bkpc_runtime.errors import ToolFailed
from bkpc_runtime.recovery.table_needs import Engines, definition, is_of_one_table, without_engine

HERE = Engines(frozenset({"innodb", "myisam"}), "InnoDB")
HEAD = b"CREATE TABLE `t` (\n  `a` int COMMENT ') ENGINE=CONNECT',\n  `b` int\n"


@pytest.mark.parametrize(
    ("options", "lacking"),
    [
        (b") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;\n", ""), (b") ENGINE=myisam;\n", ""),
        (b") /*!50100 TABLESPACE `a` */ ENGINE=ROCKSDB DEFAULT CHARSET=utf8mb4;\n", "ROCKSDB"),
        (b") ENGINE=FEDERATED CONNECTION='s1/t ENGINE=InnoDB';\n", "FEDERATED"), (b") COMMENT='none told';\n", ""),
    ],
)  # fmt: skip
def test_the_engine_of_its_definition(options: bytes, lacking: str) -> None:
    text = HEAD + options
    assert HERE.lacks(text) == lacking
    rows = b"INSERT INTO `t` VALUES (1, 2);\n" * 9
    pieces = iter([text[at : at + 7] for at in range(0, len(text), 7)] + [rows] * 3)
    begun = definition(pieces)
    assert HERE.lacks(begun) == lacking
    assert begun + b"".join(pieces) == text + rows * 3


@pytest.mark.parametrize(
    ("said", "one"),
    [
        ("ERROR 1477 (HY000) at line 9: The foreign server name …", True), ("ERROR 3510 (HY000): Tablespace gt", True),
        ("ERROR 1 (HY000) at line 15: server name: 's1' doesn't exist!", True), ("ERROR 1050 (42S01): exists", True),
        ("ERROR 1114 (HY000): The table is full", False), ("ERROR 2013 (HY000): Lost connection", False),
        ("ERROR 1045 (28000): Access denied", False), ("it said nothing", False),
    ],
)  # fmt: skip
def test_whether_others_may_well_be_loaded(said: str, one: bool) -> None:
    assert is_of_one_table(ToolFailed(f"mysql failed with status 1: {said}")) == one


def test_an_engine_that_is_lacking_is_of_one_table() -> None:
    assert is_of_one_table(without_engine("FEDERATED", "InnoDB"))
