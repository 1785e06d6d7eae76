"""Which machine a host means, however it is spelled."""

from __future__ import annotations

import pytest

from bkpc_grammar.address import host_and_port, is_loopback, never_leaves, one_spelling

STAYS = [
    "localhost",
    "Localhost",
    "LOCALHOST",
    "localhost.",
    "db.localhost",
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "127.9.9.9",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::FFFF:7f00:1",
    "ｌocalhost",
]
MAY_STAY = [
    "0.0.0.0",  # noqa: S104 # compared, never bound
    "0",
    "::",
    "0:0::0",
    "::ffff:0.0.0.0",
    "ip6-localhost",
    "IP6-Localhost.",
    "ip6-loopback",
    "localhost4",
    "localhost6",
    "localhost.localdomain",
    "db.localhost.localdomain",
]
ELSEWHERE = [
    "localhost-db.prod",
    "localhostess",
    "notlocalhost",
    "localhost.prod",
    "127.db.prod",
    "127.0.0.1.nip.io",
    "128.0.0.1",
    "10.0.0.1",
    "1.127",
    "::2",
    "::ffff:10.0.0.1",
    "db",
    "1db",
    "0x",
    "127.0.0.0.1",
    "256.1.1.1.1",
    "☃.example",
]


@pytest.mark.parametrize("host", STAYS)
def test_the_machine_itself(host: str) -> None:
    assert never_leaves(host)
    assert is_loopback(host)


@pytest.mark.parametrize("host", MAY_STAY)
def test_it_may_be_the_machine_itself_but_nothing_is_left_out_for_it(host: str) -> None:
    assert is_loopback(host)
    assert not never_leaves(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_another_machine(host: str) -> None:
    assert not is_loopback(host)
    assert not never_leaves(host)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DB1.Shop", "db1.shop."),
        ("10.0.0.1", "::ffff:a00:1"),
        ("10.1", "10.0.0.1"),
        ("fe80::1", "FE80:0:0::0001"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_one_machine_of_two_spellings(one: str, other: str) -> None:
    assert one_spelling(one) == one_spelling(other)


def test_two_machines() -> None:
    assert (
        len({one_spelling(one) for one in ("db", "db1", "db.shop", "10.0.0.1", "10.0.0.2", "::2", "999.1", "a..b")})
        == 8
    )


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("db:3306", ("db", "3306")),
        ("db", ("db", "")),
        ("[::1]:3306", ("::1", "3306")),
        ("[::1]", ("::1", "")),
        ("/run/mysqld.sock", ("", "")),
        ("/run/a:b", ("", "")),
    ],
)
def test_an_address_taken_apart(address: str, parts: tuple[str, str]) -> None:
    assert host_and_port(address) == parts
