"""nginx' key of an address: one for each /64 of IPv6, as the gates count, and for each of IPv4."""

from __future__ import annotations

import ipaddress
import re

from hypothesis import given
from hypothesis import strategies as st

from hairpin.front import ADDRESS_KEYS

GROUP = st.sampled_from([0, 0, 0, 1, 0xA, 0xDB8, 0xFFFF])
ADDRESS = st.builds(
    lambda first, rest: str(ipaddress.IPv6Address(b"".join(g.to_bytes(2) for g in (first, *rest)))),
    st.integers(0x2000, 0x2002),
    st.lists(GROUP, min_size=7, max_size=7),
)
"""Public ones, in which zeros may stand anywhere."""


def key_in_nginx(address: str) -> str:
    """What the map in the configuration makes of `$remote_addr`."""
    for pattern, key in ADDRESS_KEYS:
        if found := re.search(pattern.replace("(?<", "(?P<"), address):
            return re.sub(r"\$(\w+)", lambda name, found=found: found[name[1]], key)
    return address


@given(ADDRESS, ADDRESS)
def test_two_addresses_share_a_key_exactly_if_they_share_a_64(one: str, other: str) -> None:
    shared = ipaddress.ip_network((one, 64), False) == ipaddress.ip_network((other, 64), False)
    assert (key_in_nginx(one) == key_in_nginx(other)) is shared


@given(ADDRESS, st.lists(GROUP, min_size=4, max_size=4))
def test_whatever_its_last_half_an_address_keeps_its_key(address: str, last: list[int]) -> None:
    half = ipaddress.IPv6Address(address).packed[:8] + b"".join(g.to_bytes(2) for g in last)
    assert key_in_nginx(str(ipaddress.IPv6Address(half))) == key_in_nginx(address)


@given(st.ip_addresses(v=4).map(str))
def test_an_address_of_version_4_is_its_own_key(address: str) -> None:
    assert key_in_nginx(address) == address
