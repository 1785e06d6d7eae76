"""The GRANTs of `compile --target iam`: what `preflight` asks for on a server, known before there is one."""

from __future__ import annotations

import re

import msgspec
import pytest

from bkpc_compiler.backends.iam import grants_sql, iam_markdown
from bkpc_compiler.backends.iam.grants import grants_of
from bkpc_compiler.backends.iam.roles import Policy
from bkpc_grammar.plan import Plan, Retention
from bkpc_grammar.privileges import Flavour
from bkpc_runtime.mysql.preflight_privileges import needed_privileges
from tests.compiler.backends.made import made_plan
from tests.runtime.mysql.test_preflight import facts


def asked(plan: Plan, flavour: Flavour) -> list[set[str]]:
    """The privileges of each database's statement."""
    told = {"mysql": "MySQL", "mariadb": "MariaDB"}[flavour]
    statements = [dict(one.statements) for one in grants_of(plan)]
    lines = [text for one in statements for server, text in one.items() if server.startswith(told)]
    return [set(re.match(r"GRANT (.*) ON ", line)[1].split(", ")) for line in lines]  # type: ignore[index]


@pytest.mark.parametrize("flavour", ["mysql", "mariadb"])
def test_they_are_what_preflight_asks_for(flavour: Flavour) -> None:
    plan = made_plan()
    wanted = []
    for database in plan.estate.databases:
        stream = any(one.database == database.name for one in plan.streams)
        wanted.append(set(needed_privileges(facts(flavour), stream=stream)))
    assert asked(plan, flavour) == wanted


def test_physical_images_ask_for_what_their_engine_needs() -> None:
    jobs = tuple(msgspec.structs.replace(one, engine="physical") for one in made_plan().jobs)
    plan = msgspec.structs.replace(made_plan(), jobs=jobs, streams=())
    assert all({"BACKUP_ADMIN", "PROCESS"} <= one for one in asked(plan, "mysql"))
    assert all({"RELOAD", "PROCESS"} <= one for one in asked(plan, "mariadb"))


def test_a_locked_log_begins_with_each_image() -> None:
    """Without RELOAD its beginning may lie in a binlog that is older than the lock."""
    made = made_plan()
    name = made.streams[0].database
    for lock, has in ((None, False), (86_400_000, True)):
        kept = Retention(
            database=name, store="near", keep_ms=None, daily=0, weekly=0, monthly=0, yearly=0, lock_ms=lock,
            timezone="UTC", grace_ms=0, fresh_ms=0, verified=False,
        )  # fmt: skip
        plan = msgspec.structs.replace(made, retention=(kept,))
        found = {one.database: dict(one.statements).values() for one in grants_of(plan)}
        assert all(("RELOAD" in text) == has for text in found.pop(name))
        assert not any("RELOAD" in text for texts in found.values() for text in texts)


def test_no_password_and_no_address_is_asked_for() -> None:
    text = grants_sql(made_plan()) + iam_markdown(made_plan())
    assert "IDENTIFIED" not in text
    assert "'bkpc'@'%'" in text


def test_names_are_such_as_ram_takes() -> None:
    names = [Policy("writer", store, ()).name for store in ("far", "two words", "仓库一", "仓库二")]
    assert names[0] == "bkpc-far-writer"
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9-]{1,128}", one) for one in names)
