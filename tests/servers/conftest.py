"""Real servers for tests: `server` lives for one module, `fresh_server` and `store` for one test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bkpc_runtime.stores.directory import DirectoryStore
from bkpc_runtime.stores.store import Store
from tests.database_server import ThrowawayServer, start_server
from tests.servers.kinds_of_store import opened

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
def disk(tmp_path: Path) -> DirectoryStore:
    """For what looks into its files, or is built from it."""
    return DirectoryStore("disk", tmp_path / "backups")


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A directory; a bucket where a test asks for both, and everywhere with STORE=oss (`make test-oss`)."""
    with opened(tmp_path / "backups", kind=getattr(request, "param", "")) as store:
        yield store


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Store]:
    """Another store, of the kind that STORE says."""
    with opened(tmp_path / "far", "far") as store:
        yield store
