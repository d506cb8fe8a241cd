"""Who counts as one address, and how many tickets it may take."""

from __future__ import annotations

import pytest

from hairpin.config import Settings
from hairpin.gate import limits
from hairpin.gate.limits import Addresses, JoinLimit, bucket_key, parsed

PROXIES = Settings(trusted_proxies=("10.0.0.0/8", "fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("192.0.2.1", b"", "192.0.2.1"),
        # Whoever is no trusted proxy may claim what it wants.
        ("192.0.2.1", b"198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", b"198.51.100.7", "198.51.100.7"),
        # Only the last address that our own proxies did not add counts: what stands before it may
        # be spoofed.
        ("10.0.0.1", b"203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", b"203.0.113.9,198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # A proxy that says nothing, as for a health check, is charged itself.
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b" , ", "10.0.0.1"),
        ("10.0.0.1", b"198.51.100.7,", "198.51.100.7"),
        ("10.0.0.1", b"unknown", "unknown"),
        # With ports and brackets, as some proxies write them.
        ("10.0.0.1", b"198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", b"[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", b"[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1", b"2001:db8::1", "2001:db8::1"),
        # IPv4 in IPv6, as a listener on both families sees it.
        ("::ffff:10.0.0.1", b"198.51.100.7", "198.51.100.7"),
        ("fd00::1", b"2001:db8::9, ::ffff:10.0.0.9", "2001:db8::9"),
        ("", b"198.51.100.7", ""),
    ],
)
def test_the_address_that_is_charged(peer: str, forwarded_for: bytes, client: str) -> None:
    assert Addresses(PROXIES).client(parsed(peer), forwarded_for) == parsed(client)


def test_a_venue_may_take_as_many_as_it_needs() -> None:
    addresses = Addresses(Settings(join_allow=("203.0.113.0/24", "2001:db8:5::/48")))
    for allowed in ("203.0.113.200", "::ffff:203.0.113.4", "2001:db8:5:77::1"):
        assert addresses.unlimited(parsed(allowed))
    for other in ("203.0.114.1", "2001:db8:6::1", "unknown", ""):
        assert not addresses.unlimited(parsed(other))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:0DB8:0:0:1::", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("not:an:address", "not:an:address", True),
        ("unknown", "elsewhere", False),
    ],
)
def test_one_bucket_for_an_address_and_for_a_customer_of_ipv6(
    one: str, other: str, same: bool
) -> None:
    assert (bucket_key(parsed(one)) == bucket_key(parsed(other))) is same


def test_a_burst_then_so_many_per_second() -> None:
    limit = JoinLimit(burst=3, per_s=2.0)
    assert [limit.take("a", 0) for _ in range(5)] == [True, True, True, False, False]
    assert limit.take("b", 0)
    assert not limit.take("a", 499)
    assert limit.take("a", 500)
    assert not limit.take("a", 999)
    assert limit.take("a", 1_000)


def test_rest_fills_the_bucket_and_not_more() -> None:
    limit = JoinLimit(burst=2, per_s=1.0)
    assert [limit.take("a", 0) for _ in range(3)] == [True, True, False]
    assert [limit.take("a", 1e9) for _ in range(3)] == [True, True, False]


def test_asking_in_vain_does_not_postpone_the_next_token() -> None:
    limit = JoinLimit(burst=1, per_s=1.0)
    assert limit.take("a", 0)
    assert not any(limit.take("a", at) for at in range(0, 1_000, 10))
    assert limit.take("a", 1_001)


def test_only_so_many_addresses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_ADDRESSES_MAX", 3)
    limit = JoinLimit(burst=1, per_s=0.001)
    for address in "abcd":
        assert limit.take(address, 0)
    assert [limit.take(address, 0) for address in "bcd"] == [False, False, False]
    assert limit.take("a", 0), "the one that was quiet for longest was forgotten"
