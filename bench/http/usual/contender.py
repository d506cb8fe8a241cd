"""Starting the usual services, and counting what they wrote."""

from __future__ import annotations

import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bench.http.site import Serving, Site, Start
from bench.http.usual.service import RECORD
from bench.machine import Cores
from bench.processes import Server
from bench.rounds import Missing
from hairpin.answer import RECORD as FIELDS
from hairpin.errors import DataDamaged

_KEY_NUMBER = 1
_KEY = "5b" * 16


def fastapi() -> Start:
    return partial(_start, "fastapi_app", ("fastapi", "siphash24"))


def starlette() -> Start:
    return partial(_start, "starlette_app", ("siphash24",))


def _start(
    module: str, needed: tuple[str, ...], port: int, cores: Cores, directory: Path
) -> Serving:
    """Raises Missing without the packages that are `needed`."""
    absent = [name for name in needed if find_spec(name) is None]
    if absent:
        raise Missing(f"{', '.join(absent)} not installed; make bench installs what it needs")
    command = [
        *(sys.executable, "-m", "uvicorn", f"bench.http.usual.{module}:app"),
        *("--port", str(port), "--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning", "--backlog", "4096"),
        *("--timeout-keep-alive", "300"),
    ]
    environment = {
        "BENCH_JOURNAL": str(directory / "journal"),
        "BENCH_KEY_NUMBER": str(_KEY_NUMBER),
        "BENCH_KEY": _KEY,
    }
    server = Server(command, cores.contender, directory, environment)
    server.wait_listening(port)
    return Serving(server, port, _KEY_NUMBER, _KEY, data=directory)


def verify(site: Site) -> str:
    """What is on disk is what was acknowledged."""
    assert site.serving.data
    site.serving.service.end()
    records = np.fromfile(site.serving.data / "journal", FIELDS)
    assert RECORD.size == FIELDS.itemsize
    counted = len(np.unique(records["fan"]))
    if len(records) < site.acknowledged:
        raise DataDamaged(
            f"{site.name}: {site.acknowledged} answers were acknowledged, {len(records)} written",
            "",
        )
    return (
        f"{site.name}: {site.acknowledged:,} acknowledged, {len(records):,} written, "
        f"{counted:,} fans"
    )
