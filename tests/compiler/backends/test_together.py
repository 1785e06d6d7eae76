"""What a runbook types for a group is one command, begun in time for all that is proved: it waits by itself."""

from __future__ import annotations

import re

from bkpc_compiler.backends.procedure import Phase, Procedure, procedures_of
from bkpc_compiler.backends.runbook.acts import acts_of
from bkpc_grammar.plan import Recovery
from tests.compiler.one_file import planned

ESTATE = """\
edition 1
storage class tape {{ thaw 3h }}
site here {{ region "r1" }}
site there {{ region "r3" }}
link here -- there {{ bandwidth 1GB/s  latency {latency} }}
store near at there {{ oss "near"  endpoint "https://oss.example.com"  {images}  credentials env A, B }}
store logs at there {{ oss "logs"  endpoint "https://oss.example.com"  {logs}  credentials env A, B }}
database a at here {{
  mysql "a.example"  credentials env U, P  size 30GB  writes 10kB/s  burst 1MB  standby there {{ provision {first} }}
}}
database b at here {{
  mysql "b.example"  credentials env U, P  size 90GB  writes 10kB/s  burst 1MB  standby there {{ provision 10min }}
}}
group g {{ a, b }}
policy p {{
  promise against site {{ rpo 5min  rto 9h }}
  full daily at 00:00 within 10h to near
  hot to logs every 1min
}}
protect a, b with p
"""


def carried_out(first: str, images: str = "", logs: str = "", latency: str = "0ms") -> tuple[Recovery, Procedure]:
    """After the loss of the site."""
    plan = planned(ESTATE.format(first=first, images=images, logs=logs, latency=latency))
    (recovery,), (procedure,) = plan.recoveries, procedures_of(plan)
    return recovery, procedure


def typing(procedure: Procedure) -> tuple[Phase, str]:
    """The step at which the one restore is typed, and what stands there."""
    acts = acts_of(procedure)
    (act,) = [one for one in acts if any("bkpc restore" in command for command in one.commands)]
    (command,) = act.commands
    assert command.startswith("bkpc restore plan.json --scope site:here --to latest")
    assert command.count("--into ") == 2
    assert "--thaw-only" not in command
    for one in acts:
        if one is not act and one.phase.kind in {"thaw", "restore.image", "restore.log"}:
            assert f"Nothing to type: the command of step {act.phase.number} " in one.texts[0]
    return act.phase, " ".join(act.texts)


def test_it_is_typed_as_the_first_server_is_there_and_waits_for_the_other() -> None:
    _, procedure = carried_out("1h")
    phase, text = typing(procedure)
    assert (phase.databases, phase.start_ms) == (("b",), 600_000)
    assert "Of `a` no server need be there yet" in text
    assert "thaw" not in text


def test_where_all_are_ready_at_once_nothing_is_said_of_it() -> None:
    _, procedure = carried_out("10min")
    assert "no server need be there" not in typing(procedure)[1]


def test_what_must_thaw_is_asked_for_by_the_same_command_at_once() -> None:
    for images, logs in (("class tape", ""), ("class tape", "class tape")):
        _, procedure = carried_out("1h", images, logs)
        phase, text = typing(procedure)
        assert (phase.kind, phase.start_ms) == ("thaw", 0)
        assert "It asks for all that must thaw, and waits for it" in text
        assert "If any log of a group must thaw, all its members wait." in text
        assert "Of `a` and `b` no server need be there yet" in text


def test_there_is_time_to_look_for_the_point_before_anything_is_loaded() -> None:
    """Its step begins when the server is there, and not only when the plan has the image begin."""
    recovery, procedure = carried_out("10min", latency="50ms")
    phase, _ = typing(procedure)
    begins = min(one.start_ms for one in recovery.steps if one.kind == "restore.image")
    looks = begins - 600_000
    assert looks > 1000
    assert phase.start_ms == 600_000
    (first,) = [one for one in recovery.steps if one.kind == "restore.image" and one.start_ms == begins][:1]
    assert phase.takes_ms == looks + first.expect_ms
    assert re.search(r"Load the image of [ab] from near", phase.title)
