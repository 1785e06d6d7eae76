"""Rules are taken out of a document and put into it without a byte of others being touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bkpc_runtime.settings.lifecycle_document import replaced, rules_in, written

# Signs of one to four bytes, so that offsets in bytes and in characters differ. An alphabet of Hypothesis's own takes
# a second to build on a fresh machine, which its health check then refuses.
NAMES = st.text("aZ0 /.-_'\";é订\u00a0\u2028\U0001f5c4", max_size=8)
SPACES = st.text(" \n\t", max_size=3)
EMPTY = st.sampled_from(
    ["<Tag/>", "<Tag><Key>a</Key><Value>b</Value></Tag>", "<Filter></Filter>", "<!-- </Rule> -->", ""]
)


@st.composite
def rules(draw: st.DrawFn) -> str:
    inside = draw(SPACES) + draw(EMPTY) + draw(SPACES)
    if draw(st.integers(0, 9)) == 0:
        return "<Rule/>"
    return f"<Rule><ID>{draw(NAMES)}</ID><Prefix>{draw(NAMES)}</Prefix>{inside}<Status>Enabled</Status></Rule>"


@given(st.lists(st.tuples(rules(), st.booleans(), SPACES), min_size=1, max_size=5), st.booleans())
def test_what_stays_stays_byte_for_byte(parts: list[tuple[str, bool, str]], adds: bool) -> None:
    document = (
        "<LifecycleConfiguration>" + "".join(text + space for text, _, space in parts) + "</LifecycleConfiguration>"
    )
    found = rules_in(document.encode())
    assert [document.encode()[one.begin : one.end].decode() for one in found] == [text for text, _, _ in parts]
    gone = [one for one, (_, goes, _) in zip(found, parts, strict=True) if goes]
    added = [written("ours", "a&b/", 3, 30)] if adds else []
    done = replaced(document.encode(), gone, added)
    stays = [text for text, goes, _ in parts if not goes]
    if not stays and not adds:
        assert done == b""
        return
    again = rules_in(done)
    assert [done[one.begin : one.end].decode() for one in again][: len(stays)] == stays
    assert [(one.id, one.prefix, one.aborts, one.noncurrent) for one in again][len(stays) :] == [
        ("ours", "a&b/", 3, 30)
    ] * len(added)


def test_nothing_taken_and_nothing_added_changes_nothing() -> None:
    document = (
        b"<?xml version='1.0'?>\n<LifecycleConfiguration >\n<Rule ><ID>a</ID></Rule >\t</LifecycleConfiguration>\n"
    )
    assert replaced(document, [], []) == document


def test_from_nothing_comes_a_document_of_our_rules() -> None:
    for before in (b"", b"<LifecycleConfiguration/>", b"<LifecycleConfiguration></LifecycleConfiguration>"):
        (found,) = rules_in(replaced(before, [], [written("ours", "", 4, None)]))
        assert (found.id, found.prefix, found.aborts, found.noncurrent) == ("ours", "", 4, None)


@pytest.mark.parametrize("days", ["\u00b2", "1.5", "-3", "9" * 5000, "soon", ""])
def test_days_that_are_no_number_count_as_at_once(days: str) -> None:
    """They may be anything: never as long as the plan needs."""
    written_rule = f"<Rule><Expiration><Days>{days}</Days><Date>x</Date></Expiration></Rule>"
    (rule,) = rules_in(f"<LifecycleConfiguration>{written_rule}</LifecycleConfiguration>".encode())
    assert rule.expires == 0
