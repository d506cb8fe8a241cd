"""The generator's process: jobs come in on stdin, results go out on stdout."""

from __future__ import annotations

import fcntl
import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
import numpy as np

from bench.load import closed, fresh, paced
from bench.load.jobs import Job, Load, Ready, Result
from bench.load.requests import filled
from bench.load.wire import Numbers, Requests, Wire, drop, join, quantile_ms, wire
from hairpin.libc import EPOLLIN

OK = 204
FLOOD_SHARE = 2
"""One connection for a flood to so many for answers."""


def serve() -> None:
    """Until stdin ends: a job, `Ready`, a line that says go, a result, a line that says end."""
    tell(Ready())
    for line in sys.stdin.buffer:
        job = msgspec.json.decode(line, type=Job)
        tell(work(job))
        sys.stdin.buffer.readline()


def tell(message: Ready | Result) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


def _go() -> None:
    """Say that all is ready, and wait to be told to begin."""
    tell(Ready())
    sys.stdin.buffer.readline()


def work(job: Job) -> Result:
    match job.load:
        case Load.CLOSED:
            return _closed(job)
        case Load.FRESH:
            return _fresh(job)
        case Load.PACED:
            return _paced(job)


def _closed(job: Job) -> Result:
    requests = filled(job.request, job.fans, job.depth)
    lead = filled(job.lead, None, 1)
    turns = closed.no_turns(job.connections)
    with _wire(job.connections, job.port) as wired:
        warming = closed.no_found()
        closed.run_closed(wired, requests, lead, job.depth, turns, job.warm_s, warming)
        _go()
        found = closed.no_found()
        began_s = time.process_time()
        closed.run_closed(wired, requests, lead, job.depth, turns, job.seconds, found)
        cpu_s = time.process_time() - began_s
        return _result(found, cpu_s, int(warming.statuses[OK]), int(requests.cursor[0]))


def _fresh(job: Job) -> Result:
    requests = filled(job.request, job.fans, 1)
    peer = fresh.peer(job.port)
    began = np.zeros(job.connections, np.int64)
    with _wire(job.connections, None) as wired:
        warming = closed.no_found()
        fresh.run_fresh(wired, requests, peer, began, job.warm_s, warming)
        _go()
        found = closed.no_found()
        began_s = time.process_time()
        fresh.run_fresh(wired, requests, peer, began, job.seconds, found)
        cpu_s = time.process_time() - began_s
        return _result(found, cpu_s, int(warming.statuses[OK]), int(requests.cursor[0]))


def _result(found: closed.Found, cpu_s: float, warmed: int, sent: int) -> Result:
    """`warmed`: answers acknowledged while warming."""
    totals = found.totals.tolist()
    elapsed_ns = totals[closed.ELAPSED_NS]
    replies = int(found.statuses.sum())
    busy = 1 - totals[closed.IDLE_NS] / elapsed_ns
    return Result(
        seconds=elapsed_ns / 1e9,
        statuses=_by_status(found.statuses),
        p50_ms=quantile_ms(found.latencies, 0.5),
        p99_ms=quantile_ms(found.latencies, 0.99),
        p999_ms=quantile_ms(found.latencies, 0.999),
        generator_us=cpu_s * busy * 1e6 / max(replies, 1),
        sent=sent,
        acknowledged=int(found.statuses[OK]) + warmed,
        broken=totals[closed.BROKEN],
        unanswered=totals[closed.UNANSWERED],
    )


def _paced(job: Job) -> Result:
    requests = filled(job.request, job.fans, 1)
    others = job.connections // FLOOD_SHARE if job.flood else 0
    with _wire(job.connections + others, job.port) as wired:
        waiting = paced.none_outstanding(job.connections + others, job.depth)
        warming = _pace(job, job.warm_s, requests, wired, others, waiting)
        _go()
        found = _pace(job, job.seconds, requests, wired, others, waiting)
        return _paced_result(found, int(warming.honest.statuses[OK]))


class Paced(NamedTuple):
    honest: paced.Stream
    flood: paced.Stream
    took_ns: int
    busy_ns: int
    cpu_s: float


def _pace(
    job: Job,
    seconds: float,
    requests: Requests,
    wired: Wire,
    others: int,
    waiting: paced.Outstanding,
) -> Paced:
    """`others`: connections of the flood, after those of the answers."""
    honest = paced.stream(requests, job.per_s, 0, job.connections)
    flood = _flood(job, others)
    peer = fresh.peer(job.port)
    seed = int(requests.cursor[0])
    began_s = time.process_time()
    took, busy = paced.run_paced(wired, honest, flood, peer, waiting, seconds, seed)
    return Paced(honest, flood, took, busy, time.process_time() - began_s)


def _flood(job: Job, connections: int) -> paced.Stream:
    first, last = job.connections, job.connections + connections
    if job.flood is None:
        return paced.stream(filled(job.request, None, 1), 0.0, first, last)
    return paced.stream(filled(job.flood.request, None, 1), job.flood.per_s, first, last)


def _paced_result(found: Paced, warmed: int) -> Result:
    """`warmed`: answers acknowledged while warming."""
    honest, flood = found.honest, found.flood
    replies = int(honest.totals[paced.ANSWERED] + flood.totals[paced.ANSWERED])
    return Result(
        seconds=found.took_ns / 1e9,
        statuses=_by_status(honest.statuses),
        p50_ms=quantile_ms(honest.taken, 0.5),
        p99_ms=quantile_ms(honest.taken, 0.99),
        p999_ms=quantile_ms(honest.taken, 0.999),
        generator_us=found.cpu_s * found.busy_ns / found.took_ns * 1e6 / max(replies, 1),
        sent=int(honest.requests.cursor[0]),
        acknowledged=int(honest.statuses[OK]) + warmed,
        broken=int(honest.totals[paced.ENDED]),
        unanswered=int(honest.totals[paced.UNANSWERED]),
        due=int(honest.totals[paced.DUE]),
        refused_p99_ms=quantile_ms(honest.refused, 0.99),
        flood_statuses=_by_status(flood.statuses),
        flood_sent=int(flood.totals[paced.SENT]),
        flood_due=int(flood.totals[paced.DUE]),
    )


def _by_status(statuses: Numbers) -> dict[int, int]:
    return {int(status): int(statuses[status]) for status in np.flatnonzero(statuses)}


@contextmanager
def _wire(connections: int, port: int | None) -> Iterator[Wire]:
    """Places for connections; established ones if there is a port."""
    epoll = select.epoll()
    wired = wire(epoll.fileno(), connections)
    try:
        for slot in range(connections if port is not None else 0):
            # A descriptor of our own: the loops close what they drop.
            with socket.create_connection(("127.0.0.1", port or 0), timeout=10) as made:
                made.setblocking(False)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                fd = fcntl.fcntl(made.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)
            join(wired, slot, fd, EPOLLIN)
        yield wired
    finally:
        for slot in np.flatnonzero(wired.fds >= 0).tolist():
            drop(wired, slot)
        epoll.close()


if __name__ == "__main__":
    serve()
