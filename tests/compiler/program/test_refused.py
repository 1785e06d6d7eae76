"""What has no meaning is refused, at its place, in plain words; nothing is accepted that would mean nothing."""

from __future__ import annotations

import pytest

from bkpc_compiler.program.findings import COMPARED
from tests.compiler.one_file import SMALL, changed, check

SERVICE = 'endpoint "https://oss.example" credentials env A, B'
BUCKET = ('directory "backups" }\nstore far', f'oss "bucket" {SERVICE} }}\nstore far')


def test_the_small_policy_is_clean() -> None:
    assert check(SMALL).diagnostics == ()


@pytest.mark.parametrize(
    ("before", "after", "code", "says"),
    [
        ("keep 14d", "keep 12.5 monthly", "BKP1001", "`12.5` is not a number of images to keep"),
        ("keep 14d", "keep 0 daily", "BKP1001", "`0` is not a number"),
        ("keep 14d", "keep 0d", "BKP1001", "longer than nothing"),
        ("keep 14d", "keep 14", "BKP1001", "`14` has no unit"),
        ("keep 14d", "keep 14d, 30d", "BKP1007", "twice"),
        ("keep 14d", "keep 14d\n  keep 30d", "BKP1007", "twice"),
        ("to disk\n", "to disk by magic\n", "BKP1002", "no engine `magic`"),
        ("to disk\n", "to disk by logical\n incremental hourly to disk\n", "BKP1001", "no physical full image"),
        (
            "to disk\n",
            "to disk\n incremental hourly to disk, far\n",
            "BKP1001",
            "`far` have no full image to begin from",
        ),
        ("daily at 02:00", "monthly on 45 at 02:00", "BKP1001", "`45` is not a day of the month"),
        ("daily at 02:00", "monthly on 1.5 at 02:00", "BKP1001", "`1.5` is not a day of the month"),
        ("daily at 02:00", "daily at 24:00", "BKP1001", "not a time of day"),
        ("daily at 02:00", "weekly on funday at 02:00", "BKP1002", "no day `funday`"),
        ("daily at 02:00", "every 0s", "BKP1001", "longer than nothing"),
        ("hot  to disk, far every 2s", "hot to disk, far every 0s", "BKP1001", "longer than nothing"),
        ("hot  to disk, far", "hot sync to 3 of disk, far", "BKP1001", "`3` is not a number of these 2 stores"),
        ("hot  to disk, far", "hot sync to 0 of disk, far", "BKP1001", "`0` is not a number of these 2 stores"),
        ("hot  to disk, far", "hot sync to 1.5 of disk, far", "BKP1001", "`1.5` is not"),
        ("rto 30min", "rto 30min for 0%", "BKP1001", "more than 0%"),
        ("rto 30min", "rto 30min for 150%", "BKP1001", "at most 100%"),
        ("rto 30min", "rto 30m", "BKP1001", "minutes or months"),
        ("rto 30min", "rto \u09ea\u09e6min", "BKP1001", "is a digit of another script"),
        ("rpo 10s", "rpo 10s rpo 5s", "BKP1007", "twice"),
        ("against corruption", "against corruption, corruption", "BKP1007", "twice"),
        ("against corruption", "against meteors", "BKP1002", "no scope `meteors`"),
        ("bandwidth 1Gbit/s", "bandwidth 0bit/s", "BKP1001", "moves nothing"),
        ("bandwidth 1Gbit/s", "bandwidth 1000", "BKP1001", "`1000` has no unit"),
        ("bandwidth 1Gbit/s", "latency 1ms", "BKP1003", "this link has no `bandwidth`"),
        ("size 1GiB", "size 1GiB restores 0MiB/s", "BKP1001", "moves nothing"),
        ("size 1GiB", "size 1GiB size 2GiB", "BKP1007", "twice"),
        ("size 1GiB", "size 1GiB needs users", "BKP1002", "no database `users`"),
        ("size 1GiB", "size 1GiB needs shop", "BKP1009", "shop → shop"),
        ('region "local" }\nsite there', 'region "\\u{FFFFFF}" }\nsite there', "BKP1001", "not a character"),
        ('region "local" }\nsite there', 'region "\\u{D800}" }\nsite there', "BKP1001", "not a character"),
        ('region "local" }\nsite there', 'region "r\\u{1b}[31m" }\nsite there', "BKP1001", "can't be seen"),
        ('region "local" }\nsite there', 'region "\u202ex" }\nsite there', "BKP1001", "can't be seen"),
        ('region "local" }\nsite there', 'region "a\\nb" }\nsite there', "BKP1001", "can't be seen"),
        ("link here -- there", "link here -- here", "BKP1001", "to itself"),
        (
            "link here -- there",
            "link there -> here { bandwidth 1bit/s }\nlink here -- there",
            "BKP1004",
            "another link",
        ),
        ('at here { directory "backups" }', "at here { }", "BKP1003", "`disk` has no `oss`"),
        ('at here { directory "backups" }', 'at here { oss "bucket" }', "BKP1003", "`disk` has no `endpoint`"),
        (
            'at here { directory "backups" }',
            'at here { oss "bucket" endpoint "https://oss.example" }',
            "BKP1003",
            "`disk` has no `credentials`",
        ),
        ('at here { directory "backups" }', 'at here { directory "a" oss "bucket" }', "BKP1007", "twice"),
        (
            'at here { directory "backups" }',
            'at here { directory "a" redundancy zrs }',
            "BKP1001",
            "a directory has no",
        ),
        (
            'at here { directory "backups" }',
            'at here { oss "bucket" endpoint "https://oss.example" credentials env A, B redundancy xyz }',
            "BKP1001",
            "`xyz` is not a redundancy",
        ),
        ("SHOP_DB_USER, SHOP_DB_PASSWORD", "SHOP_DB_USER", "BKP1001", "names of 2 variables here, not of 1"),
        ("SHOP_DB_USER, SHOP_DB_PASSWORD", "A, B, C", "BKP1001", "names of 2 variables here, not of 3"),
        ("SHOP_DB_USER, SHOP_DB_PASSWORD", "A, 密码", "BKP1001", "`密码` is not the name of a variable"),
        ("credentials env SHOP_DB_USER, SHOP_DB_PASSWORD", "", "BKP1003", "`shop` has no `credentials`"),
        ('mysql "127.0.0.1:3306"', 'mysql ""', "BKP1001", "this text is empty"),
        ('mysql "127.0.0.1:3306"', 'mysql "host:0"', "BKP1001", "not an address"),
        ('mysql "127.0.0.1:3306"', 'mysql "host:65536"', "BKP1001", "not an address"),
        ('mysql "127.0.0.1:3306"', 'mysql "mysql://host"', "BKP1001", "not an address"),
        ("size 1GiB", "size 0GiB", "BKP1001", "proves nothing"),
        ("size 1GiB", "size 1GiB grows 2%", "BKP1001", "not growth over a month"),
        ("size 1GiB", "size 1GiB standby there { provision 1h } standby there { provision 2h }", "BKP1007", "twice"),
        ("database shop at", "database disk at", "BKP1004", "`disk` is declared twice"),
        ("hot  to disk, far", "hot to disk, disk", "BKP1007", "twice"),
        ("hot  to disk, far", "hot to 1 of disk, far", "BKP1001", "without `sync`"),
        ("every 2s", "every 2s on outage degrade after 10s", "BKP1001", "without `sync`"),
        ("within 1h", "within 25h", "BKP1001", "before it is due again"),
        ("keep 14d", "keep 14d\n  cold daily at 03:00 from far to far", "BKP1001", "to itself"),
        ("keep 14d", "keep 14d\n  lock 1h", "BKP1001", "cannot be locked for 1h"),
        ("keep 14d", "keep 14d\n  lock 30000d", "BKP1001", "cannot be locked"),
        ("keep 14d", "keep 14d\n  flow { lag }", "BKP1001", "neither `warn` nor `fail`"),
        ("keep 14d", "keep 14d\n  flow { size }", "BKP1001", "neither `warn` nor `hold`"),
        ("keep 14d", "keep 14d\n  flow { lag warn 5min fail 30s }", "BKP1001", "before `fail`"),
        ("keep 14d", "keep 14d\n  flow { size warn 50% hold 20% }", "BKP1001", "before `hold`"),
        ("keep 14d", "keep 14d\n  flow { size warn 5%/month }", "BKP1001", "not a percentage"),
        ("protect shop with", "group g { shop, shop }\nprotect shop with", "BKP1007", "twice"),
        ("keep 14d", "keep 14d\n  recover by magic", "BKP1002", "no way to recover `magic`"),
        ("keep 14d", 'keep 14d\n  encrypt rest to "age1xyz"', "BKP1001", "not an age public key"),
        (
            "keep 14d",
            'keep 14d\n  encrypt rest to "age1wvgm6numxv02pau67juegul9dnpksvh2t5wjq8rzw8jjf8775ssqvh3e59"',
            "BKP1001",
            "not an age public key",
        ),
        ("edition 1", "edition 99", "BKP1008", "edition 99"),
        ("edition 1\n", "", "BKP1008", "does not say its edition"),
        ("edition 1\n", "edition 1\nedition 1\n", "BKP1008", "one edition"),
        ("edition 1\n", 'timezone "UTC"\nedition 1\n', "BKP1008", "first statement"),
        ("edition 1\n", 'edition 1\ntimezone "Mars/Olympus"\n', "BKP1001", "no time zone"),
        ("edition 1\n", 'edition 1\ntimezone "../../etc/passwd"\n', "BKP1001", "no time zone"),
        ("promise against corruption { rpo 10s  rto 30min }\n", "", "BKP6006", "nothing is promised"),
        ("rpo 10s  rto 30min", "", "BKP6006", "neither"),
        ("protect shop with", 'protect databases where team == "x" with', "BKP1010", "no database meets"),
        (
            "store far at",
            'database b at here { mysql "b" credentials env A, B size 1GiB writes 0B/s }\nstore far at',
            "BKP6005",
            "`b`",
        ),
        ("policy basic {", "policy basic extends basic {", "BKP1009", "basic → basic"),
    ],
)
def test_refused(before: str, after: str, code: str, says: str) -> None:
    found = [one for one in check(changed((before, after))).diagnostics if one.severity == "error"]
    assert {one.code for one in found} >= {code}
    assert any(one.code == code and says in one.message for one in found), [one.message for one in found]


def test_nothing_written_moves_nothing_and_is_fine() -> None:
    assert check(changed(("writes 100MiB/h", "writes 0MiB/h"))).diagnostics == ()


def test_a_class_of_one_zone_is_not_made_redundant_by_saying_so() -> None:
    bucket = 'oss "bucket" endpoint "https://oss.example" credentials env A, B class cold_archive redundancy zrs'
    text = changed(
        ("edition 1\n", 'edition 1\nimport "std/oss"\n'), ('at there { directory "backups"', f"at there {{ {bucket}")
    )
    (found,) = check(text).diagnostics
    assert (found.code, found.message.partition(":")[0]) == ("BKP1001", "class `cold_archive` has no `zrs`")


@pytest.mark.parametrize("address", ["host", "host:3306", "[::1]:3306", "/run/mysqld/mysqld.sock", "10.0.0.1:1"])
def test_addresses(address: str) -> None:
    assert check(changed(("127.0.0.1:3306", address))).diagnostics == ()


def test_each_file_has_its_own_time_zone() -> None:
    shared = 'edition 1\ntimezone "Asia/Shanghai"\n'
    shared += "policy other { promise against host { rpo 2d } full daily at 01:00 to disk }\n"
    text = changed(("edition 1\n", 'edition 1\ntimezone "UTC"\nimport "shared.bkp"\n'))
    program = check(text, shared=shared).program
    assert program is not None
    zones = {one.name: one.images[0].schedule.timezone for one in program.policies}
    assert zones == {"basic": "UTC", "other": "Asia/Shanghai"}
    program = check(text.replace('timezone "UTC"\n', ""), shared=shared).program
    assert program is not None
    assert {one.name: one.images[0].schedule.timezone for one in program.policies}["basic"] == "UTC"


@pytest.mark.parametrize(
    ("before", "after", "says", "declared"),
    [
        ("protect shop with", "protect disk with", "there is no database `disk`: a store has that name", "disk"),
        ("shop with basic", "shop with shop", "there is no policy `shop`: a database has that name", "shop"),
        ("to disk, far every", "to disk, here every", "there is no store `here`: a site has that name", "here"),
        ("size 1GiB", "size shop", "there is no value `shop`: a database has that name", "shop"),
        ("store far at there", "store far at far", "there is no site `far`: a store has that name", "far"),
        ("policy basic {", "policy basic extends far {", "there is no policy `far`: a store has that name", "far"),
    ],
)
def test_a_name_of_another_kind(before: str, after: str, says: str, declared: str) -> None:
    text = changed((before, after))
    (found,) = check(text).diagnostics
    assert (found.code, found.message) == ("BKP1002", says)
    assert text[found.secondary[0].span.start :].startswith(declared)


@pytest.mark.parametrize(
    ("lets", "says"),
    [
        ("", "there is no value `x`"),
        ("let x = y", "there is no value `y`"),
        ("let x = x", "`x` stands for itself: x → x"),
        ("let x = y\nlet y = z\nlet z = y", "`y` stands for itself: y → z → y"),
        ("let x = 5s", "`5s` is not a size"),
        ("let x = 5", "`5` has no unit"),
    ],
)
def test_named_values(lets: str, says: str) -> None:
    (found,) = check(changed(("edition 1\n", f"edition 1\n{lets}\n"), ("size 1GiB", "size x"))).diagnostics
    assert found.message == says


def test_a_named_value_stands_for_what_it_was_given() -> None:
    text = changed(("edition 1\n", "edition 1\nlet much = 1GiB\nlet x = much\n"), ("size 1GiB", "size x"))
    assert check(text).diagnostics == ()


def test_a_circle_is_told_once() -> None:
    text = SMALL + "policy a extends b {}\npolicy b extends a {}\npolicy c extends a {}\n"
    circles = [one.message for one in check(text).diagnostics if one.code == "BKP1009"]
    assert circles == ["`a` extends itself: a → b → a"]


@pytest.mark.parametrize(("last", "code"), [("nowhere", "BKP1002"), ("a0", "BKP1009")])
def test_a_broken_chain_of_names_is_followed_once(last: str, code: str) -> None:
    """However many stand for one another: of 20,000 each was followed to the end, for minutes."""
    lets = "\n".join(f"let a{one} = {last if one == 20_000 else f'a{one + 1}'}" for one in range(20_001))
    (found,) = check(changed(("edition 1\n", f"edition 1\n{lets}\n"))).diagnostics
    assert found.code == code
    assert len(found.message) < 300


@pytest.mark.parametrize(
    ("before", "after", "says", "shown"),
    [
        (
            "to disk\n",
            "to d\u0456sk\n",
            "mixes scripts whose letters look alike, `\u0456` (U+0456, cyrillic",
            "d\u0456sk",
        ),
        ("to disk\n", "to disk\u3164\n", "(U+3164, hangul filler) in this name can't be seen", "disk\u3164"),
        ("to disk\n", "to \uffa0\n", "(U+FFA0, halfwidth hangul filler) in this name can't be seen", "\uffa0"),
        ("to disk\n", "to\ufeff disk\n", "a byte order mark (U+FEFF) stands here", "\ufeff"),
        ("to disk\n", "to di\u200bsk\n", "does not fit here", "\u200bsk"),
    ],
)
def test_letters_that_are_not_what_they_look_like(before: str, after: str, says: str, shown: str) -> None:
    text = changed((f"within 1h {before}", f"within 1h {after}"))
    found = next(one for one in check(text).diagnostics if one.code == "BKP0001")
    assert says in found.message
    assert text[found.primary.span.start : found.primary.span.end] == shown
    assert found.help is not None


def test_a_name_in_another_script_that_looks_the_same_is_told_letter_by_letter() -> None:
    text = changed(("site here", "site copa"), ("at here", "at copa"), ("link here", "link copa"))
    (found,) = check(text.replace("disk at copa", "disk at \u0441\u043e\u0440\u0430")).diagnostics
    assert found.help == (
        "there is a site of another spelling: `copa` looks the same: "
        "`\u0441` (U+0441, cyrillic small letter es) is not `c` (U+0063, latin small letter c)"
    )


@pytest.mark.parametrize("name", ["订单", "db_заказы", "größe", "日本db", "заказы-2", "λ"])
def test_names_in_any_script_are_fine(name: str) -> None:
    assert check(SMALL.replace("disk", name)).diagnostics == ()


def test_marks_in_texts_and_comments_are_not_between_words() -> None:
    text = changed(('at here { directory "backups"', 'at here { directory "back\ufeffups"'))
    (found,) = check("# \ufeff\n" + text).diagnostics
    assert found.code == "BKP1001"


def test_all_that_is_wrong_in_one_block_is_told() -> None:
    text = changed(
        ("SHOP_DB_USER, SHOP_DB_PASSWORD", "SHOP_DB_USER"),
        ("127.0.0.1:3306", "127.0.0.1:0"),
        ("size 1GiB  writes 100MiB/h", "size 1Gb  writes 100  standby elsewhere { provision 5 }"),
        ("rpo 10s  rto 30min", "rpo 10  rto 30m"),
        ("every 2s", "every 0s"),
        ("keep 14d", "keep 14\n  flow { limit 0bit/s  lag warn 5  }"),
    )
    underlined = [text[one.primary.span.start : one.primary.span.end] for one in check(text).diagnostics]
    assert underlined[:2] == ['"127.0.0.1:0"', "credentials env SHOP_DB_USER"]
    assert underlined[2:] == ["1Gb", "100", "elsewhere", "10", "30m", "0s", "14", "0bit/s", "5"]


def test_one_run_tells_all_and_nothing_that_only_follows() -> None:
    text = changed(
        ("size 1GiB", "size 1Gib"),  # so `shop` can't be taken: `protect shop` is no unknown name
        ("hot  to disk, far", "hot  to disk, fra"),
        ("site there {", "site there ["),  # unreadable: `there` is no unknown name
    )
    told = [(one.code, one.message) for one in check(text).diagnostics]
    assert [code for code, _ in told] == ["BKP0001", "BKP1001", "BKP1002"]
    assert "fra" in told[2][1]


def test_an_open_brace_is_shown() -> None:
    text = changed(("keep 14d\n}", "keep 14d\n"))
    (found,) = check(text).diagnostics
    assert found.message == "this `{` is never closed"
    assert text[: found.primary.span.start].endswith("policy basic ")


def test_where_thousands_of_names_are_unknown_only_some_are_compared() -> None:
    some = COMPARED + 10
    needs = "".join(f"  needs shop{number}\n" for number in range(some))
    found = check(changed(("size 1GiB", f"{needs}  size 1GiB"))).diagnostics
    helps = [one.help or "" for one in found if "no database" in one.message]
    assert len(helps) == some
    assert sum("`shop`" in one for one in helps) == COMPARED
    assert helps[-1] == "declare the database or import its file"


TWO = """\
site hangzhou { region "cn-hangzhou" }
site beijing { region "cn-beijing" }
store near at hangzhou { oss "bucket/x" endpoint "https://oss.example" credentials env A, B  replicates to copy }
store copy at beijing { oss "copied/x/" endpoint "https://oss.example" credentials env A, B }
"""


@pytest.mark.parametrize(
    ("before", "after", "code", "says"),
    [
        ("to copy", "to cpy", "BKP1002", "there is no store `cpy`"),
        ("to copy", "to copy replicates to copy", "BKP1007", "twice"),
        ("to copy", 'to copy  role ""', "BKP1001", "this text is empty"),
        ("to copy", "to near", "BKP1012", "`near` is in the bucket of `near`"),
        ('"copied/x/"', '"bucket/y"', "BKP1012", "`copy` is in the bucket of `near`"),
        ('"copied/x/"', '"copied/y"', "BKP1012", "`x/…` does not become `y/…`"),
        ('"cn-beijing"', '"cn-hangzhou"', "BKP1012", "is in the region of `near`, and is lost with it"),
        ("to copy", "to disk", "BKP1012", "`disk` is no bucket"),
        (
            'oss "bucket/x" endpoint "https://oss.example" credentials env A, B',
            'directory "b"',
            "BKP1001",
            "a directory has no such",
        ),
        (
            '"copied/x/" endpoint "https://oss.example" credentials env A, B',
            '"copied/x" endpoint "https://oss.example" credentials env A, B replicates to near',
            "BKP1012",
            "it does not copy on to",
        ),
        (
            "store copy",
            f'store other at hangzhou {{ oss "third/x" {SERVICE} replicates to copy }}\nstore copy',
            "BKP1012",
            "`copy` is the copy of `near` already",
        ),
    ],
)
def test_copies_that_oss_does_not_make(before: str, after: str, code: str, says: str) -> None:
    assert check(SMALL + TWO).diagnostics == ()
    assert before in TWO
    found = check(SMALL + TWO.replace(before, after)).diagnostics
    assert {one.code for one in found} == {code}
    assert says in found[0].message
