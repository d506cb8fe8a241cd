"""`hairpin front nginx`: the configuration of what stands between phones and gates."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hairpin.config import Settings, networks, read_settings
from hairpin.errors import Finding, YourMistake
from hairpin.front import EXAMPLE_NAME, Front
from hairpin.front import nginx as nginx_text
from hairpin.world import real_world

NGINX_EPILOG = (
    "Example: hairpin front nginx --server-name quiz.example.org --config night/hairpin.toml "
    "-o /etc/nginx/nginx.conf"
)
_DEFAULT = Front()

app = typer.Typer(no_args_is_help=True, help="What stands between phones and gates.")


@app.command("nginx", epilog=NGINX_EPILOG)
def nginx(
    server_name: Annotated[
        str | None, typer.Option(help="What phones open; default: as in public_url.")
    ] = None,
    certificate: Annotated[
        str | None, typer.Option(help="PEM, with the whole chain.", metavar="PEM")
    ] = None,
    key: Annotated[str | None, typer.Option(help="PEM.", metavar="PEM")] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(help="A public listener; once for each node.", metavar="HOST:PORT"),
    ] = None,
    listen: Annotated[
        str, typer.Option(help="Port, or ADDRESS:PORT, of TLS.", metavar="PORT")
    ] = _DEFAULT.listen,
    listen_plain: Annotated[
        str, typer.Option(help="The same without TLS: leads to the page.", metavar="PORT")
    ] = _DEFAULT.listen_plain,
    config: Annotated[
        Path | None, typer.Option(help="The node's hairpin.toml: joins, venues, public_url.")
    ] = None,
    join_burst: Annotated[
        int | None, typer.Option(help="Joins of one address at once, instead of the setting.")
    ] = None,
    join_per_s: Annotated[
        float | None, typer.Option(help="And per second after that, instead of the setting.")
    ] = None,
    requests_per_s: Annotated[
        int, typer.Option(help="Requests of any kind that one address may send.")
    ] = _DEFAULT.requests_per_s,
    cache: Annotated[
        str, typer.Option(help="Where nginx keeps pages.", metavar="DIR")
    ] = _DEFAULT.cache,
    logs: Annotated[str, typer.Option(help="Where nginx logs.", metavar="DIR")] = _DEFAULT.logs,
    pid: Annotated[str, typer.Option(help="nginx' own.", metavar="FILE")] = _DEFAULT.pid,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write there instead of printing.")
    ] = None,
) -> None:
    """Print a whole nginx.conf for the proxy in front of the gates, with its reasons in it."""
    settings = read_settings(config) if config else Settings()
    front = Front(
        server_name=server_name or _host(settings.public_url) or EXAMPLE_NAME,
        certificate=certificate or "",
        key=key or "",
        gates=tuple(gate or _DEFAULT.gates),
        listen=listen,
        listen_plain=listen_plain,
        join_allow=settings.join_allow,
        join_burst=settings.join_burst if join_burst is None else join_burst,
        join_per_s=settings.join_per_s if join_per_s is None else join_per_s,
        requests_per_s=requests_per_s,
        cache=cache,
        logs=logs,
        pid=pid,
    )
    notes = _certificate(certificate, key)
    if config:
        _check_settings(front, settings, config)
    if config is None or not front.local:
        notes += _wanted(front)
    text = nginx_text(front)
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text)
    for note in notes:
        typer.echo(note, err=True)


def _host(public_url: str) -> str:
    """Of an https address; the name without port."""
    url = urlsplit(public_url)
    return url.hostname or "" if url.scheme == "https" else ""


def _check_settings(front: Front, settings: Settings, config: Path) -> None:
    """The proxy must be trusted there. Raises `YourMistake` where it cannot be."""
    trusted = networks(settings.trusted_proxies)
    if front.local:
        address = ipaddress.ip_address(front.proxy)
        good = any(address in network for network in trusted)
    else:
        good = bool(trusted)
    if not good:
        raise YourMistake(
            f"{config} does not trust this proxy: all fans would share its address",
            f'Write there: trusted_proxies = ["{front.proxy}"]',
            (Finding("trusted_proxies", str(list(settings.trusted_proxies)), front.proxy),),
        )


def _wanted(front: Front) -> list[str]:
    return [
        "The node's hairpin.toml needs:",
        f'  trusted_proxies = ["{front.proxy}"]',
        f'  public_url = "https://{front.public}"',
    ]


def _certificate(certificate: str | None, key: str | None) -> list[str]:
    """What is worth saying about it. Raises `YourMistake` where the two cannot serve together."""
    if (certificate is None) != (key is None):
        there, missing = ("--certificate", "--key") if key is None else ("--key", "--certificate")
        raise YourMistake(f"{there} without {missing}", "nginx needs both, or neither here.")
    if certificate is None or key is None:
        return []
    elsewhere = [path for path in (certificate, key) if not Path(path).exists()]
    if elsewhere:
        return [f"There is no {path} here; nginx needs it where it runs." for path in elsewhere]
    public = _read_certificate(Path(certificate)).public_key()
    try:
        private = load_pem_private_key(_read(Path(key)), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise YourMistake(
            f"{key} is not a private key in PEM, or has a password",
            "nginx must read it by itself when it starts.",
        ) from None
    if private.public_key() != public:
        raise YourMistake(
            f"{key} is not the key of {certificate}",
            "The first certificate in the file must be the site's own, then its chain.",
        )
    if isinstance(public, rsa.RSAPublicKey):
        return [
            f"{certificate} is RSA of {public.key_size} bits: a full handshake costs at least "
            "twice one with a P-256 certificate."
        ]
    return []


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError:
        raise YourMistake(
            f"{path} is not a certificate in PEM",
            "It begins with -----BEGIN CERTIFICATE-----.",
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise YourMistake(
            f"{path} cannot be read: {error.strerror}", "Name a file that is readable here."
        ) from None


def _write(path: Path, text: str) -> None:
    try:
        real_world().disk.replace(path, text.encode(), mode=0o644)
    except OSError as error:
        raise YourMistake(
            f"{path} cannot be written: {error.strerror}", "Name another file with --output."
        ) from None
