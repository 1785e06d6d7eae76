"""CONFORMANCE.md says what is so: made from kept results, which are those of these sources; and a part is run anew."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.oss_server.conformance import record
from tests.oss_server.conformance.runner import run_suite
from tests.oss_server.conformance.suite_source import oss2_folder
from tests.oss_server.conformance.suites import OSS2, SUITES, Suite


def test_results_are_those_of_these_sources() -> None:
    assert record.kept(OSS2)["sources"] == record.sources(), "run `make oss-conformance`"


def test_the_page_is_made_from_the_results() -> None:
    assert record.PAGE.read_text() == record.page(), "run `make oss-conformance`"


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_no_exclusion_is_left_over(suite: Suite) -> None:
    used = {one["reason"] for one in record.kept(suite)["outcomes"] if one["result"] == "excluded"}
    assert used == set(suite.excluded.values())


@pytest.mark.parametrize("only", ["test_object_versioning.py", "test_multipart.py", "test_list_objects_v2.py"])
def test_a_part_of_the_suite_passes_as_told(only: str) -> None:
    outcomes = run_suite(OSS2, oss2_folder(), sys.executable, only)
    told = {(one["file"], one["test"]): one["result"] for one in record.kept(OSS2)["outcomes"]}
    ran = {(one.file, one.test): one.result for one in outcomes}
    assert ran == {key: told.get(key) for key in ran}, [one for one in outcomes if one.result == "failed"]
    assert Counter(ran.values())["passed"] > 3
