"""The crowd through a door with TLS, whose certificate it was told to trust."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hairpin.errors import YourMistake
from hairpin.rehearsal import asking
from hairpin.rehearsal.crowd import Crowd, Settings
from hairpin.rehearsal.record import read_record
from hairpin.rehearsal.script import Habits
from hairpin.world import real_world

LIVELY = Habits(repeats=0.2, drops=0.1, late=0.05, forges=0.05, junk=0.02, fresh=0.3)


def self_signed(directory: Path) -> tuple[Path, Path]:
    """Certificate and key for 127.0.0.1, in PEM form."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "door.pem", directory / "door.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


async def test_a_whole_show_through_tls(
    start_gate: Callable[..., Awaitable[Any]], tmp_path: Path
) -> None:
    gate = await start_gate()
    certificate, key = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    door = await asyncio.start_server(gate.serve, "127.0.0.1", 0, ssl=tls)
    url = f"https://127.0.0.1:{door.sockets[0].getsockname()[1]}"
    settings = Settings(url, 100, 8, 7, LIVELY, exit_after_over=True, ca=certificate)
    await Crowd(settings, tmp_path, real_world(), lambda _: None).run()
    door.close()
    record = read_record(tmp_path)
    totals = record.totals
    assert totals.sent == totals.acknowledged + sum(totals.refused.values()) + totals.unanswered
    assert totals.acknowledged > 20
    assert totals.dropped > 0
    assert totals.junk > 0
    assert totals.forged_accepted == 0
    for question in range(2):
        counted = gate.counted(question)
        assert set(record.number[record.acknowledged[question]].tolist()) <= counted
        assert counted <= set(record.number[record.sent[question]].tolist())
    assert any(b"Origin: https://127.0.0.1:" in head for head in gate.heads)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(YourMistake, match="--ca: cannot read"):
        asking.address("https://127.0.0.1", tmp_path / "nowhere.pem")
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(YourMistake, match="--ca: cannot read"):
        asking.address("https://127.0.0.1", tmp_path / "empty.pem")


@pytest.mark.parametrize(
    ("url", "origin", "port"),
    [
        ("http://a", "http://a", 80),
        ("http://a:8000/", "http://a:8000", 8000),
        ("https://a", "https://a", 443),
        ("https://a:8443", "https://a:8443", 8443),
        ("http://[::1]:9", "http://[::1]:9", 9),
        ("http://[::1]", "http://[::1]", 80),
    ],
)
def test_an_origin_is_what_a_browser_would_say(url: str, origin: str, port: int) -> None:
    to = asking.address(url)
    assert (to.origin, to.port) == (origin, port)
