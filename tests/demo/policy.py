"""The demo's policy, once with a promise that can't hold and once mended."""

from __future__ import annotations

ESTATE = """\
edition 1

site here {{ region "local" }}
store disk at here {{ directory "backups" }}

database shop at here {{
  mysql "127.0.0.1:{port}"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 1GiB  writes 100MiB/h  burst 8MiB
}}

policy basic {{
  promise against corruption {{ rpo 10s  rto 30min }}
  full daily at 02:00 within 1h to disk
{hot}  keep 14d
  recover by timepoint, files
  encrypt rest to "{recipient}"
}}

protect shop with basic
"""


def without_log(port: int, recipient: str) -> str:
    """Promises 10 s of loss with one image a day: refuted."""
    return ESTATE.format(port=port, recipient=recipient, hot="")


def mended(port: int, recipient: str) -> str:
    """The same with the binlog archived every 2 s: proved."""
    return ESTATE.format(port=port, recipient=recipient, hot="  hot  to disk every 2s\n")
