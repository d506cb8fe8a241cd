"""The group `handshake`: what TLS costs in front of the gates, beside the answer that it carries.

nginx runs as `hairpin front nginx` configures it, on the contender's core; behind it, on the other
one, an nginx that says 204 stands for the gates. Only what the one in front spends is counted.
"""

from __future__ import annotations

import datetime
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.http import nginx
from bench.http.handshake_client import NAME, Done, Task, Way
from bench.machine import scratch, two_cores
from bench.processes import ROOT, Server, free_port
from bench.report import Bound, Contender, Guarantees
from bench.rounds import Measured, Options, Plan
from hairpin.errors import EngineDown
from hairpin.front import Front
from hairpin.front import nginx as front_text

SETTLE_S = 0.2
KEPT = "kept connection"
FULL, RESUMED = "new, P-256, TLS 1.3", "resumed, P-256, TLS 1.3"


class TlsRunner:
    """One answer after the other in one way, at an nginx of its own."""

    def __init__(self, name: str, way: Way, tls: str = "TLSv1_3", rsa_key: bool = False) -> None:
        self.contender = Contender(name, Guarantees(text="nginx in front alone is counted"))
        self._way = way
        self._tls = tls
        self._rsa_key = rsa_key

    def __enter__(self) -> TlsRunner:
        self._cores = two_cores()
        self._directory = scratch("tls")
        self._port = free_port(3)
        behind = self._directory / "behind"
        behind.mkdir()
        self._gates = nginx.start(self._port + 2, self._cores.generator, behind)
        self._front = self._start_front()
        return self

    def _start_front(self) -> Server:
        site = write_certificate(self._directory, self._rsa_key)
        text = front_text(
            Front(
                server_name=NAME,
                certificate=str(site),
                key=str(site.with_suffix(".key")),
                gates=(f"127.0.0.1:{self._port + 2}",),
                listen=f"127.0.0.1:{self._port}",
                listen_plain=f"127.0.0.1:{self._port + 1}",
                join_allow=("127.0.0.0/8",),
                cache=str(self._directory),
                logs=str(self._directory),
                pid=str(self._directory / "front.pid"),
            )
        )
        configuration = self._directory / "front.conf"
        configuration.write_text(text.replace("worker_processes auto;", "worker_processes 1;"))
        user = " user root;" if os.geteuid() == 0 else ""
        words = ["-e", "stderr", "-g", f"daemon off;{user}"]
        where = ["-p", str(self._directory), "-c", str(configuration)]
        server = Server([*nginx.command(), *where, *words], self._cores.contender, self._directory)
        server.wait_listening(self._port)
        return server

    def __exit__(self, *exc: object) -> None:
        self._front.end()
        self._gates.end()
        shutil.rmtree(self._directory, ignore_errors=True)

    def measure(self, seconds: float) -> Measured:
        certificate = str(self._directory / "site.pem")
        task = Task(self._port, certificate, self._tls, self._way, seconds)
        before_s = self._front.cpu_s()
        done = self._generate(task)
        time.sleep(SETTLE_S)
        cpu_s = self._front.cpu_s() - before_s
        if not done.took_ms:
            return Measured(done.answers, cpu_s, done.seconds)
        hundredths = statistics.quantiles(done.took_ms, n=100)
        return Measured(
            done.answers,
            cpu_s,
            done.seconds,
            p50_ms=hundredths[49],
            p99_ms=hundredths[98],
            extra={"per core-s": done.answers / max(cpu_s, 0.01)},
        )

    def _generate(self, task: Task) -> Done:
        core = str(self._cores.generator)
        client = [sys.executable, "-m", "bench.http.handshake_client"]
        ran = subprocess.run(
            [sys.executable, "-m", "bench.pinned", core, *client],
            input=msgspec.json.encode(task),
            capture_output=True,
            cwd=ROOT,
            timeout=task.seconds + 60,
        )
        if ran.returncode:
            raise EngineDown(
                f"{self.contender.name}: the phones failed: {ran.stderr.decode()[-300:]}",
                f"nginx said: {self._front.said()[-300:] or 'nothing'}",
            )
        return msgspec.json.decode(ran.stdout, type=Done)

    def verify(self) -> str | None:
        """Nothing to add: every handshake and reply was checked as it came."""
        return None


def write_certificate(directory: Path, rsa_key: bool) -> Path:
    """`site.pem`, which signs itself, and `site.key` beside it."""
    key = rsa.generate_private_key(65_537, 2_048) if rsa_key else ec.generate_private_key(_P256)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, SHA256())
    )
    path = directory / "site.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


_P256 = ec.SECP256R1()


def _runners(_: Options) -> Sequence[TlsRunner]:
    return (
        TlsRunner(KEPT, Way.KEPT),
        TlsRunner(RESUMED, Way.RESUMED),
        TlsRunner(FULL, Way.FULL),
        TlsRunner("resumed, P-256, TLS 1.2", Way.RESUMED, "TLSv1_2"),
        TlsRunner("new, P-256, TLS 1.2", Way.FULL, "TLSv1_2"),
        TlsRunner("new, RSA 2048, TLS 1.3", Way.FULL, rsa_key=True),
    )


PLAN = Plan(
    "handshake",
    "an answer through TLS: on a kept connection, and on a new one with its handshake",
    KEPT,
    "answer",
    _runners,
    (Bound(KEPT, FULL, at_most=0.2),),
)
