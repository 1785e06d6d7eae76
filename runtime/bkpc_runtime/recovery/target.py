"""The server that is restored into: what it must be, and that nothing fires there meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from bkpc_runtime.mysql.address import Address
from bkpc_runtime.mysql.connection import connect
from bkpc_runtime.secret import Secret


@dataclass(frozen=True, slots=True)
class Target:
    """The server that is restored into."""

    address: Address
    password: Secret

    def connect(self, **options: Any) -> Connection[Any]:
        return connect(self.address, self.password, **options)
