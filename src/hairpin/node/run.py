"""A whole node on one machine: check, bind, warm, fork, watch."""

from __future__ import annotations

import hashlib
import ipaddress
import mimetypes
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import structlog

from hairpin import messages as m
from hairpin.config import Settings
from hairpin.errors import DataDamaged, EngineDown, YourMistake
from hairpin.journal import Journal
from hairpin.node.arming import Grounds, permit
from hairpin.node.arming_facts import configuration, facts_of
from hairpin.node.data import DataDirectory, Keys, NodeFile, read_settings_of
from hairpin.node.family import Family, allow_files
from hairpin.node.gate import run_gate
from hairpin.node.stage import run_stage
from hairpin.node.tally import check_tally
from hairpin.node.warm import warm
from hairpin.show import Mode, Show, schedule
from hairpin.showfile import images
from hairpin.stage.past import directors, read_past
from hairpin.tally.memcached import address_of
from hairpin.web import load_assets
from hairpin.world import World, real_world

log = structlog.get_logger()

IMAGE_BYTES_MAX = 1 << 20
_BACKLOG = 4096
FILES_SPARE = 256
"""Open files of a gate beside its connections."""
STAGE_FILES_SPARE = 256
"""Open files of the stage beside its event streams: gates, strands, pages."""


class Wish(msgspec.Struct, frozen=True):
    """What `hairpin run` was asked for."""

    show: Show
    show_path: Path
    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    private_host: str = "127.0.0.1"
    start_ms: int | None = None
    """Instead of the show file's start."""
    start_after_ms: int | None = None
    """The same, counted from the moment when the node is ready to serve."""
    speed: float = 1.0
    settings: Settings | None = None
    gates: int | None = None
    grounds: Grounds = Grounds()
    """On which the show may be armed; by default a certificate beside its file."""
    degraded: bool = False
    """Open the journal though a mirror is missing, and go on without that one."""
    tally: str | None = None
    """Address of the memcached that counts; None: count exactly, in the stage process."""


class Node:
    """`run` lives until SIGTERM or SIGINT and returns an exit code."""

    def __init__(self, wish: Wish) -> None:
        """Raises YourMistake where the wish cannot be met; nothing is started then."""
        self.wish = wish
        self._tally = None if wish.tally is None else address_of(wish.tally)
        self._world = real_world()
        self._data = DataDirectory(wish.data, self._world)
        self._data.prepare()
        self._settings = self._own_settings()
        self._data.use(self._settings)
        self._arm = self._armed()  # a refusal must not wait for compilers
        check_tally(self._tally, self._data.journal(degraded=wish.degraded), wish.show)
        self._media = load_media(wish.show, wish.show_path.parent)
        self._public = listen(wish.host, wish.port)
        try:
            self._private = listen(wish.private_host, wish.port + 1)
        except YourMistake:
            self._public.close()
            raise
        self._keys: Keys = self._data.keys()

    @property
    def public_address(self) -> str:
        return _address(self.wish.host, self._public)

    @property
    def phone_address(self) -> str:
        return self._settings.public_url.rstrip("/") or self.public_address

    @property
    def private_address(self) -> str:
        return _address(self.wish.private_host, self._private)

    @property
    def token(self) -> str:
        return self._keys.token

    def run(self, ready: Callable[[NodeFile], None]) -> int:
        """`ready` is called once, when all processes serve."""
        warm()
        self._arm = self._armed()  # "in ten seconds" counts from here
        runtime = Path(tempfile.mkdtemp(prefix="hairpin-"))
        family = Family()
        family.listen()
        self._fork(family, runtime / "bus")
        told = False

        def changed() -> None:
            nonlocal told
            if not family.all_ready():
                return
            node = self._node_file(family)
            self._tell(node, needed=not told)
            if not told:
                told = True
                ready(node)

        try:
            family.watch(changed)
        finally:
            family.end()
            self._data.untell()
            shutil.rmtree(runtime, ignore_errors=True)
        return family.failure or 0

    def _tell(self, node: NodeFile, needed: bool) -> None:
        """Say where the node is. Once the show runs, a full disk here is no reason to end it."""
        try:
            self._data.tell(node)
        except EngineDown as error:
            if needed:
                raise
            log.warning("node.json is out of date", why=error.message, remedy=error.remedy)

    def _fork(self, family: Family, bus_path: Path) -> None:
        assets = load_assets("phone")
        documents = tuple(document for _, document in self._media)
        family.add(
            "stage",
            partial(
                run_stage,
                world=self._world,
                data=self._data,
                keys=self._keys,
                arm=self._arm,
                degraded=self.wish.degraded,
                bus_path=bus_path,
                listener=self._private,
                public_address=self.phone_address,
                media=self._media,
                tally=self._tally,
                streams_max=self._settings.streams_max,
            ),
        )
        for number in range(self._settings.gates):
            family.add(
                f"gate-{number + 1}",
                partial(
                    run_gate,
                    world=self._world,
                    data=self._data,
                    keys=self._keys,
                    settings=self._settings,
                    bus_path=bus_path,
                    listener=self._public,
                    assets=assets,
                    media=documents,
                ),
            )

    def _node_file(self, family: Family) -> NodeFile:
        return NodeFile(
            pid=os.getpid(),
            show=self.wish.show.id,
            public=self.public_address,
            phone=self.phone_address,
            private=self.private_address,
            token=self._keys.token,
            stage=family.pids("stage")[0],
            gates=family.pids("gate"),
            configuration=configuration(self._settings, self.wish.tally),
            permission=self._arm.permission,
        )

    def _armed(self) -> m.Armed:
        return arm(self.wish, self._data, self._world, self._settings)

    def _own_settings(self) -> Settings:
        settings = self.wish.settings
        if settings is None:
            settings = read_settings_of(self._data)
        if self.wish.gates is not None:
            settings = msgspec.structs.replace(settings, gates=self.wish.gates)
        return in_force(settings)


def in_force(settings: Settings) -> Settings:
    """What the limit of open files permits of them: the journal must always be able to open its
    next segment."""
    connections, streams = settings.connections_max, settings.streams_max
    files = allow_files(max(connections + FILES_SPARE, streams + STAGE_FILES_SPARE))
    return msgspec.structs.replace(
        settings,
        connections_max=max(min(connections, files - FILES_SPARE), 10),
        streams_max=max(min(streams, files - STAGE_FILES_SPARE), 10),
    )


def arm(wish: Wish, data: DataDirectory, world: World, settings: Settings) -> m.Armed:
    """The show as this data directory knows it, or as it is to be armed now.

    Raises YourMistake if the directory belongs to another show, or this one was changed after it
    began, or is over and purged, or must not be armed (`arming.Refusal`); DataDamaged if a strand
    is missing or cannot be read.
    """
    if data.end_path.exists():
        # Fan numbers would begin anew, and a ticket of the first time be one of the second.
        raise YourMistake(
            f"the records of the show in {data.path} were purged",
            "To run it once more, give it a new data directory: --data.",
        )
    journal = data.journal(create=True, degraded=wish.degraded)
    _expect_all_strands(journal)
    past = read_past(journal, directors(journal))
    known = past.armed
    if known is not None and known.show.id != wish.show.id:
        raise YourMistake(
            f"{data.path} holds the show {known.show.id!r}, not {wish.show.id!r}",
            "Give every show a data directory of its own: --data.",
        )
    if known is not None and known.show_hash == wish.show.hash() and not past.untouched:
        return known
    if known is not None and past.begun:
        raise YourMistake(
            f"{wish.show_path} was changed after the show in {data.path} began",
            "Put the old file back; correct answers and void questions from the console.",
        )
    fresh = _fresh(wish, world.clock.now_ms())
    now = facts_of(wish.show, configuration(settings, wish.tally))
    permission = permit(wish.show, wish.show_path, now, wish.grounds, known, world.disk)
    return msgspec.structs.replace(fresh, permission=permission)


def _expect_all_strands(journal: Journal) -> None:
    """Numbers are given without gaps; one that is missing may have held the running order."""
    numbers = journal.incarnations()
    missing = sorted(set(range(1, max(numbers, default=0))) - set(numbers))
    if missing:
        raise DataDamaged(
            f"journal damaged: no file of incarnation {', '.join(map(str, missing))} is here",
            "Restore it from a copy.",
        )


def _fresh(wish: Wish, now_ms: int) -> m.Armed:
    """Times count from now, as nobody has answered yet: 32 bits of ms hold 49 days.

    Raises YourMistake if the clock would open every question at once, since all times are past.
    """
    start_ms = wish.start_ms or wish.show.start_ms or now_ms
    if wish.start_after_ms is not None:
        start_ms = now_ms + wish.start_after_ms
    opens_ms = schedule(wish.show, start_ms, wish.speed)
    if wish.show.mode is Mode.CLOCK and max(ms or 0 for ms in opens_ms) < now_ms:
        raise YourMistake(
            f"{wish.show_path}: every question should have opened by now",
            "Correct the start in the show file, or give --start now.",
        )
    return m.Armed(
        at_ms=now_ms,
        epoch_ms=now_ms,
        show=wish.show,
        show_hash=wish.show.hash(),
        opens_ms=opens_ms,
    )


def listen(host: str, port: int) -> socket.socket:
    """A bound listening socket. Raises YourMistake if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise YourMistake(
            f"cannot listen on {host}, port {port}: {error.strerror}",
            "End the program that uses it, or choose another port with --port "
            "(the private pages take the next one).",
        ) from error
    listener.setblocking(False)
    return listener


def _address(host: str, listener: socket.socket) -> str:
    bound, port = listener.getsockname()[:2]
    if ipaddress.ip_address(bound).is_unspecified:
        host = lan_address()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def lan_address() -> str:
    """The address under which others in the local network reach this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only asks the routing table.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def load_media(show: Show, directory: Path) -> tuple[tuple[str, m.Document], ...]:
    """The show's images: (path in the show file, document under an address that tells nothing)."""
    media = []
    for place, path in images(show):
        file = directory / path
        kind = mimetypes.guess_type(file.name)[0] or ""
        try:
            body = file.read_bytes()
        except OSError as error:
            raise YourMistake(
                f"{place}: image {path}: {error.strerror}",
                "Put it beside the show file, or take it out.",
            ) from error
        if not kind.startswith("image/") or len(body) > IMAGE_BYTES_MAX:
            raise YourMistake(
                f"{place}: image {path}: found {kind or 'no image'}, {len(body)} bytes",
                f"Allowed: an image of at most {IMAGE_BYTES_MAX} bytes.",
            )
        digest = hashlib.blake2b(body, digest_size=8).hexdigest()
        address = f"/media/{digest}{file.suffix}"
        media.append((path, m.Document(address, body, f'"{digest}"', 86_400, kind)))
    return tuple(media)
