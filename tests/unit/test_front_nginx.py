"""The text of nginx' configuration. That nginx takes it, and what it does, is for the e2e tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hairpin.errors import YourMistake
from hairpin.front import TRIES, Front, nginx, split_address
from hairpin.gate.general import BODY_BYTES_MAX

ROOT = Path(__file__).parents[2]


def values(text: str, directive: str) -> list[str]:
    """What stands after a directive, wherever it stands."""
    return re.findall(rf"^ *{directive} +([^;{{]+);", text, re.MULTILINE)


def test_the_file_in_the_repository_is_what_the_command_prints() -> None:
    """After a change that is meant: `hairpin front nginx -o deploy/nginx.conf`."""
    assert (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8") == nginx(Front())


def test_a_lone_address_stands_there_often_enough_for_a_second_try() -> None:
    assert values(nginx(Front(gates=("10.0.0.1:8000",))), "server") == (
        ["10.0.0.1:8000 max_fails=0"] * TRIES
    )


def test_the_certificate_is_where_lets_encrypt_puts_it_unless_told() -> None:
    assert values(nginx(Front(server_name="a.example")), "ssl_certificate") == [
        "/etc/letsencrypt/live/a.example/fullchain.pem"
    ]
    own = Front(certificate="/etc/ssl/site.pem", key="/etc/ssl/site.key")
    assert values(nginx(own), "ssl_certificate_key") == ["/etc/ssl/site.key"]


def test_several_addresses_stand_there_once_each() -> None:
    gates = ("10.0.0.1:8000", "gate-2.internal:8000", "[2001:db8::7]:8000")
    assert values(nginx(Front(gates=gates)), "server") == [f"{gate} max_fails=0" for gate in gates]


def test_a_port_alone_means_both_families() -> None:
    text = nginx(Front(listen="8443", listen_plain="127.0.0.1:8080"))
    assert [value.split()[0] for value in values(text, "listen")] == [
        *("8443", "[::]:8443") * 2,
        "127.0.0.1:8080",
    ]


@pytest.mark.parametrize(
    ("per_s", "rate"),
    [(1.0, "1r/s"), (250, "250r/s"), (0.5, "30r/m"), (1.5, "90r/m"), (0.001, "1r/m")],
)
def test_rates_in_what_nginx_can_count(per_s: float, rate: str) -> None:
    assert f"zone=hairpin_joins:32m rate={rate};" in nginx(Front(join_per_s=per_s))


def test_venues_are_not_limited() -> None:
    text = nginx(Front(join_allow=("203.0.113.0/24", "2001:db8::/32")))
    geo = text.split("geo $hairpin_venue {")[1].split("}")[0]
    assert [line.strip() for line in geo.strip().splitlines()] == [
        "default 0;",
        "203.0.113.0/24 1;",
        "2001:db8::/32 1;",
    ]


def test_the_public_address_has_a_port_where_it_must() -> None:
    assert Front(server_name="a.example").public == "a.example"
    assert Front(server_name="a.example", listen="127.0.0.1:8443").public == "a.example:8443"


def test_who_the_proxy_is_to_the_gates() -> None:
    assert Front(gates=("127.0.0.1:1", "localhost:2")).proxy == "127.0.0.1"
    assert Front(gates=("[::1]:8000",)).proxy == "::1"
    elsewhere = Front(gates=("127.0.0.1:1", "10.0.0.1:2"))
    assert not elsewhere.local
    assert elsewhere.proxy == "<the address of this proxy>"


def test_kept_connections_end_before_a_gate_ends_them() -> None:
    upstream = nginx(Front()).split("upstream hairpin {")[1].split("}")[0]
    (seconds,) = values(upstream, "keepalive_timeout")
    promised = re.search(r"idle for ([0-9]+) s", (ROOT / "docs/http-api.md").read_text("utf-8"))
    assert promised is not None
    assert int(seconds.removesuffix("s")) < int(promised[1])


def test_all_tries_are_over_before_a_phone_gives_up() -> None:
    net = (ROOT / "src/hairpin/web/phone/net.js").read_text(encoding="utf-8")
    (patience_ms,) = re.findall(r"^const PATIENCE_MS = ([0-9_]+);", net, re.MULTILINE)
    (seconds,) = values(nginx(Front()), "proxy_next_upstream_timeout")
    assert int(seconds.removesuffix("s").split()[0]) * 1_000 < int(patience_ms)


def test_no_body_is_taken_that_a_gate_would_refuse() -> None:
    assert values(nginx(Front()), "client_max_body_size") == [f"{BODY_BYTES_MAX >> 10}k"]


@pytest.mark.parametrize(
    ("place", "fields"),
    [
        ("--server-name", {"server_name": "a b"}),
        ("--server-name", {"server_name": "evil;}"}),
        ("--certificate", {"certificate": "site.pem"}),
        ("--key", {"key": '/etc/"key"'}),
        ("--cache", {"cache": "/var/cache; include x"}),
        ("--logs", {"logs": ""}),
        ("--pid", {"pid": "/run/$pid"}),
        ("--gate", {"gates": ("8000",)}),
        ("--gate", {"gates": ("127.0.0.1:0",)}),
        ("--gate", {"gates": ("127.0.0.1:70000",)}),
        ("--gate", {"gates": ("2001:db8::7:8000",)}),
        ("--gate", {"gates": ("10.0.0.1:1", "10.0.0.1:1")}),
        ("--listen", {"listen": "https"}),
        ("--listen-plain", {"listen": "443", "listen_plain": "443"}),
        ("--join-burst", {"join_burst": 0}),
        ("--join-per-s", {"join_per_s": float("nan")}),
        ("--requests-per-s", {"requests_per_s": 0}),
    ],
)
def test_what_nginx_could_not_use_is_refused_with_its_place(
    place: str, fields: dict[str, object]
) -> None:
    with pytest.raises(YourMistake) as caught:
        Front(**fields)  # type: ignore[arg-type]
    assert [finding.place for finding in caught.value.findings] == [place]


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(YourMistake) as caught:
        Front(server_name="", gates=("x",), listen="y", requests_per_s=0)
    assert len(caught.value.findings) == 4


def test_addresses_in_all_their_forms() -> None:
    assert split_address("443") == ("", 443)
    assert split_address("127.0.0.1:80") == ("127.0.0.1", 80)
    assert split_address("[::1]:80") == ("[::1]", 80)
    assert split_address("gate-1.internal:65535") == ("gate-1.internal", 65_535)
