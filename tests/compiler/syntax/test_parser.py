"""Text that does not fit: where, what was meant, and that the rest is read all the same."""

from __future__ import annotations

import pytest

from bkpc_compiler.source import SourceFile
from bkpc_compiler.syntax.parser import parse
from tests.compiler.one_file import SMALL, changed


@pytest.mark.parametrize(
    ("before", "after", "at", "helps"),
    [
        ("full daily", "ful daily", "ful", "did you mean `full`?"),
        ("keep 14d", "kep 14d", "kep", "did you mean `keep`?"),
        ("protect shop", "proteckt shop", "proteckt", "did you mean `protect`?"),
        ("1h to disk", "1h disk", "disk", "here stands `to`"),
        ("policy basic {", "policy basic", "promise", "here stands `extends` or `{`"),
        ("at 02:00", "at 2am", "2am", "a time of day"),
        ("size 1GiB", "size = 1GiB", "=", "take the `=` out"),
        ("rpo 10s", "rpo 10s,", ",", "take the `,` out"),
        ("rpo 10s", "rpo 10 s", "s", "the number touches its unit: `10s`"),
        ("rpo 10s", "rpo -10s", "-10s", "there are no negative values"),
        ('"127.0.0.1:3306"', '"127.0.0.1:3306', '"127.0.0.1:3306', "on the same line"),
        ('"127.0.0.1:3306"', '"a\\q"', '"a\\q"', "stands only before"),
        ('"127.0.0.1:3306"', "“127.0.0.1:3306”", "“127.0.0.1:3306”", "straight double quotes"),
        ("keep 14d\n}", "keep 14d\n", "{", "add a `}`"),
    ],
)
def test_where_and_what(before: str, after: str, at: str, helps: str) -> None:
    source = SourceFile("a.bkp", changed((before, after)))
    (found,) = parse(source).found
    assert (found.code, source.slice(found.primary.span)) == ("BKP0001", at)
    assert helps in (found.help or "")


def test_the_rest_is_read_and_the_unread_is_named() -> None:
    parsed = parse(SourceFile("a.bkp", changed(("full daily", "ful daily"), ("store far at", "store far it"))))
    assert len(parsed.found) == 2
    assert parsed.unread == {("policy", "basic"), ("store", "far")}
    kinds = [one.kind for one in parsed.statements]
    assert kinds == [
        "edition",
        "site",
        "site",
        "link",
        "store",
        "database",
        "protect",
    ]


def test_each_clause_knows_its_place() -> None:
    source = SourceFile("a.bkp", SMALL)
    spans = [source.slice(one.span) for one in parse(source).statements]
    assert spans[0] == "edition 1"
    assert spans[-1] == "protect shop with basic"
