"""The installation's settings: `hairpin.toml` beside the data, or the file given to `--config`.

What the show is stands in the show file; what this machine permits stands here.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import msgspec

from hairpin.errors import YourMistake

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings with their defaults."""

    gates: int = 2
    """Gate processes."""
    public_url: str = ""
    """What phones open, such as "https://quiz.example.org", where a proxy stands in front; empty:
    the address that the node listens on. The wall's QR code holds it."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-For is believed, such as "10.0.0.0/8"."""
    join_allow: tuple[str, ...] = ()
    """Networks that may join without limit: a venue where 20,000 share one address."""
    join_burst: int = 60
    """Tickets that one address (IPv6: one /64) may take at once."""
    join_per_s: float = 1.0
    """Tickets per second that one address may take after that."""
    connections_max: int = 20_000
    """Open connections per gate; one more gets 503 and is closed."""
    queue_max: int = 8_192
    """Answers that one commit of a gate takes; what arrived with them gets 503."""
    streams_max: int = 20_000
    """Event streams of walls and consoles; more get 503."""
    mirrors: tuple[str, ...] = ()
    """Directories, each on a disk of its own, that hold the journal beside the data directory."""
    stall_ms: int = 1_000
    """How long an answer waits for a slow mirror, which is then ejected."""

    def __post_init__(self) -> None:
        """Raises ValueError naming the setting, what was found and what is allowed."""
        for name, low, high in (
            ("gates", 1, 64),
            ("join_burst", 1, 1_000_000),
            ("join_per_s", 0.001, 1_000_000),
            ("connections_max", 10, 10_000_000),
            ("queue_max", 1, 1_000_000),
            ("streams_max", 10, 1_000_000),
            ("stall_ms", 10, 60_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: found {value}; allowed: {low} to {high}")
        if self.public_url and not re.fullmatch(r"https?://[^\s/?#]+/?", self.public_url):
            raise ValueError(
                f"public_url: found {self.public_url!r}; allowed: http:// or https:// and a host"
            )
        if len(set(self.mirrors)) < len(self.mirrors) or "" in self.mirrors:
            raise ValueError(f"mirrors: found {list(self.mirrors)}; allowed: different directories")
        for name in ("trusted_proxies", "join_allow"):
            for text in getattr(self, name):
                try:
                    ipaddress.ip_network(text)
                except ValueError as error:
                    raise ValueError(
                        f"{name}: found {text!r}; allowed: networks ({error})"
                    ) from None


def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def read_settings(path: Path) -> Settings:
    """Settings from a TOML file. Raises YourMistake with the file and the setting."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Settings)
    except FileNotFoundError:
        raise YourMistake(f"there is no {path}", "Check the path given to --config.") from None
    except OSError as error:
        raise YourMistake(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.MsgspecError, ValueError) as error:
        names = ", ".join(Settings.__struct_fields__)
        raise YourMistake(f"{path}: {error}", f"Settings are: {names}.") from error
