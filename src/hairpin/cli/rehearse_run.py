"""The run behind `hairpin rehearse`: find or start a node, bring the crowd, audit."""

from __future__ import annotations

import asyncio
import math
import shutil
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hairpin.cli.demo import audit_with_recount
from hairpin.cli.rehearse_screen import RehearsalScreen
from hairpin.config import Settings as NodeSettings
from hairpin.errors import EngineDown, YourMistake
from hairpin.node.data import open_journal
from hairpin.rehearsal import asking, night
from hairpin.rehearsal.arrival import Curve
from hairpin.rehearsal.crowd import Settings, Told
from hairpin.rehearsal.evidence import Asked, Seen, findings
from hairpin.rehearsal.findings import Findings, Option
from hairpin.rehearsal.generators import Generators
from hairpin.rehearsal.ledger import Ledger
from hairpin.rehearsal.night import Night, NightSettings, NodeFacts
from hairpin.rehearsal.rehearsed import durations_s, rehearsed, stretches, toml_value
from hairpin.rehearsal.script import Habits
from hairpin.show import Show
from hairpin.showfile import images
from hairpin.world import World

LOOPBACK = ("127.0.0.1", "::1")
SHOW = "show"
"""Where the show stands in the data directory of a rehearsal."""


class Wish(msgspec.Struct, frozen=True):
    """What `hairpin rehearse` was asked for."""

    show: Show
    show_path: Path
    fans: int
    window_s: float | None
    habits: Habits
    curve: Curve
    processes: int
    connections: int
    seed: int
    speed: float
    settings: NodeSettings
    work: Path
    """Data directory of our own node, and home of the crowd."""
    port: int | None
    url: str | None
    private: str | None
    token: str | None
    ca: Path | None
    node_data: Path | None
    """Data directory of a node that runs already."""
    options: dict[str, Option]


class Outcome(msgspec.Struct, frozen=True):
    findings: Findings
    in_force: dict[str, Option]
    """The configuration of the node that was rehearsed; empty where it is not known."""


async def rehearse_show(wish: Wish, world: World, screen: RehearsalScreen) -> Outcome:
    """The whole show, from the first join to the last recount. Raises YourMistake, EngineDown and
    `ChildEnded` where it could not be gone through."""
    if wish.url is None:
        return await _own_node(wish, world, screen)
    _check_window(wish)
    await _check_show(wish, wish.url)
    facts = _facts(wish, wish.url)
    if facts is None:
        return await _crowd_only(wish, wish.url, world, screen)
    settings = _night(wish, wish.url, 0)
    return await _watched(wish, world, screen, Night(settings, None, facts, world.clock))


async def _own_node(wish: Wish, world: World, screen: RehearsalScreen) -> Outcome:
    _prepare(wish)
    port = wish.port or _free_port()
    settings = _night(wish, f"http://127.0.0.1:{port}", port)
    screen.say("starting a node with this installation's settings")
    async with night.begin(settings, world.clock) as running:
        return await _watched(wish, world, screen, running)


async def _watched(wish: Wish, world: World, screen: RehearsalScreen, running: Night) -> Outcome:
    started_ms = world.clock.now_ms()
    with screen:
        await running.rehearse(lambda: screen.show(running.progress))
    ended_ms = world.clock.now_ms()
    screen.say("counting the journal again")
    ledger = await asyncio.to_thread(_audit, wish, running, (ended_ms - started_ms) / 1000)
    seen = Seen(
        lags_ms=running.wall.lags_ms,
        lags_at_ms=running.wall.seen_ms,
        costs=tuple(running.console.costs),
        memory_peak_bytes=running.memory_peak_bytes,
        processes=running.crowd.number,
        same_machine=_here(running.facts.pid),
        crowd_cores_peak=running.crowd_cores_peak,
    )
    asked = _asked(wish, running.crowd.url, started_ms, ended_ms)
    found = findings(asked, running.crowd.record(), seen, ledger)
    return Outcome(found, running.facts.configuration)


async def _crowd_only(wish: Wish, url: str, world: World, screen: RehearsalScreen) -> Outcome:
    """A front door, and nothing known of what is behind it."""
    screen.say("no --data and no --private: only the crowd's own side can be checked")
    crowd = Generators(_plan(wish, url), wish.processes, wish.work / "crowd")
    started_ms = world.clock.now_ms()
    with screen:
        await crowd.run(lambda: screen.show(crowd.progress))
    nearby = asking.address(url, wish.ca).host in (*LOOPBACK, "localhost")
    seen = Seen((), (), (), None, crowd.number, nearby, 0.0)
    asked = _asked(wish, url, started_ms, world.clock.now_ms())
    return Outcome(findings(asked, crowd.record(), seen, None), {})


def _audit(wish: Wish, running: Night, seconds: float) -> Ledger | None:
    """None where the journal cannot be read from here."""
    data = wish.work if wish.url is None else wish.node_data
    if data is None:
        return None
    live, lag = running.console.counts(), running.wall.lag_ms_p99
    return audit_with_recount(running.crowd.record(), live, open_journal(data), lag, seconds)


# --- what the crowd is told ---------------------------------------------------------------------


def _plan(wish: Wish, url: str) -> Settings:
    show = wish.show
    if wish.url is None:
        open_ms = [1000 * duration_s for duration_s in durations_s(show, wish.window_s)]
    else:
        open_ms = [float(q.duration_ms or math.inf) for q in show.questions]
    return Settings(
        url=url,
        fans=wish.fans,
        connections=wish.connections,
        seed=wish.seed,
        habits=wish.habits,
        exit_after_over=True,
        told=tuple(
            Told(len(q.choices), q.multiple, q.right, duration_ms, stretch)
            for q, duration_ms, stretch in zip(
                show.questions, open_ms, stretches(show, wish.window_s), strict=True
            )
        ),
        curve=wish.curve,
        ca=wish.ca,
    )


def _night(wish: Wish, url: str, port: int) -> NightSettings:
    return NightSettings(
        show=wish.work / SHOW / "show.toml",
        data=wish.work,
        port=port,
        speed=wish.speed,
        fans=wish.fans,
        seed=wish.seed,
        connections=wish.connections,
        lan=False,
        processes=wish.processes,
        purpose="rehearsal",
        plan=_plan(wish, url),
    )


def _asked(wish: Wish, url: str, started_ms: int, ended_ms: int) -> Asked:
    return Asked(
        started_ms=started_ms,
        ended_ms=ended_ms,
        window_s=wish.window_s or min(durations_s(wish.show, None)),
        seed=wish.seed,
        options=wish.options,
        url=url,
        tls=url.startswith("https:"),
    )


# --- a node of our own --------------------------------------------------------------------------


def _prepare(wish: Wish) -> None:
    """Data directory, show and settings. Raises YourMistake where they cannot be written."""
    directory = wish.work
    try:
        directory.mkdir(parents=True, exist_ok=True)
        found = sorted(path.name for path in directory.iterdir())
        if found:
            raise YourMistake(
                f"--data: found {directory} with {len(found)} files in it ({found[0]}, ...); "
                "allowed: a new or empty directory",
                "Give another directory; one rehearsal needs one of its own.",
            )
        (directory / "hairpin.toml").write_text(_settings_text(wish), "utf-8")
        document = tomllib.loads(wish.show_path.read_text("utf-8-sig"))
        home = directory / SHOW
        home.mkdir()
        text = rehearsed(document, wish.show, wish.fans, wish.window_s)
        (home / "show.toml").write_text(text, "utf-8")
        for _, image in images(wish.show):
            copied = home / image
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(wish.show_path.parent / image, copied)
    except OSError as error:
        raise YourMistake(
            f"--data: cannot write {directory}: {error.strerror}", "Give another directory."
        ) from error


def _settings_text(wish: Wish) -> str:
    """The installation's settings; only that the whole crowd joins from this machine, and that the
    show's mirrors are left alone: a folder in each, on the same disk, is used instead."""
    allowed = tuple(dict.fromkeys((*wish.settings.join_allow, *LOOPBACK)))
    mirrors = tuple(map(str, _mirrors(wish)))
    settings = msgspec.structs.replace(wish.settings, join_allow=allowed, mirrors=mirrors)
    values = msgspec.to_builtins(settings)
    return "".join(f"{name} = {toml_value(_plain(value))}\n" for name, value in values.items())


def _mirrors(wish: Wish) -> list[Path]:
    return [wish.work / mirror / f"of-{wish.work.name}" for mirror in wish.settings.mirrors]


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _free_port() -> int:
    """Of two neighbours that are free now."""
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise EngineDown("no two neighbouring ports are free", "Choose one with --port.")


def keep_or_remove(wish: Wish, remove: bool) -> Path | None:
    """The work directory, if it stays."""
    if not remove:
        return wish.work
    for directory in (*_mirrors(wish), wish.work):
        shutil.rmtree(directory, ignore_errors=True)
    return None


# --- a node that runs already -------------------------------------------------------------------


def _facts(wish: Wish, url: str) -> NodeFacts | None:
    """How to watch it; None where nothing was given. Raises YourMistake where it is not enough."""
    if wish.node_data is not None:
        facts = night.read_facts(wish.node_data / "node.json")
        if facts is None:
            raise YourMistake(
                f"--data: there is no {wish.node_data}/node.json: no node runs there",
                "Give the data directory of the node behind --url, or none.",
            )
        return facts
    if wish.private is None:
        return None
    if wish.token is None:
        raise YourMistake("--private needs --token", "`hairpin run` prints it after `token=`.")
    return NodeFacts(0, url, wish.private, wish.token, wish.show.id)


async def _check_show(wish: Wish, url: str) -> None:
    """Raises YourMistake where another show is served there."""
    to = asking.address(url, wish.ca)
    served = (await asking.call(to, "GET", "/show.json")).json(f"{url}/show.json")
    found = (served.get("show"), served.get("questions"))
    expected = (wish.show.id, len(wish.show.questions))
    if found != expected:
        raise YourMistake(
            f"--url: found the show {found[0]!r} with {found[1]} questions; "
            f"expected {expected[0]!r} with {expected[1]}",
            f"Run {wish.show_path} there, or rehearse the file that runs.",
        )


def _check_window(wish: Wish) -> None:
    """A node that runs keeps its own times."""
    shortest_s = min(_own_durations_s(wish.show), default=math.inf)
    if wish.window_s is not None and wish.window_s > shortest_s:
        raise YourMistake(
            f"--window: found {wish.window_s:g}; allowed with --url: at most {shortest_s:g}, the "
            "shortest time that a question is open there",
            "Leave --url out to rehearse with other times on a node of our own.",
        )


def _own_durations_s(show: Show) -> Iterator[float]:
    return (q.duration_ms / 1000 for q in show.questions if q.duration_ms is not None)


def _here(pid: int) -> bool:
    return pid > 0 and Path(f"/proc/{pid}").exists()
