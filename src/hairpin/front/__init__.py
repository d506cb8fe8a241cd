"""What stands in front of the gates: the text of an nginx configuration, and nothing else.

`nginx.conf.template` is the file, with its reasons beside each line; what differs from place to
place is a `Front`.
"""

from __future__ import annotations

import ipaddress
import math
import re
from pathlib import Path
from string import Template

import msgspec

from hairpin.errors import Finding, YourMistake

EXAMPLE_NAME = "quiz.example.org"
TRIES = 8
"""How often a lone address is listed: nginx tries each line once for a request, and where one gate
process of several behind that address died, more than one kept connection may have died with it."""
BURST_S = 5
"""Requests that an address may send at once, in seconds of its rate."""

_TEMPLATE = Path(__file__).with_name("nginx.conf.template").read_text(encoding="utf-8")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PATH = re.compile(r"/[^\s;{}\"'$\\#]+")

_GROUP = "[0-9a-f]+"
ADDRESS_KEYS = (
    # Written out, zeros at the end of the four groups; zeros within; none that could be left out.
    (f"^(?<start>{_GROUP}):0:0:0:", "$start::"),
    (f"^(?<start>{_GROUP}:{_GROUP}):0:0:", "$start::"),
    (f"^(?<start>{_GROUP}:{_GROUP}:{_GROUP}):0:", "$start::"),
    (f"^(?<start>{_GROUP}):0:0:(?<end>{_GROUP}):", "$start::$end"),
    (f"^(?<start>{_GROUP}:{_GROUP}:{_GROUP}:{_GROUP}):", "$start"),
    # The same, zeros left out.
    (f"^(?<start>{_GROUP})::(?<end>{_GROUP})(?::{_GROUP}){{4}}$", "$start::$end"),
    (f"^(?<start>{_GROUP}(?::{_GROUP})*)::", "$start::"),
)
"""Patterns of an IPv6 address as nginx writes it, and the key of its /64; the first one holds.
Public addresses do not begin with zeros, so that those count as a whole."""


class _Blanks(Template):
    delimiter = "@@"


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from place to place; the defaults make an example. Raises `YourMistake` with a
    finding for each field that nginx could not use; places are named as the command's options."""

    server_name: str = EXAMPLE_NAME
    certificate: str = ""
    """PEM with its chain; empty, as for the key: where Let's Encrypt's client puts that name's."""
    key: str = ""
    gates: tuple[str, ...] = ("127.0.0.1:8000",)
    """HOST:PORT of each public listener, never the private one."""
    listen: str = "443"
    """PORT, for all addresses of the machine, or ADDRESS:PORT; so is the next one."""
    listen_plain: str = "80"
    join_allow: tuple[str, ...] = ()
    """Networks without limits, as in the settings; so are the next two."""
    join_burst: int = 60
    join_per_s: float = 1.0
    requests_per_s: int = 1_000
    """Of one address, of all kinds together."""
    cache: str = "/var/cache"
    logs: str = "/var/log/nginx"
    pid: str = "/run/nginx.pid"

    def __post_init__(self) -> None:
        findings = tuple(_findings(self))
        if findings:
            raise YourMistake(
                "nginx could not use this",
                "`hairpin front nginx --help` shows every option.",
                findings,
            )

    @property
    def local(self) -> bool:
        """Do all gates run on the proxy's own machine?"""
        return all(_loopback(split_address(gate)[0]) for gate in self.gates)

    @property
    def proxy(self) -> str:
        """The proxy's address as the gates see it; for gates elsewhere words that say so."""
        if not self.local:
            return "<the address of this proxy>"
        return "::1" if self.gates[0].startswith("[") else "127.0.0.1"

    @property
    def public(self) -> str:
        """Host, and port where it is not the usual one, of the address that phones open."""
        port = split_address(self.listen)[1]
        return self.server_name if port == 443 else f"{self.server_name}:{port}"


def nginx(front: Front) -> str:
    """A whole nginx.conf."""
    return _Blanks(_TEMPLATE).substitute(
        proxy=front.proxy,
        public=front.public,
        name=front.server_name,
        certificate=front.certificate or f"/etc/letsencrypt/live/{front.server_name}/fullchain.pem",
        key=front.key or f"/etc/letsencrypt/live/{front.server_name}/privkey.pem",
        cache=front.cache,
        logs=front.logs,
        pid=front.pid,
        gates=_gates(front.gates),
        addresses=_lines(
            "default $remote_addr;", *(f'"~{pattern}" "{key}";' for pattern, key in ADDRESS_KEYS)
        ),
        venues=_lines(*(f"{network} 1;" for network in front.join_allow))
        or "        # none is allowed more than others",
        join_rate=_rate(front.join_per_s),
        join_burst=front.join_burst,
        request_rate=_rate(front.requests_per_s),
        request_burst=front.requests_per_s * BURST_S,
        listen_default=_listen(front.listen, "ssl default_server reuseport backlog=65535"),
        listen=_listen(front.listen, "ssl"),
        listen_plain=_listen(front.listen_plain, "reuseport"),
    )


def split_address(text: str) -> tuple[str, int]:
    """Host (empty for a port alone) and port. Raises ValueError."""
    host, _, port = text.rpartition(":")
    number = int(port) if re.fullmatch(r"[0-9]{1,5}", port) else 0
    if not 1 <= number <= 65_535:
        raise ValueError(f"no port from 1 to 65535: {text!r}")
    if host.startswith("[") and host.endswith("]"):
        ipaddress.IPv6Address(host[1:-1])
    elif host and not _HOST.fullmatch(host):
        raise ValueError(f"no host: {text!r}")
    return host, number


def _findings(front: Front) -> list[Finding]:
    found = []
    if not _HOST.fullmatch(front.server_name):
        found.append(Finding("--server-name", repr(front.server_name), f"such as {EXAMPLE_NAME}"))
    for place in ("certificate", "key", "cache", "logs", "pid"):
        path = getattr(front, place)
        absent = path == "" and place in ("certificate", "key")
        if not absent and not _PATH.fullmatch(path):
            allowed = "a path from the root, without spaces, quotes and ; { } $ # \\"
            found.append(Finding(f"--{place}", repr(path), allowed))
    for gate in front.gates:
        if not _is_address(gate) or not split_address(gate)[0]:
            found.append(Finding("--gate", repr(gate), "HOST:PORT, such as 127.0.0.1:8000"))
    if len(set(front.gates)) != len(front.gates):
        found.append(Finding("--gate", "the same one twice", "each once"))
    for place, text in (("--listen", front.listen), ("--listen-plain", front.listen_plain)):
        if not _is_address(text):
            found.append(Finding(place, repr(text), "PORT or ADDRESS:PORT"))
    if front.listen == front.listen_plain:
        found.append(
            Finding("--listen-plain", repr(front.listen_plain), "another one than --listen")
        )
    for place, value, least, most in (
        ("--join-burst", front.join_burst, 1, 1_000_000),
        ("--join-per-s", front.join_per_s, 0.001, 1_000_000),
        ("--requests-per-s", front.requests_per_s, 1, 1_000_000),
    ):
        if not least <= value <= most:
            found.append(Finding(place, str(value), f"{least} to {most}"))
    return found


def _is_address(text: str) -> bool:
    try:
        split_address(text)
    except ValueError:
        return False
    return True


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _gates(gates: tuple[str, ...]) -> str:
    if len(gates) > 1:
        return _lines(*(f"server {gate} max_fails=0;" for gate in gates))
    return _lines(
        "# One address, behind which several gate processes share the port: nginx tries no line a",
        "# second time for one request, so that a second try needs more lines.",
        *(f"server {gates[0]} max_fails=0;" for _ in range(TRIES)),
    )


def _listen(address: str, words: str) -> str:
    host, port = split_address(address)
    if host:
        return _lines(f"listen {address} {words};")
    return _lines(f"listen {port} {words};", f"listen [::]:{port} {words};")


def _rate(per_s: float) -> str:
    """As nginx counts: whole requests per second or minute, at least one a minute."""
    if per_s >= 1 and per_s == int(per_s):
        return f"{int(per_s)}r/s"
    return f"{max(1, math.ceil(per_s * 60))}r/m"


def _lines(*lines: str) -> str:
    return "\n".join(f"        {line}" for line in lines)
