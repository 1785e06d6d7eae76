"""A server with a bucket that has nothing set, and the bucket as others work on it, through Alibaba's SDK."""

from tests.oss_server.conftest import bucket, server

__all__ = ["bucket", "server"]
