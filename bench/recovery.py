"""Replaying log and loading an image, each beside the servers' own tools with the same data, in turn.

    python -m bench.recovery [--server mariadb|mysql] [--transactions N] [--bulk MIB] [--tables N] [--size MIB]
        [--rounds N]

Prints medians and ratios: of `mysqlbinlog | mysql` to the target's own applier (asked: at least 4 on MySQL, 2 on
MariaDB), and of loading by clients side by side to `mysql < dump.sql` (asked: at most 0.7).
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.database_server import ThrowawayServer, start_server
from tests.database_server.contents import tables
from tests.database_server.throwaway import Option
from tests.servers.streaming import Streaming, position, wait_for

from bkpc_runtime.mysql.address import parse_address
from bkpc_runtime.recovery.choice import starts
from bkpc_runtime.recovery.point import Latest, OfImage, Point
from bkpc_runtime.recovery.recover import Means, Restored, Silent, recover
from bkpc_runtime.recovery.target import Target
from bkpc_runtime.recovery.way import By
from bkpc_runtime.repository import catalogue
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.backup import Source, take_image
from bkpc_runtime.stores.directory import DirectoryStore

MIB = 1 << 20
_ROW_BYTES = 320
_WRITERS = 4
_OWN: dict[str, Option] = dict.fromkeys(
    ("sync_binlog", "innodb_flush_log_at_trx_commit", "innodb_doublewrite", "innodb_flush_method")
)
"""Targets keep what they commit as their makers meant them to: the test servers' own carelessness is left out."""
_ASKED = {"mysql": 4.0, "mariadb": 2.0}
_ROWS = """INSERT INTO {table} (who, body, number)
SELECT SHA2(seed.n * {salt}, 256), CONCAT(SHA2(seed.n + {salt}, 512), ' lamps ', SHA2(seed.n, 256)),
  seed.n * 7919 % 10007
FROM (SELECT a.n + b.n * 10 + c.n * 100 + d.n * 1000 AS n FROM x.d a, x.d b, x.d c, x.d d) seed"""
_TABLE = "(id BIGINT PRIMARY KEY AUTO_INCREMENT, who VARCHAR(64), body TEXT, number INT, KEY (who), KEY (number))"
_ONE_BY_ONE = """CREATE PROCEDURE x.write_some(writer INT, many INT) BEGIN
  DECLARE at INT DEFAULT 0;
  WHILE at < many DO
    INSERT INTO x.small (who, body, number) VALUES (SHA2(at, 256), 'a small one', at);
    IF at % 4 = 0 THEN UPDATE x.small SET number = number + 1 WHERE id = LAST_INSERT_ID(); END IF;
    SET at = at + 1;
  END WHILE;
END"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.recovery")
    parser.add_argument("--server", choices=["mariadb", "mysql"], default="mariadb")
    parser.add_argument("--transactions", type=int, default=40_000, help="of one row each")
    parser.add_argument("--bulk", type=int, default=128, help="MiB of rows in large transactions")
    parser.add_argument("--tables", type=int, default=8)
    parser.add_argument("--size", type=int, default=256, help="MiB of rows in all tables of the image")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bkpc-bench-") as name:
        folder = Path(name)
        with start_server(chosen.server, folder / "source", max_binlog_size="64M") as server:
            os.environ["BKPC_MYSQL_BIN"] = str(server.bin)
            prepare(server)
            replaying(server, folder, chosen)
            loading(server, folder, chosen)


def prepare(server: ThrowawayServer) -> None:
    server.run(
        "CREATE DATABASE x", "CREATE TABLE x.d (n INT)",
        "INSERT INTO x.d VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
        f"CREATE TABLE x.small {_TABLE}", f"CREATE TABLE x.bulk {_TABLE}", _ONE_BY_ONE,
    )  # fmt: skip


def replaying(server: ThrowawayServer, folder: Path, chosen: argparse.Namespace) -> None:
    store = DirectoryStore("disk", folder / "log")
    with Streaming(server, store) as stream:
        image(server, store)
        first = position(server)
        write(server, chosen.transactions, chosen.bulk)
        end = position(server)
        wait_for(stream, end, 600)
    names = [str(row[0]) for row in server.run("SHOW BINARY LOGS")]
    logs = [server.datadir / one for one in names if first.file <= one <= end.file]
    options = [f"--start-position={first.offset}", *(["--skip-gtids"] if server.flavour == "mysql" else [])]
    reading = shlex.join(server.binlog_command(*options, *map(str, logs)))
    times: dict[str, list[float]] = {"peer": [], "applier": [], "client": []}
    for _ in range(chosen.rounds):
        with start_server(server.flavour, folder / "peer", **(_OWN | {"max_allowed_packet": "1G"})) as target:
            restored(target, store, OfImage(catalogue.all_images(store, "shop")[0].manifest.id), "auto")
            client = shlex.join(target.client_command("--binary-mode", "--max-allowed-packet=1G"))
            times["peer"].append(timed(f"{reading} | {client}"))
            insist(server, target)
        for by in ("applier", "client"):
            with start_server(server.flavour, folder / by, **_OWN) as target:
                times[by].append(restored(target, store, Latest(), by).replaying)
                insist(server, target)
    size = sum(one.stat().st_size for one in logs)
    theirs, own, piped = (statistics.median(times[one]) for one in ("peer", "applier", "client"))
    reader = Path(reading.split()[0]).name
    print(f"{server.flavour}, {size / MIB:.0f} MiB of log, {chosen.transactions} small transactions, "
          f"median of {chosen.rounds}:")  # fmt: skip
    print(f"  {reader} | client, from local files   {theirs:6.1f} s")
    print(f"  bkpc, by the target's own applier     {own:6.1f} s")
    print(f"  bkpc, through its client              {piped:6.1f} s")
    print(f"  ratio {theirs / own:.2f} (asked: at least {_ASKED[server.flavour]:.0f})")


def loading(server: ThrowawayServer, folder: Path, chosen: argparse.Namespace) -> None:
    server.run("DROP TABLE x.bulk", "DROP TABLE x.small", "CREATE DATABASE y")
    for number in range(chosen.tables):
        server.run(f"CREATE TABLE y.t{number} {_TABLE}")
        for salt in range(1, max(1, chosen.size * MIB // chosen.tables // (_ROW_BYTES * 10_000)) + 1):
            server.run(_ROWS.format(table=f"y.t{number}", salt=salt))
    dump = folder / "dump.sql"
    with dump.open("wb") as out:
        command = server.dump_command("--single-transaction", "--quick", "--databases", "x", "y", "--routines")
        command += ["--set-gtid-purged=OFF"] if server.flavour == "mysql" else []
        subprocess.run(command, stdout=out, check=True)
    store = DirectoryStore("disk", folder / "image")
    image(server, store)
    wanted = OfImage(catalogue.all_images(store, "shop")[0].manifest.id)
    times: dict[str, list[float]] = {"peer": [], "bkpc": []}
    for _ in range(chosen.rounds):
        with start_server(server.flavour, folder / "peer", **_OWN) as target:
            times["peer"].append(timed(f"{shlex.join(target.client_command())} < {dump}"))
            insist(server, target)
        with start_server(server.flavour, folder / "bkpc", **_OWN) as target:
            times["bkpc"].append(restored(target, store, wanted, "auto").loading)
            insist(server, target)
    theirs, own = (statistics.median(times[one]) for one in ("peer", "bkpc"))
    print(f"{server.flavour}, {dump.stat().st_size / MIB:.0f} MiB of dump in {chosen.tables} tables, "
          f"{os.cpu_count()} processors, median of {chosen.rounds}:")  # fmt: skip
    print(f"  client < dump.sql                     {theirs:6.1f} s")
    print(f"  bkpc, tables side by side             {own:6.1f} s")
    print(f"  ratio {own / theirs:.2f} (asked: at most 0.70)")


def image(server: ThrowawayServer, store: DirectoryStore) -> None:
    take_image(Source("shop", parse_address(server.url), Secret("")), [store], [], expected_size=1 << 30)


def write(server: ThrowawayServer, transactions: int, bulk: int) -> None:
    """From several sessions at once, as a server in service is written to."""
    call = f"CALL x.write_some(1, {transactions // _WRITERS})"
    writers = [subprocess.Popen(server.client_command("-e", call)) for _ in range(_WRITERS)]
    for salt in range(1, bulk * MIB // (_ROW_BYTES * 10_000) + 1):
        server.run(_ROWS.format(table="x.bulk", salt=salt))
    for one in writers:
        assert one.wait() == 0


def restored(target: ThrowawayServer, store: DirectoryStore, point: Point, by: By) -> Restored:
    into = Target(parse_address(target.url), Secret(""))
    return recover(starts(store, "shop", point, []), store, into, Means(by=by), Silent())


def timed(command: str) -> float:
    began = time.monotonic()
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)
    return time.monotonic() - began


def insist(server: ThrowawayServer, target: ThrowawayServer) -> None:
    """The same rows in both."""
    for schema, table in tables(server):
        asked = f"SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', t.id, t.who, t.number))) FROM `{schema}`.`{table}` t"
        if table != "d":
            assert server.run(asked) == target.run(asked), f"{schema}.{table} differs"


if __name__ == "__main__":
    main()
