"""How many tickets an address may take: a token bucket each, and who counts as one address.

An address is its number as IPv6, an IPv4 one in its mapped form: what the hot loop reads from
sockets. Text that is no address stands for itself.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import OrderedDict
from functools import lru_cache

from hairpin.config import Network, Settings, networks

_ADDRESSES_MAX = 200_000
_MAPPED = 0xFFFF << 32
Address = int | str


class Addresses:
    """Tells the address that a request is charged to."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = _ranges(networks(settings.trusted_proxies))
        self._allowed = _ranges(networks(settings.join_allow))

    def client(self, peer: Address, forwarded_for: bytes) -> Address:
        """The last address before our own proxies; the peer itself if it is no trusted proxy."""
        address = peer
        if forwarded_for and _within(peer, self._trusted):
            hops = [hop.strip() for hop in forwarded_for.decode("latin-1").split(",")]
            for hop in reversed(list(filter(None, hops))):
                address = parsed(_bare(hop))
                if not _within(address, self._trusted):
                    break
        return address

    def unlimited(self, address: Address) -> bool:
        return _within(address, self._allowed)


def _bare(text: str) -> str:
    """An address without port and brackets; text that is no address stays as it is."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    return host if colon and ":" not in host and port.isdigit() else text


@lru_cache(4096)
def parsed(text: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    number = int(address)
    return number if isinstance(address, ipaddress.IPv6Address) else _MAPPED | number


def peer_number(sock: socket.socket) -> int:
    """Who is at the other end; raises OSError if nobody is there any more."""
    address = parsed(str(sock.getpeername()[0]))
    return address if isinstance(address, int) else 0


def _ranges(nets: tuple[Network, ...]) -> list[tuple[int, int]]:
    """First and last address of each network."""
    ranges = []
    for net in nets:
        base = 0 if isinstance(net, ipaddress.IPv6Network) else _MAPPED
        ranges.append((base | int(net.network_address), base | int(net.broadcast_address)))
    return ranges


def _within(address: Address, ranges: list[tuple[int, int]]) -> bool:
    if isinstance(address, int):
        for low, high in ranges:
            if low <= address <= high:
                return True
    return False


def bucket_key(address: Address) -> Address:
    """IPv6 customers own a whole /64: it counts as one address."""
    if isinstance(address, str) or address >> 32 == 0xFFFF:
        return address
    return address >> 64 << 64


class JoinLimit:
    """A token bucket per address. Time is given in ms; at most 200,000 addresses are kept."""

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst = burst
        self._per_ms = per_s / 1000
        self._buckets: OrderedDict[Address, tuple[float, float]] = OrderedDict()

    def take(self, address: Address, now_ms: float) -> bool:
        """One token, if there is one."""
        key = bucket_key(address)
        tokens, then_ms = self._buckets.pop(key, (self._burst, now_ms))
        tokens = min(self._burst, tokens + (now_ms - then_ms) * self._per_ms)
        granted = tokens >= 1
        self._buckets[key] = (tokens - granted, now_ms)
        if len(self._buckets) > _ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        return granted
