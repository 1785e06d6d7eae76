"""A server and a bucket on it, through Alibaba's own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oss2
import pytest

from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "store") as server:
        server.bucket()
        yield server
        assert server.problems == []


@pytest.fixture
def bucket(server: OssServer) -> Any:
    return oss2.Bucket(oss2.AuthV4(KEY_ID, KEY_SECRET), server.endpoint, "backup", region=REGION)
