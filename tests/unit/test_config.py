"""Settings: what is allowed, and what is said about the rest."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from hairpin.config import Settings, networks, read_settings
from hairpin.errors import YourMistake


def read(path: Path, text: str) -> Settings:
    file = path / "hairpin.toml"
    file.write_text(text, "utf-8")
    return read_settings(file)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Settings()


def test_every_setting_can_be_set(tmp_path: Path) -> None:
    text = """
gates = 3
public_url = "https://quiz.example.org"
trusted_proxies = ["10.0.0.0/8", "::1"]
join_allow = ["192.0.2.7"]
join_burst = 5
join_per_s = 0.5
connections_max = 100
queue_max = 1000
streams_max = 50
mirrors = ["/mnt/b/journal", "/mnt/c/journal"]
stall_ms = 300
"""
    settings = read(tmp_path, text)
    assert settings == Settings(
        gates=3,
        public_url="https://quiz.example.org",
        trusted_proxies=("10.0.0.0/8", "::1"),
        join_allow=("192.0.2.7",),
        join_burst=5,
        join_per_s=0.5,
        connections_max=100,
        queue_max=1000,
        streams_max=50,
        mirrors=("/mnt/b/journal", "/mnt/c/journal"),
        stall_ms=300,
    )
    assert set(Settings.__struct_fields__) == {
        line.split(" = ")[0] for line in text.strip().splitlines()
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gates = 0", "gates: found 0; allowed: 1 to 64"),
        ("gates = 65", "gates: found 65; allowed: 1 to 64"),
        ("gates = true", "gates"),
        ("join_per_s = 0", "join_per_s: found 0"),
        ("join_per_s = nan", "join_per_s: found nan"),
        ("join_per_s = inf", "join_per_s: found inf"),
        ("connections_max = 9", "connections_max: found 9; allowed: 10"),
        ("queue_max = 0", "queue_max: found 0; allowed: 1"),
        ('trusted_proxies = ["10.0.0.1/8"]', "trusted_proxies: found '10.0.0.1/8'"),
        ('join_allow = ["the venue"]', "join_allow: found 'the venue'"),
        ('public_url = "quiz.example.org"', "public_url: found 'quiz.example.org'"),
        ('public_url = "https://example.org/quiz"', "allowed: http:// or https:// and a host"),
        ("gate = 3", "gate"),
        ("gates = ", "hairpin.toml"),
    ],
)
def test_a_mistake_names_file_setting_and_what_is_allowed(
    tmp_path: Path, text: str, found: str
) -> None:
    with pytest.raises(YourMistake) as told:
        read(tmp_path, text)
    assert str(tmp_path / "hairpin.toml") in told.value.message
    assert found in told.value.message
    assert "Settings are: gates, " in told.value.remedy


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(YourMistake, match="there is no") as told:
        read_settings(tmp_path / "none.toml")
    assert "--config" in told.value.remedy
    with pytest.raises(YourMistake, match=r"cannot read .*: Is a directory"):
        read_settings(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes('join_allow = ["é"]'.encode("latin-1"))
    with pytest.raises(YourMistake, match=r"latin\.toml"):
        read_settings(latin)


def test_networks_of_both_families() -> None:
    assert networks(("10.0.0.0/8", "2001:db8::/32")) == (
        ipaddress.IPv4Network("10.0.0.0/8"),
        ipaddress.IPv6Network("2001:db8::/32"),
    )
