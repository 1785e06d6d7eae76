"""The point of a database of a scope, as it is noted and told to the process that restores it: always the same."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from bkpc_runtime.recovery.choice import starts
from bkpc_runtime.recovery.point import AtPosition, Latest, OfImage, parse_point, point_text
from bkpc_runtime.stores.store import Store
from tests.runtime.recovery.test_log_tail import BEGAN, SECOND, Log


@pytest.mark.parametrize(
    "text",
    [
        "latest",
        "2026-06-01T00:01:02+00:00",
        "binlog.000001:300",
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:57",
        "0-1-57,1-2-9",
    ],
)
def test_it_says_what_was_asked_for(text: str) -> None:
    log = Log()
    log.begin_file()
    for second in range(5):
        log.commit(BEGAN + (60 + second) * SECOND)
    store = cast(Store, log.store([], log.edges[0]))
    start = next(starts(store, "shop", Latest(), ()))
    point = parse_point(text)
    fixed = replace(start, point=point).fixed
    assert fixed == (AtPosition(log.end) if text == "latest" else point)
    assert parse_point(point_text(fixed)) == fixed
    image = start.image.manifest.id
    assert replace(start, point=point, window=None).fixed == (OfImage(image) if text == "latest" else point)
