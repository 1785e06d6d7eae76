"""Files that nobody means to write: told plainly, by the command line itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bkpc_compiler.main import main
from tests.compiler.one_file import SMALL, changed, check

DEEP = 3000


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out + err


@pytest.mark.parametrize("command", ["check", "compile", "test", "runbook", "report", "graph"])
def test_a_file_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    (tmp_path / "one.bkp").write_bytes(b"edition 1\n\xff\xfe")
    code, words = said(capsys, command, str(tmp_path / "one.bkp"))
    assert code == 2
    assert words == f"bkpc {command}: one.bkp: not readable as UTF-8: byte 10 is 0xff\n"


def test_an_import_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.bkp").write_text('edition 1\nimport "two.bkp"\n')
    (tmp_path / "two.bkp").write_bytes(b"edition \xc3")
    code, words = said(capsys, "check", str(tmp_path / "one.bkp"))
    assert code == 1
    assert "`two.bkp` can't be imported: not readable as UTF-8: byte 8 is 0xc3" in words


def test_a_byte_order_mark_and_line_ends_of_windows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.bkp").write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    code, words = said(capsys, "check", str(tmp_path))
    assert code == 0, words


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("{}", "paths are relative to the importing file"),
        ("secret", "it is not a .bkp file"),
        ("..", "it is not a .bkp file"),
        ("std/../../secret", "No such file or directory"),
        ("link.bkp", "it leads to a file that is not a .bkp file"),
        ("none\\u{0}.bkp", "it is not a .bkp file"),
    ],
)
def test_an_import_shows_nothing_of_other_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str, why: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:x:0:0\n")
    (tmp_path / "link.bkp").symlink_to(secret)
    asked = written.replace("{}", str(secret))
    (tmp_path / "one.bkp").write_text(f'edition 1\nimport "{asked}"\n')
    code, words = said(capsys, "check", str(tmp_path / "one.bkp"))
    assert code == 1
    assert f"can't be imported: {why}" in words
    assert "root:x" not in words


def test_a_folder_with_a_link_to_another_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "secret").write_text("root:x:0:0\n")
    (tmp_path / "link.bkp").symlink_to(tmp_path / "secret")
    code, words = said(capsys, "check", str(tmp_path))
    assert code == 2
    assert "which is not a .bkp file" in words
    assert "root:x" not in words


def test_a_folder_that_is_called_as_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dir.bkp").mkdir()
    (tmp_path / "one.bkp").write_text(SMALL)
    code, words = said(capsys, "check", str(tmp_path))
    assert code == 0, words


def test_an_import_may_climb_out_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "small.bkp").write_text(SMALL)
    (tmp_path / "policies" / "one.bkp").write_text('edition 1\nimport "../small.bkp"\n')
    code, words = said(capsys, "check", str(tmp_path / "policies"))
    assert code == 0, words


def test_an_import_whose_name_is_no_text() -> None:
    assert [one.code for one in check('edition 1\nimport "\\u{110000}.bkp"\n').diagnostics] == ["BKP1001"]


@pytest.mark.timeout(60)
def test_files_that_import_one_another_in_a_long_row() -> None:
    others = {f"f{at}": f'edition 1\nimport "f{at + 1}.bkp"\n' for at in range(DEEP - 1)} | {f"f{DEEP - 1}": SMALL}
    checked = check('edition 1\nimport "f0.bkp"\n', **others)
    assert checked.diagnostics == ()
    assert len(checked.answers) == 2


@pytest.mark.timeout(60)
def test_policies_that_extend_one_another_in_a_long_row() -> None:
    row = "".join(f"policy p{at} extends p{at + 1} {{}}\n" for at in range(DEEP))
    text = changed(("policy basic", f"{row}policy p{DEEP}"), ("with basic", "with p0"))
    checked = check(text)
    assert {one.code for one in checked.diagnostics} <= {"BKP6007"}
    assert len(checked.answers) == 2


@pytest.mark.timeout(60)
def test_values_that_stand_for_one_another_in_a_long_row() -> None:
    row = "".join(f"let v{at} = v{at + 1}\n" for at in range(DEEP))
    text = changed(("edition 1\n", f"edition 1\n{row}let v{DEEP} = 1GiB\n"), ("size 1GiB", "size v0"))
    assert check(text).diagnostics == ()


def test_values_that_nobody_uses_and_that_are_none() -> None:
    found = check(changed(("edition 1\n", "edition 1\nlet a = b\nlet b = a\nlet c = a\nlet d = e\n"))).diagnostics
    assert [(one.code, one.message) for one in found] == [
        ("BKP1009", "`a` stands for itself: a → b → a"),
        ("BKP1002", "there is no value `e`"),
    ]


@pytest.mark.parametrize("char", ["\u202e", "\u2066", "\x1b", "\x00", "\x9b", "\u2028", "\u200b", "\u2069"])
@pytest.mark.parametrize(
    "text",
    [
        'edition 1\nsite "{}" {{ }}\n',
        'edition 1\nsite a{} {{ region "r" }}\n',
        'edition 1\ntimezone "{}"\n',
        'edition 1\nimport "{}.bkp"\n',
        'edition 1\nimport "\\u{{{:x}}}.bkp"\n',
    ],
)
def test_a_terminal_is_told_nothing_by_strangers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, char: str
) -> None:
    (tmp_path / "one.bkp").write_text(text.format(ord(char) if ":x" in text else char), encoding="utf-8")
    code, words = said(capsys, "check", str(tmp_path / "one.bkp"))
    assert code == 1
    assert char not in words
    assert f"\\u{{{ord(char):x}}}" in words


def test_the_name_of_a_test_is_told_as_safely(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = 'test "\\u{202e}" { expect shop rto against corruption <= 1s }\n'
    (tmp_path / "one.bkp").write_text(SMALL + test)
    code, words = said(capsys, "test", str(tmp_path / "one.bkp"))
    assert code == 1
    assert "\u202e" not in words
    assert "FAILED  \\u{202e}" in words


HUGE = "1" + "0" * 400
LONG = "9" * 5000


@pytest.mark.parametrize("number", [HUGE, LONG, f"0.{'0' * 400}1", f"1.{LONG}", "9" * 18])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("size 1GiB", "size {}GiB"),
        ("writes 100MiB/h", "writes {}MiB/h"),
        ("writes 100MiB/h", "writes 1MiB/h burst {}MiB"),
        ("writes 100MiB/h", "writes 1MiB/h grows {}%/month"),
        ("bandwidth 1Gbit/s", "bandwidth {}Gbit/s"),
        ("rpo 10s", "rpo {}s"),
        ("rto 30min", "rto {}min"),
        ("rto 30min", "rto 30min for {}%"),
        ("every 2s", "every {}s"),
        ("within 1h", "within {}h"),
        ("daily at 02:00", "every {}h"),
        ("keep 14d", "keep {}d"),
        ("keep 14d", "keep 14d, {} monthly"),
        ("keep 14d", "keep 14d  lock {}d"),
        ("edition 1", "edition {}"),
    ],
)
def test_a_figure_beyond_sense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, number: str
) -> None:
    (tmp_path / "one.bkp").write_text(changed((before, after.format(number))))
    code, words = said(capsys, "check", str(tmp_path / "one.bkp"), "--explain", "--horizon", "120mo")
    assert code == 1, words


@pytest.mark.parametrize("explained", [(), ("--explain", "--horizon", "120mo")])
@pytest.mark.parametrize(
    "figures",
    [
        ("4096PiB", "4096PiB/s", "10000%/month"),
        ("4096PiB", "1B/w", "1000%/month"),
        ("0.000000000000000001B", "0.000000000000000001B/w", "0.000000000000000001%/month"),
        ("4096PiB", "0.000000000000000001B/w", "1000%/month"),
    ],
)
def test_the_largest_and_the_smallest_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], figures: tuple[str, str, str], explained: tuple[str, ...]
) -> None:
    size, speed, growth = figures
    text = changed(
        ("size 1GiB  writes 100MiB/h", f"size {size} grows {growth} writes {speed} burst {size} restores {speed}"),
        ("bandwidth 1Gbit/s", f"bandwidth {speed}"),
        ("rto 30min", "rto 3650000d"),
    )
    (tmp_path / "one.bkp").write_text(text)
    code, words = said(capsys, "check", str(tmp_path / "one.bkp"), *explained)
    assert code == 1, words


@pytest.mark.timeout(20)
@pytest.mark.parametrize("command", ["check", "report", "graph"])
def test_links_that_lead_nowhere_and_pipes_in_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "one.bkp").write_text(SMALL)
    for name, target in (("loop.bkp", "loop.bkp"), ("gone.bkp", "nowhere.bkp")):
        (tmp_path / name).symlink_to(tmp_path / target)
        code, words = said(capsys, command, str(tmp_path))
        assert code == 2
        assert f"{tmp_path / name} is a link that leads to no file" in words
        (tmp_path / name).unlink()
    os.mkfifo(tmp_path / "pipe.bkp")
    code, words = said(capsys, command, str(tmp_path))
    assert code == 2
    assert "pipe.bkp" in words
    assert "no regular file" in words


def test_a_very_long_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.bkp").write_text(SMALL.replace("shop", "s" * 100_000))
    code, words = said(capsys, "check", str(tmp_path / "one.bkp"))
    assert code == 0, words[-500:]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        " ".join('site a { region "r" }' for _ in range(5000)),
        "\n".join(f"policy p{at} extends p{at + 1} {{}}" for at in range(DEEP)),
        "\n".join(f"policy p{at} extends p{(at + 1) % DEEP} {{}}" for at in range(DEEP)),
        "policy p { " * 20_000,
        "{" * 100_000,
        "\0" * 50_000,
        "\n".join(f'site s{at} {{ regio "r" }}' for at in range(DEEP)),
    ],
    ids=["one line", "an unknown policy", "a circle of policies", "nested", "braces", "nothing", "mistakes"],
)
def test_much_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "one.bkp").write_text(f"edition 1 {text}\n")
    code, words = said(capsys, "check", str(tmp_path / "one.bkp"))
    assert code == 1
    assert max(map(len, words.splitlines())) < 100 * DEEP
