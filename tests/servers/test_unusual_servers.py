"""Servers that are set up in other ways: the same way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from bkpc_runtime.stores.store import Store
from tests.database_server import start_server
from tests.servers.conftest import FLAVOURS
from tests.servers.kinds import AFTERWARDS, script
from tests.servers.streaming import Streaming, position, wait_for
from tests.servers.test_backup_restore import image_of, restore
from tests.servers.whole import everything, same, typed

SETUPS: dict[str, dict[str, dict[str, str | int | bool | None]]] = {
    "mysql": {
        "gtid": {"gtid_mode": "ON", "enforce_gtid_consistency": "ON"},
        "compressed": {"binlog_transaction_compression": "ON"},
        "terse": {"binlog_checksum": "NONE", "binlog_row_image": "MINIMAL", "binlog_row_metadata": "FULL"},
        "ansi": {"sql_mode": "ANSI", "character_set_server": "latin1", "default_time_zone": "-08:00"},
    },
    "mariadb": {
        "compressed": {"log_bin_compress": "ON", "log_bin_compress_min_len": 10},
        "terse": {"binlog_checksum": "NONE", "binlog_row_image": "MINIMAL", "binlog_annotate_row_events": "OFF"},
        "ansi": {"sql_mode": "ANSI", "character_set_server": "latin1", "default_time_zone": "-08:00"},
        "oracle": {"sql_mode": "ORACLE", "binlog_row_metadata": "FULL", "gtid_domain_id": 7},
    },
}
CASES = [(flavour, name) for flavour in FLAVOURS for name in SETUPS[flavour]]


@pytest.mark.parametrize(("flavour", "name"), CASES)
def test_the_way_back(flavour: str, name: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = SETUPS[flavour][name]
    with (
        start_server(flavour, tmp_path / "source", **options) as source,
        start_server(flavour, tmp_path / "rescue", **options) as rescue,
    ):
        monkeypatch.setenv("BKPC_MYSQL_BIN", str(source.bin))
        typed(source, script(flavour))
        with Streaming(source, store) as stream:
            image_of(source, [store], [])
            typed(source, AFTERWARDS)
            wanted = everything(source)
            wait_for(stream, position(source))
        restore(store, rescue, "latest", [])
        same(everything(rescue), wanted)
