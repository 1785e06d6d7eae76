"""A pytest plugin for the v2 SDK's unit tests of its signers: writes down every request as it was signed.

Self-contained: it runs in the suite's environment. The tests compare with golden signatures; what they signed is
judged by the server's own code afterwards (`golden`), so that the golden values judge it, too.
"""

from __future__ import annotations

import json
import os
from typing import Any

import alibabacloud_oss_v2.signer as signers

_SIGNED: list[dict[str, Any]] = []


def _watched(signer: Any) -> Any:
    sign = signer.sign

    def watching(self: Any, context: Any) -> None:
        sign(self, context)
        test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0].split("::", 1)[-1]
        _SIGNED.append(
            {
                "test": test,
                "product": context.product,
                "region": context.region,
                "bucket": context.bucket or "",
                "key": context.key or "",
                "method": context.request.method,
                "url": context.request.url,
                "headers": dict(context.request.headers.items()),
                "id": context.credentials.access_key_id,
                "secret": context.credentials.access_key_secret,
                "token": context.credentials.security_token or "",
                "at": context.signing_time.timestamp() if context.signing_time else 0,
            }
        )

    return watching


for _signer in (signers.SignerV1, signers.SignerV4):
    _signer.sign = _watched(_signer)


def pytest_sessionfinish() -> None:
    """Hands the list over."""
    with open(os.environ["OSS_SIGNINGS"], "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(_SIGNED, file)
