"""The bus within one process: what the contract over all engines leaves open."""

from __future__ import annotations

from hairpin.bus.local import LocalBus
from hairpin.messages import Synced


def test_a_subscription_ends_when_it_is_told_to() -> None:
    bus = LocalBus()
    heard: list[bytes] = []
    end = bus.subscribe_raw("synced", heard.append)
    other: list[bytes] = []
    bus.subscribe_raw("synced", other.append)
    bus.publish_raw("synced", b"1")
    end()
    bus.publish_raw("synced", b"2")
    assert (heard, other) == ([b"1"], [b"1", b"2"])


def test_a_handler_may_end_its_subscription_while_it_is_called() -> None:
    bus = LocalBus()
    heard: list[str] = []
    ends = [bus.subscribe_raw("synced", lambda _: (heard.append("once"), ends[0]())[0])]
    bus.subscribe_raw("synced", lambda _: heard.append("always"))
    bus.publish("synced", Synced(1, 1))
    bus.publish("synced", Synced(1, 2))
    assert heard == ["once", "always", "always"]
