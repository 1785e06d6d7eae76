"""The demo's shop: its schema, people who buy, and what is compared after a restore."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.database_server import ThrowawayServer

SCHEMA = Path(__file__).with_name("shop.sql")


def load(server: ThrowawayServer) -> None:
    subprocess.run(server.client_command(), input=SCHEMA.read_bytes(), check=True)


def objects(server: ThrowawayServer) -> list[str]:
    """The definitions of all that is not a table."""
    statements = {
        "VIEW best_sellers": 1,
        "TRIGGER count_items": 2,
        "FUNCTION gross": 2,
        "PROCEDURE restock": 2,
        "EVENT forget_audit": 3,
    }
    return [str(server.run("USE shop", f"SHOW CREATE {what}")[0][column]) for what, column in statements.items()]


class Writer:
    """Buys all the time, on a connection of its own, until the block ends."""

    def __init__(self, server: ThrowawayServer) -> None:
        self._connection = server.connect(database="shop", autocommit=False)
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._buy)
        self.written = 0

    def _buy(self) -> None:
        with self._connection.cursor() as cursor:
            while not self._stop.wait(0.004):
                with self._turn:
                    number = self.written
                    cursor.execute("INSERT INTO orders (customer) VALUES (%s)", (number % 3 + 1,))
                    order = cursor.lastrowid
                    cursor.execute(
                        "INSERT INTO order_items (order_id, line, product, quantity, price) "
                        "SELECT %s, 1, id, %s, price FROM products WHERE id = %s",
                        (order, number % 5 + 1, number % 4 + 1),
                    )
                    cursor.execute("UPDATE products SET stock = stock - 1 WHERE id = %s", (number % 4 + 1,))
                    cursor.execute("INSERT INTO audit (what) VALUES (%s)", (f"order {order} 🛒",))
                    self._connection.commit()
                    self.written += 1

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is written while this block runs."""
        with self._turn:
            yield

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()
