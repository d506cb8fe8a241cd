"""Two shows that differ only in what nobody may know yet are byte-identical to the public.

Both stand in this process with one clock that does not move, so that nothing needs to be ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from gate_stand import EPOCH, SetClock
from raw_http import Reply, take_reply
from shows import by_hand, question

from hairpin import messages as m
from hairpin.cli.show import load_show
from hairpin.config import Settings
from hairpin.gate.admit import answer_text
from hairpin.gate.server import Gate
from hairpin.node.data import DataDirectory, Keys
from hairpin.node.stage import Stage
from hairpin.order import Step
from hairpin.show import schedule
from hairpin.web import load_assets
from hairpin.world import real_world

KEYS = Keys(5, "00" * 16, "11" * 16, "token")
ASKED = question("Which one?", explanation="It stands in the book.", right=1)
SECRETS = {
    "the right answer": [question("Which one?", explanation="It stands in the book.", right=2)],
    "the explanation": [question("Which one?", explanation="Because.", right=1)],
    "several rights": [question("Which one?", explanation="It stands in the book.", right=3)],
}


HEAD = re.compile(rb'"head":"[0-9a-f]{32}"')


class Theatre:
    """Stage and gate of one show in one event loop; only `turn` makes news travel."""

    def __init__(self, directory: Path, show_text: str) -> None:
        self.clock = SetClock()
        world = real_world(self.clock)
        path = directory / "show.toml"
        path.write_text(show_text)
        show = load_show(path)
        data = DataDirectory(directory / "data", world)
        data.prepare()
        journal = data.journal(create=True)
        armed = m.Armed(EPOCH, EPOCH, show, show.hash(), schedule(show, EPOCH))
        self.stage = Stage(world, data, KEYS, armed, (), "http://127.0.0.1:8000")
        self.gate = Gate(
            world,
            journal,
            self.stage.bus,
            KEYS.ticket_key(),
            Settings(gates=1),
            load_assets("phone"),
            (),
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self._stop = asyncio.Event()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Theatre]:
        ready = asyncio.Event()
        self.stage.director.publish()
        await self.gate.ask_order()
        running = asyncio.create_task(self.gate.run(self._listener, ready.set, self._stop))
        await ready.wait()
        await asyncio.sleep(0.05)  # the first fan numbers come
        yield self
        self._stop.set()
        await running
        self.stage.director.close()

    async def turn(self, later_ms: int) -> None:
        """Time passes, and everyone hears of everything."""
        self.clock.at_ms += later_ms
        for _ in range(3):
            await asyncio.sleep(0.03)  # for the gate to tell how far it is
            self.stage.director.tick()
            snapshot = self.stage.keeper.tick()
            if snapshot is not None:
                self.stage.bus.publish(m.TOPIC_TALLY, snapshot)
        self.gate._doors.tick()

    async def ask(self, *lines: str) -> bytes:
        """The bytes of all replies on one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for line in lines[:-1]:
            writer.write(f"{line} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        writer.write(f"{lines[-1]} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        data = await reader.read()
        writer.close()
        return data

    async def look(self) -> bytes:
        """All that the public can read, and what it is told for its answers."""
        documents = ("/now", "/ranks", "/show.json", "/healthz", "/", "/phone.js", "/nothing")
        answers = [
            f"POST /a/{answer_text(self.ticket, q, c, 77).decode()}"
            for q in range(4)
            for c in range(10)
        ]
        return await self.ask(
            *(f"GET {path}" for path in documents),
            *(f"HEAD {path}" for path in documents),
            *answers,
            "GET /now",
        )

    async def join(self) -> bytes:
        data = await self.ask("POST /t/1FR", "GET /now")
        taken = take_reply(data)
        assert taken is not None
        self.ticket: str = msgspec.json.decode(taken[0].body)["ticket"]
        return data


async def play(directory: Path, show_text: str) -> tuple[list[bytes], list[bytes]]:
    """What the public saw until just before the first reveal, and after it."""
    theatre = Theatre(directory, show_text)
    before: list[bytes] = []
    async with theatre.open():
        before.append(await theatre.join())
        before.append(await theatre.look())
        for step in (Step.OPEN, Step.CLOSE):
            theatre.stage.director.step(0, step)
            await theatre.turn(2_000)
            before.append(await theatre.look())
            await theatre.turn(2_000)
            before.append(await theatre.look())
        theatre.stage.director.step(0, Step.REVEAL)
        await theatre.turn(2_000)
        return before, [await theatre.look()]


def show_of(first: str, more: list[str]) -> str:
    return by_hand([first, *more], more="cell_min = 1")


def replies(data: bytes) -> list[Reply]:
    found = []
    for _ in range(7):
        taken = take_reply(data)
        assert taken is not None
        found.append(taken[0])
        data = taken[1]
    return found


@pytest.mark.parametrize("secret", SECRETS)
async def test_nothing_tells_before_the_reveal(tmp_path: Path, secret: str) -> None:
    shows = {"one": show_of(ASKED, []), "other": show_of(SECRETS[secret][0], [])}
    seen = {}
    for name, text in shows.items():
        (tmp_path / name).mkdir()
        seen[name] = await play(tmp_path / name, text)
    assert seen["one"][0] == seen["other"][0]
    assert seen["one"][1] != seen["other"][1], "the reveal tells"
    now = msgspec.json.decode(replies(seen["one"][0][-1])[0].body)
    assert now["state"] == "closed", "the comparison went as far as the last moment before"


async def test_nothing_tells_what_will_be_asked(tmp_path: Path) -> None:
    futures = {
        "one": [question("What now?", choices=2, right=1), question("And then?")],
        "other": [
            question("Something else?", choices=8, right=5, explanation="Yes."),
            question("Several?", choices=4, right=2, multiple=True, duration_s=90),
        ],
    }
    seen = {}
    for name, more in futures.items():
        (tmp_path / name).mkdir()
        before, after = await play(tmp_path / name, show_of(ASKED, more))
        # A published head rests on the whole journal, the show in it and the journal's secret id.
        seen[name] = [*before, *(HEAD.sub(b"", data) for data in after)]
    assert seen["one"] == seen["other"]
