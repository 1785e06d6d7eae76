"""Throwaway MariaDB and MySQL servers for tests, the demo and benches."""

from tests.database_server.installation import MissingServer
from tests.database_server.throwaway import ThrowawayServer, start_mariadb, start_mysql, start_server

__all__ = ["MissingServer", "ThrowawayServer", "start_mariadb", "start_mysql", "start_server"]
