"""Who may ask: accounts, their keys, temporary tokens."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.oss_server.refusal import Refusal

UID = "1234567890123456"


@dataclass(frozen=True, slots=True)
class Account:
    """An Alibaba Cloud account, or a RAM user or role of one; `policies` bind it when there are any (JSON text)."""

    uid: str
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """An access key; one with a token is temporary."""

    id: str
    secret: str
    account: Account
    token: str = ""
    expires: datetime | None = None


@dataclass(slots=True)
class Keys:
    """Every key the server knows."""

    known: dict[str, Key] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key_id: str, secret: str, account: Account) -> Key:
        """A lasting key."""
        key = Key(key_id, secret, account)
        with self.lock:
            self.known[key_id] = key
        return key

    def lend(self, account: Account, now: datetime, lasts: timedelta = timedelta(hours=1)) -> Key:
        """A temporary key, as STS gives them; `lasts` is judged by the server's wall clock."""
        key_id = f"STS.{secrets.token_hex(10)}"
        key = Key(key_id, secrets.token_hex(16), account, secrets.token_urlsafe(48), now + lasts)
        with self.lock:
            self.known[key_id] = key
        return key

    def find(self, key_id: str, token: str, now: datetime) -> Key:
        """The key, or OSS's refusal: unknown, a wrong token, an expired one."""
        key = self.known.get(key_id)
        if key is None:
            text = "The OSS Access Key Id you provided does not exist in our records."
            raise Refusal(403, "InvalidAccessKeyId", text, ec="0002-00000902", details={"OSSAccessKeyId": key_id})
        if key.token != token:
            text = "The security token you provided is invalid."
            raise Refusal(403, "InvalidSecurityToken", text, ec="0002-00000901")
        if key.expires is not None and key.expires <= now:
            text = "The security token you provided has expired."
            raise Refusal(403, "SecurityTokenExpired", text, ec="0002-00000905")
        return key
