"""This product as it ships: `hairpin run` with one gate, on a show made for the bench."""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path

import msgspec

from bench.http.site import CHOICES, Serving, Site
from bench.machine import Cores
from bench.processes import Server
from hairpin.errors import DataDamaged, EngineDown
from hairpin.node.data import Keys, NodeFile, open_journal
from hairpin.tally.recount import Recounter

_SHOW = f"""
id = "bench"
title = "The bench"
mode = "hand"
audience = {{ low = 1_000_000, high = 100_000_000 }}

[[questions]]
text = "Which sign asks to grow louder?"
choices = [{", ".join(f'"{n}"' for n in range(CHOICES))}]
right = 2
"""
_SETTINGS = """
join_allow = ["127.0.0.0/8"]
connections_max = 16000
"""


def start(port: int, cores: Cores, directory: Path) -> Serving:
    """A node whose question is open, on two ports in a row."""
    show, settings, data = directory / "show.toml", directory / "hairpin.toml", directory / "data"
    show.write_text(_SHOW)
    settings.write_text(_SETTINGS)
    command = [
        *(sys.executable, "-m", "hairpin", "run", str(show), "--data", str(data)),
        *("--port", str(port), "--gates", "1", "--config", str(settings)),
        *("--purpose", "rehearsal", "--json"),
    ]
    server = Server(command, cores.contender, directory)
    server.wait_until((data / "node.json").exists, "the node to serve")
    node = msgspec.json.decode((data / "node.json").read_bytes(), type=NodeFile)
    keys = msgspec.json.decode((data / "keys.json").read_bytes(), type=Keys)
    try:
        _order(port + 1, node.token, {"do": "open", "question": 0})
    except BaseException:
        server.end()
        raise
    return Serving(server, port, keys.number, keys.ticket, port + 1, node.token, data)


def _order(private_port: int, token: str, step: dict[str, str | int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", private_port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/api/order", json.dumps(step), headers)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    if reply.status != 200:
        raise EngineDown(f"the node refused {step}: {reply.status} {body[:200]!r}", "")


def verify(site: Site) -> str:
    """End the node and recount: every acknowledged answer is in the journal, and counted once."""
    serving = site.serving
    assert serving.data
    serving.service.end()
    found = Recounter(open_journal(serving.data)).run()
    if found.journalled < site.acknowledged or found.counted + found.repeats != found.journalled:
        raise DataDamaged(
            f"{site.acknowledged} answers were acknowledged, {found.journalled} journalled, "
            f"{found.counted} counted with {found.repeats} repeats",
            f"The journal is in {serving.data}.",
        )
    return (
        f"{site.name}, recounted: {site.acknowledged:,} acknowledged, {found.journalled:,} "
        f"journalled, {found.counted:,} counted, {found.repeats:,} repeats"
    )
