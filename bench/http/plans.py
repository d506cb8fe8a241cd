"""The groups that speak HTTP: who is in them, what they are asked, and the goals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.http import gate, nginx
from bench.http.runner import OVERLOADED, HttpRunner
from bench.http.site import Serving, Site
from bench.http.usual import contender as usual
from bench.load import requests
from bench.load.jobs import Job, Load
from bench.machine import Cores
from bench.report import Bound, Contender, Guarantees
from bench.rounds import Options, Plan

NGINX, GATE, FASTAPI, STARLETTE = "nginx 204", "gate", "FastAPI", "Starlette"

NOTHING = Guarantees(text="an empty reply")
WHOLE = Guarantees(
    durable=True,
    deduplicated=True,
    scored=True,
    verified=True,
    text="chained and checksummed; stage and tally included",
)
USUAL = Guarantees(
    durable=True,
    deduplicated=True,
    scored=True,
    verified=True,
    text="no checksums, no chain, no bound on the queue",
)
DEPTH = 16


def _nginx(port: int, cores: Cores, directory: Path) -> Serving:
    return Serving(nginx.start(port, cores.contender, directory), port)


def nginx_204(job: Job) -> HttpRunner:
    return HttpRunner(Contender(NGINX, NOTHING), Site("nginx", _nginx), job)


def gate_site() -> Site:
    return Site("gate", gate.start, ports=2)


def gate_answer(job: Job, site: Site | None = None) -> HttpRunner:
    return HttpRunner(Contender(GATE, WHOLE), site or gate_site(), job, verify=gate.verify)


def answer_job(options: Options, headers: bytes, load: Load = Load.CLOSED, depth: int = 1) -> Job:
    return Job(load, 0, requests.answer(headers), connections=options.connections, depth=depth)


# --- one answer -----------------------------------------------------------------------------------


def _browser(options: Options) -> Sequence[HttpRunner]:
    job = answer_job(options, requests.BROWSER)
    runners = [nginx_204(job), gate_answer(job)]
    return [*runners, _fastapi(job)] if options.quick else runners


def _short(options: Options) -> Sequence[HttpRunner]:
    job = answer_job(options, requests.SHORT)
    return [nginx_204(job), gate_answer(job)]


def _pipelined(options: Options) -> Sequence[HttpRunner]:
    """With so many under way a gate may have to refuse some."""
    job = answer_job(options, requests.SHORT, depth=DEPTH)
    some_refused = frozenset({204, OVERLOADED})
    pipelining = HttpRunner(Contender(GATE, WHOLE), gate_site(), job, some_refused, gate.verify)
    return [nginx_204(job), pipelining]


def _connect(options: Options) -> Sequence[HttpRunner]:
    job = answer_job(options, requests.BROWSER, Load.FRESH)
    return [nginx_204(job), gate_answer(job)]


def _usual(options: Options) -> Sequence[HttpRunner]:
    job = answer_job(options, requests.BROWSER)
    return [gate_answer(job), _starlette(job), _fastapi(job)]


def _fastapi(job: Job) -> HttpRunner:
    site = Site("fastapi", usual.fastapi())
    return HttpRunner(Contender(FASTAPI, USUAL), site, job, verify=usual.verify)


def _starlette(job: Job) -> HttpRunner:
    site = Site("starlette", usual.starlette())
    return HttpRunner(Contender(STARLETTE, USUAL), site, job, verify=usual.verify)


# --- what phones ask besides ----------------------------------------------------------------------


def _pair(options: Options) -> Sequence[HttpRunner]:
    job = answer_job(options, requests.BROWSER)
    job = msgspec.structs.replace(job, lead=requests.now(requests.BROWSER_GET))
    both = frozenset({200, 204})
    return [
        HttpRunner(Contender(NGINX, NOTHING), Site("nginx", _nginx), job, replies_per_answer=2),
        HttpRunner(
            Contender(GATE, WHOLE),
            gate_site(),
            job,
            both,
            verify=gate.verify,
            replies_per_answer=2,
        ),
    ]


def _reading(options: Options, name: str, request: bytes, status: int) -> Sequence[HttpRunner]:
    """One kind of request beside answers, on the same gate."""
    site = gate_site()
    job = Job(Load.CLOSED, 0, request, connections=options.connections)
    other = HttpRunner(Contender(name, Guarantees()), site, job, frozenset({status}))
    return [gate_answer(answer_job(options, requests.BROWSER), site), other]


def _join(options: Options) -> Sequence[HttpRunner]:
    return _reading(options, "join", requests.join(requests.BROWSER), 201)


def _now(options: Options) -> Sequence[HttpRunner]:
    return _reading(options, "now", requests.now(requests.BROWSER_GET), 200)


PLANS = (
    Plan(
        "http-browser",
        "an answer with a browser's headers, 1,000 connections",
        NGINX,
        "answer",
        _browser,
        (Bound(GATE, NGINX, at_most=1.0),),
        (Bound(GATE, NGINX, at_most=2.0), Bound(FASTAPI, GATE, at_least=10.0)),
    ),
    Plan(
        "http-short",
        "an answer with short headers, 1,000 connections",
        NGINX,
        "answer",
        _short,
        (Bound(GATE, NGINX, at_most=1.1),),
    ),
    Plan(
        "http-usual",
        "the same service written the usual way",
        GATE,
        "answer",
        _usual,
        (Bound(FASTAPI, GATE, at_least=30.0),),
    ),
    Plan(
        "http-pair",
        "GET /now and an answer on one connection, beside two empty replies",
        NGINX,
        "pair",
        _pair,
        (Bound(GATE, NGINX, at_most=1.3),),
    ),
    Plan(
        "http-connect",
        "a new TCP connection for each answer",
        NGINX,
        "answer",
        _connect,
        (Bound(GATE, NGINX, at_most=1.5),),
    ),
    Plan(
        "http-pipelined",
        f"answers {DEPTH} at once on each connection, short headers",
        NGINX,
        "answer",
        _pipelined,
    ),
    Plan(
        "http-join",
        "a join beside an answer",
        GATE,
        "request",
        _join,
        (Bound("join", GATE, at_most=3.0),),
    ),
    Plan(
        "http-now",
        "GET /now beside an answer",
        GATE,
        "request",
        _now,
        (Bound("now", GATE, at_most=3.0),),
    ),
)
