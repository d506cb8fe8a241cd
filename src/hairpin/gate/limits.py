"""How many tickets an address may take: a token bucket each, and who counts as one address."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from hairpin.config import Network, Settings, networks

_ADDRESSES_MAX = 200_000


class Addresses:
    """Tells the address that a request is charged to."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = networks(settings.trusted_proxies)
        self._allowed = networks(settings.join_allow)

    def client(self, peer: str, forwarded_for: bytes) -> str:
        """The last address before our own proxies; the peer itself if it is no trusted proxy."""
        hops = [hop.strip() for hop in forwarded_for.decode("latin-1").split(",")]
        address = peer
        for hop in reversed([*filter(None, hops), peer]):
            address = _bare(hop)
            if not _within(address, self._trusted):
                break
        return address

    def unlimited(self, address: str) -> bool:
        return _within(address, self._allowed)


def _bare(text: str) -> str:
    """An address without port and brackets; text that is no address stays as it is."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    return host if colon and ":" not in host and port.isdigit() else text


def _within(address: str, nets: tuple[Network, ...]) -> bool:
    if not nets:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in net for net in nets)


def bucket_key(address: str) -> str:
    """IPv6 customers own a whole /64: it counts as one address."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class JoinLimit:
    """A token bucket per address. Time is given in ms; at most 200,000 addresses are kept."""

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst = burst
        self._per_ms = per_s / 1000
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now_ms: float) -> bool:
        """One token, if there is one."""
        key = bucket_key(address)
        tokens, then_ms = self._buckets.pop(key, (self._burst, now_ms))
        tokens = min(self._burst, tokens + (now_ms - then_ms) * self._per_ms)
        granted = tokens >= 1
        self._buckets[key] = (tokens - granted, now_ms)
        if len(self._buckets) > _ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        return granted
