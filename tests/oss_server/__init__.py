"""A small server that speaks enough of OSS for tests, the demo and benches: see `server.OssServer`."""

from tests.oss_server.server import KEY_ID, KEY_SECRET, REGION, OssServer

__all__ = ["KEY_ID", "KEY_SECRET", "REGION", "OssServer"]
