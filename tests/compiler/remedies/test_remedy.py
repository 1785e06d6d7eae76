"""What a help names proves the promise, as a change of the text; one step less does not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bkpc_compiler.feasibility.verdict import Analysis, Verdict, demand_of, judge_again
from bkpc_compiler.passes import Checked
from bkpc_compiler.remedies.figures import changed, figures_at
from bkpc_compiler.remedies.harm import crowded_out
from bkpc_compiler.remedies.remedy import remedy_of
from bkpc_compiler.remedies.search import MOST_DATABASES, Trials, helps
from tests.compiler.one_file import check

ESTATE = """\
edition 1

site here { region "local" }
site there { region "local" }
link here -- there { bandwidth 100Mbit/s latency 20ms }
store disk at here { directory "backups" reads 8Gbit/s writes 4Gbit/s }
store far at there { directory "backups" reads 4Gbit/s writes 4Gbit/s }

database shop at here {
  mysql "127.0.0.1:3306"
  credentials env SHOP_DB_USER, SHOP_DB_PASSWORD
  size 300GiB  starts 0s  table 0s  writes 100MiB/h  burst 16MiB
  restores 200MiB/s  replays 40MiB/s  dumps 400MiB/s
  standby there { provision 20min }
}

policy basic {
  PROMISE
  respond detect 5min activate 5min
  full daily at 02:00 within 6h to disk
  cold daily at 14:00 within 12h from disk to far
  hot to disk, far every 20s
  keep 14d
}

protect shop with basic
"""
CASES = (
    ("promise against corruption { rpo 10s }", "every"),
    ("promise against corruption { rto 30min }", "restores"),
    ("promise against site { rpo 10s }", "every"),
    ("promise against site { rto 1h }", "activate"),
)


def broken(promise: str) -> tuple[str, Checked, Analysis]:
    text = ESTATE.replace("PROMISE", promise)
    checked = check(text)
    assert checked.analysis is not None
    return text, checked, checked.analysis


@pytest.mark.parametrize(("promise", "word"), CASES)
def test_the_edit_of_a_help_proves_the_promise(promise: str, word: str) -> None:
    text, checked, analysis = broken(promise)
    (answer,) = analysis.answers
    assert answer.verdict is not Verdict.PROVED
    edit = remedy_of(analysis, answer).edit
    assert edit is not None
    assert edit.text.startswith(word)
    assert next(one.edit for one in checked.diagnostics if one.code.startswith(("BKP2", "BKP3"))) == edit
    assert edit.fact is (word == "restores")
    edited = text[: edit.span.start] + edit.text + text[edit.span.end :]
    again = check(edited).analysis
    assert again is not None
    assert again.answers[0].verdict is Verdict.PROVED


@pytest.mark.parametrize(("written", "proving"), [("26h30min", "0.57h"), ("0.91h30min", "34min")])
def test_the_edit_replaces_a_compound_duration_as_a_whole(written: str, proving: str) -> None:
    text = ESTATE.replace("PROMISE", "promise against corruption { rto 1h }").replace("5min activate 5min", written)
    text = text.replace("300GiB", "240GiB").replace("100MiB/h", "0B/h").replace("burst 16MiB", "burst 0B")
    analysis = check(text).analysis
    assert analysis is not None
    edit = remedy_of(analysis, analysis.answers[0]).edit
    assert edit is not None
    assert edit.text == f"detect {proving}"
    edited = text[: edit.span.start] + edit.text + text[edit.span.end :]
    assert written not in edited
    again = check(edited).analysis
    assert again is not None
    assert again.answers[0].verdict is Verdict.PROVED


@pytest.mark.parametrize("promise", [promise for promise, _ in CASES])
def test_one_step_less_does_not_prove_it(promise: str) -> None:
    _, _, analysis = broken(promise)
    (answer,) = analysis.answers
    for one in helps(Trials(analysis, answer)):
        assert one.edit is not None
        for figure in figures_at(analysis.program, (one.edit.span,)):
            steps = figure.steps()
            index = [f"{figure.clause} {step}" for step in steps].index(one.edit.text)
            for step in (figure.value, *steps)[max(0, index - 1) : index + 1]:
                less = changed(analysis.program, figure.span, step)
                again = judge_again(less, answer)
                assert again is not None
                proved = again.verdict is Verdict.PROVED
                assert not proved or crowded_out(analysis.demand, demand_of(less)), (figure.clause, str(step))


def test_what_a_policy_decides_comes_first_then_the_least_change() -> None:
    _, _, analysis = broken("promise against site { rto 1h }")
    found = list(helps(Trials(analysis, analysis.answers[0])))
    assert [(one.ease, one.by) for one in found] == sorted((one.ease, one.by) for one in found)
    assert len(found) > 1


def test_a_schedule_is_tried_at_shorter_periods() -> None:
    text = ESTATE.replace("PROMISE", "promise against corruption { rpo 12h }")
    text = text.replace("  hot to disk, far every 20s\n", "")
    analysis = check(text).analysis
    assert analysis is not None
    edits = [one.edit for one in helps(Trials(analysis, analysis.answers[0])) if one.edit]
    (edit,) = [one for one in edits if text[one.span.start : one.span.end].startswith("daily")]
    edited = text[: edit.span.start] + edit.text + text[edit.span.end :]
    again = check(edited).analysis
    assert again is not None
    assert again.answers[0].verdict is Verdict.PROVED, edit.text


def test_large_estates_are_not_searched() -> None:
    _, _, analysis = broken("promise against corruption { rto 30min }")
    many = (analysis.program.databases[0],) * MOST_DATABASES
    crowded = replace(analysis, program=replace(analysis.program, databases=many))
    assert Trials(crowded, analysis.answers[0]).left == 0
    assert "as it stands, `rto" in remedy_of(crowded, analysis.answers[0]).help


def test_a_figure_steps_through_two_digits() -> None:
    analysis = broken("promise against corruption { rpo 10s }")[2]
    spans = {one.span for one in (analysis.program.links[0].bandwidth, analysis.program.databases[0].size)}
    bandwidth, size = figures_at(analysis.program, spans)
    assert [str(one) for one in bandwidth.steps()[:3]] == ["110Mbit/s", "120Mbit/s", "130Mbit/s"]
    assert str(bandwidth.steps()[-1]) == "100000Mbit/s"
    assert [str(one) for one in size.steps()[:2]] == ["290GiB", "280GiB"]
    assert all(one.amount < size.value.amount for one in size.steps())


GROUP = """\
edition 1

site here { region "local" }
store near at here { directory "/near" reads 100MB/s writes 100MB/s }
database one at here {
  mysql "one.example" credentials env U, P
  size 1GB writes 3MB/s burst 0B dumps 1GB/s restores 1GB/s replays 90MB/s
}
database two at here {
  mysql "two.example" credentials env U, P
  size 1GB writes 1kB/s burst 64MiB dumps 1GB/s restores 1GB/s replays 90MB/s
}
group pair { one, two }
policy first {
  promise against corruption { rpo FIRST }
  full hourly within 10min to near
}
policy second {
  promise against corruption { rpo 5h }
  full daily at 00:00 within 1h to near
  hot to near every 5s
}
protect one with first
protect two with second
"""


@pytest.mark.parametrize(("first", "told"), [("10s", ""), ("30min", "1h33min"), ("70min", "2h20min")])
def test_nothing_is_proved_as_it_stands_that_another_promise_would_undo(first: str, told: str) -> None:
    """With a promise that is weaker the log of `two` is reserved less, and the group loses more again."""
    analysis = check(GROUP.replace("FIRST", first)).analysis
    assert analysis is not None
    said = re.findall(r"as it stands, `rpo (\w+)`", remedy_of(analysis, analysis.answers[0]).help)
    assert said == ([told] if told else [])
    for weaker in said:
        then = check(GROUP.replace("FIRST", weaker)).analysis
        assert then is not None
        assert {one.verdict for one in then.answers} == {Verdict.PROVED}


def test_what_is_proved_as_it_stands_is_told_with_its_share() -> None:
    _, _, analysis = broken("promise against corruption { rto 30min for 50% }")
    help_ = remedy_of(analysis, analysis.answers[0]).help
    told = re.search(r"as it stands, `(rto [^`]+ for 50%)` would be proved", help_)
    assert told, help_
    again = broken(f"promise against corruption {{ {told[1]} }}")[2]
    assert again.answers[0].verdict is Verdict.PROVED


def test_of_two_levels_a_help_names_the_one_it_is_about_and_both_are_underlined() -> None:
    second = "full daily at 02:00 within 6h to disk\n  full daily at 10:00 within 6h to disk"
    text = ESTATE.replace("full daily at 02:00 within 6h to disk", second).replace("hot to disk, far every 20s\n", "")
    (one,) = check(text.replace("PROMISE", "promise against corruption { rpo 4h }")).diagnostics
    assert one.help is not None
    assert "instead of `daily at 02:00 within 6h`" in one.help
    assert "instead of `daily at 10:00 within 6h`" in one.help
    text = ESTATE.replace("full daily at 02:00 within 6h to disk", second)
    text = text.replace("PROMISE", "promise against corruption { rpo 1min  rto 31min }")
    (one,) = check(text).diagnostics
    underlined = {
        text[label.span.start : label.span.end] for label in one.secondary if not label.span.file.startswith("std")
    }
    assert {"daily at 02:00 within 6h", "daily at 10:00 within 6h"} <= underlined
