"""Real servers for tests: `server` lives for one module, `fresh_server` and `store` for one test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bkpc_runtime.stores.directory import DirectoryStore
from tests.database_server import ThrowawayServer, start_server

FLAVOURS = os.environ.get("SERVERS", "mariadb mysql").replace(",", " ").split()


@pytest.fixture(scope="module", params=FLAVOURS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayServer]:
    """One server per flavour, shared by a module's tests: use a database of your own in it."""
    with start_server(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(params=FLAVOURS)
def fresh_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayServer]:
    """A server per flavour for this test alone: kill it, reset it, refill it."""
    with start_server(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore("disk", tmp_path / "backups")
