"""Planted passwords and keys appear nowhere: not in any process list, output, log, plan, or object of the store."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database_server import ThrowawayServer, start_server
from tests.demo.shop import load
from tests.servers.command_line import PASSWORD, Office

TARGET_PASSWORD = "another-password-nobody-should-see"


class Watch:
    """Reads the command lines of all processes, over and over, while its block runs."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.seen: set[bytes] = set()

    def _look(self) -> None:
        while not self._stop.wait(0.003):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.seen.add(path.read_bytes())

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def rescue(fresh_server: ThrowawayServer, tmp_path: Path) -> Iterator[ThrowawayServer]:
    with start_server(fresh_server.flavour, tmp_path / "rescue") as running:
        running.run(
            f"CREATE USER 'restorer'@'%' IDENTIFIED BY '{TARGET_PASSWORD}'",
            "GRANT ALL ON *.* TO 'restorer'@'%' WITH GRANT OPTION",
        )
        yield running


def test_no_secret_leaves_the_environment(
    fresh_server: ThrowawayServer, rescue: ThrowawayServer, tmp_path: Path
) -> None:
    load(fresh_server)
    office = Office.opened(tmp_path / "office", fresh_server)
    identity = (office.folder / "key.txt").read_text().strip()
    into = rescue.tcp_url("restorer", password_env="TARGET_PASSWORD", ssl_mode="disabled")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    office.environ["TMPDIR"] = str(temporary)
    printed = []
    with Watch() as watch:
        commands = [
            ["preflight", "plan.json"], ["apply", "plan.json", "--yes"], ["status", "plan.json"],
            ["list", "plan.json"], ["verify", "plan.json"],
            ["restore", "plan.json", "shop", "--into", into, "--dry-run"],
            ["restore", "plan.json", "shop", "--into", into],
        ]  # fmt: skip
        for command in commands:
            done = office.bkpc(*command, TARGET_PASSWORD=TARGET_PASSWORD)
            printed.append(done.text)
            assert done.code in {0, 1}, done.text
        # A wrong password makes the server, the driver and us speak of it.
        wrong = office.bkpc("preflight", "plan.json", SHOP_DB_PASSWORD=f"{PASSWORD}-wrong")
        printed.append(wrong.text)
        assert "refused the login" in wrong.text
    secrets = [PASSWORD.encode(), TARGET_PASSWORD.encode(), identity.encode()]
    tools = b"mariadb" if fresh_server.flavour == "mariadb" else b"mysql"
    assert sum(tools in line for line in watch.seen) > 3, "the tools were not seen: this test proves nothing"
    places = {"a process list": b"\n".join(watch.seen), "what was printed": "\n".join(printed).encode()}
    places |= {str(path): path.read_bytes() for path in office.folder.rglob("*") if path.is_file()}
    places |= {str(path): path.read_bytes() for path in temporary.rglob("*") if path.is_file()}
    del places[str(office.folder / "key.txt")]
    assert len(places) > 10
    found = [place for place, text in places.items() if any(secret in text for secret in secrets)]
    assert found == []
